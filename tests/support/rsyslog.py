"""Debian's rsyslog as a bank's SIEM: syslog over TLS with a client's certificate, every message written as it came."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.siem import Siem

MODULES = Path("/usr/lib")
CONFIG = """
global(workDirectory="{folder}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off"
       defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{ca}"
       defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/name" permittedPeer=["localhost"])
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="raw" type="string" string="%rawmsg%\\n")
template(name="parts" type="string" string="%syslogfacility-text%.%syslogseverity-text% %app-name% %msgid% %structured-data%\\n")
action(type="omfile" file="{folder}/raw" template="raw")
action(type="omfile" file="{folder}/parts" template="parts")
"""


def missing() -> str:
    """Why it cannot run here; empty when it can."""
    if shutil.which("rsyslogd") and any(MODULES.glob("*/rsyslog/lmnsd_ossl.so")):
        return ""
    return "rsyslog with rsyslog-openssl is not installed (Debian: rsyslog, rsyslog-openssl)"


class Rsyslog(Siem):
    """`rsyslogd` on a port of its own."""

    def __init__(self, folder: Path, ca: Path, certificate: Path, key: Path) -> None:
        super().__init__(folder)
        config = CONFIG.format(folder=folder, ca=ca, certificate=certificate, key=key, port=self.port)
        (folder / "rsyslog.conf").write_text(config)
        self.command = ["rsyslogd", "-n", "-C", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "pid")]

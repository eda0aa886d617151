"""Debian's rsyslog as a bank's SIEM: syslog over TLS with a client's certificate, every message written as it came."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Rsyslog:
    """`rsyslogd` on a port of its own; `stop` and `start` as often as one likes, what it wrote stays."""

    def __init__(self, folder: Path, ca: Path, certificate: Path, key: Path) -> None:
        self.folder = folder
        self.port = free_port()
        config = CONFIG.format(folder=folder, ca=ca, certificate=certificate, key=key, port=self.port)
        (folder / "rsyslog.conf").write_text(config)

    def start(self) -> None:
        command = ["rsyslogd", "-n", "-C", "-f", str(self.folder / "rsyslog.conf"), "-i", str(self.folder / "pid")]
        with open(self.folder / "said", "ab") as said:
            self._process = subprocess.Popen(command, stdout=said, stderr=said)
        until = time.monotonic() + 15
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self._process.poll() is None, (self.folder / "said").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)

    def stop(self, kill: bool = False) -> None:
        if self._process.poll() is None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait(10)
        (self.folder / "pid").unlink(missing_ok=True)

    def lines(self, name: str = "raw") -> list[str]:
        path = self.folder / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

"""syslog-ng as a bank's SIEM: syslog over TLS with a client's certificate, every message written as it came.

Debian's package, unpacked beside (`.ci/beside`): it cannot be installed together with rsyslog.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.siem import Siem

BESIDE = Path(sys.prefix) / "beside"
PROGRAM = BESIDE / "usr/sbin/syslog-ng"
CONFIG = """@version: {version}
options {{ keep-hostname(yes); use-dns(no); stats-freq(0); log-msg-size(65536); }};
source siem {{
    syslog(ip("127.0.0.1") port({port}) transport("tls") flags(store-raw-message)
        tls(ca-file("{ca}") cert-file("{certificate}") key-file("{key}") peer-verify(required-trusted)));
}};
destination raw {{ file("{folder}/raw" template("${{RAWMSG}}\\n") flush-lines(1)); }};
destination parts {{
    file("{folder}/parts" template("${{FACILITY}}.${{PRIORITY}} ${{PROGRAM}} ${{MSGID}} ${{SDATA}} ${{MSG}}\\n") flush-lines(1));
}};
log {{ source(siem); destination(raw); destination(parts); }};
"""


def missing() -> str:
    """Why it cannot run here; empty when it can."""
    return "" if PROGRAM.exists() else "syslog-ng is not unpacked in .venv/beside (make does that on Debian)"


class SyslogNg(Siem):
    """`syslog-ng` on a port of its own."""

    def __init__(self, folder: Path, ca: Path, certificate: Path, key: Path) -> None:
        super().__init__(folder)
        modules = next(BESIDE.rglob("libaffile.so")).parent
        folders = {
            str(p.parent)
            for name in ("libsyslog-ng*.so*", "libivykis.so*", "libnet.so*", "libwrap.so*")
            for p in BESIDE.rglob(name)
        }
        self.environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(sorted(folders))}
        self.command = [str(PROGRAM), f"--module-path={modules}"]
        said = subprocess.run([*self.command, "-V"], env=self.environment, capture_output=True, text=True, timeout=30)
        version = re.search(r"Config version: (\S+)", said.stdout)
        assert version, said.stdout + said.stderr
        given = {"ca": ca, "certificate": certificate, "key": key, "port": self.port, "version": version[1]}
        (folder / "syslog-ng.conf").write_text(CONFIG.format(folder=folder, **given))
        files = (("cfgfile", "syslog-ng.conf"), ("persist-file", "persist"), ("pidfile", "pid"), ("control", "ng.ctl"))
        self.command += ["-F", "--no-caps", *(f"--{name}={folder / file}" for name, file in files)]

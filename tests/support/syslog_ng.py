"""syslog-ng as a bank's SIEM: syslog over TLS with a client's certificate, every message written as it came.

Debian's package, unpacked beside (`.ci/beside`): it cannot be installed together with rsyslog.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.support.rsyslog import free_port

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


class SyslogNg:
    """As `Rsyslog`."""

    def __init__(self, folder: Path, ca: Path, certificate: Path, key: Path) -> None:
        self.folder = folder
        self.port = free_port()
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

    def start(self) -> None:
        own = [
            f"--{name}={self.folder / file}"
            for name, file in (("cfgfile", "syslog-ng.conf"), ("persist-file", "persist"))
        ]
        own += [f"--{name}={self.folder / file}" for name, file in (("pidfile", "ng.pid"), ("control", "ng.ctl"))]
        with open(self.folder / "said", "ab") as said:
            self._process = subprocess.Popen(
                [*self.command, "-F", "--no-caps", *own], stdout=said, stderr=said, env=self.environment
            )
        until = time.monotonic() + 60
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
            self._process.wait(30)

    def lines(self, name: str = "raw") -> list[str]:
        path = self.folder / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

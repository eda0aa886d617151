"""What every daemon that stands for a bank's SIEM has: a port, a start that waits until it listens, a stop, what it wrote."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support.name_server import free_port

START_S_MAX = 60
STOP_S_MAX = 30


class Siem:
    """`stop` and `start` as often as one likes, what it wrote stays. `command` is set by who knows the program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.command: list[str] = []
        self.environment: Mapping[str, str] | None = None

    def start(self) -> None:
        with open(self.folder / "said", "ab") as said:
            self._process = subprocess.Popen(self.command, stdout=said, stderr=said, env=self.environment)
        until = time.monotonic() + START_S_MAX
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
            self._process.wait(STOP_S_MAX)
        (self.folder / "pid").unlink(missing_ok=True)

    def lines(self, name: str = "raw") -> list[str]:
        path = self.folder / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

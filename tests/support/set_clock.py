"""A wall clock for the processes of one appliance, which a test sets forth and back: the machine's own stays as it is.

libfaketime does the same for more calls, but with monotonic clocks left alone its sleeps fail (0.9.10), and with them set nothing sleeps right.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.appliance import Appliance

SOURCE = Path(__file__).with_name("ahead.c")


def why_not() -> str:
    """Why there can be none here; empty when there can."""
    return "" if shutil.which("gcc") else "gcc is not installed"


class SetBox(Appliance):
    """An appliance whose wall clock is the test's, in all of its processes and commands at once."""

    def start(self) -> None:
        self._library, self._ahead = self.base / "ahead.so", self.base / "ahead"
        if not self._library.exists():
            self.set_clock(0)
            subprocess.run(
                ["gcc", "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE), "-ldl"],
                check=True,
                capture_output=True,
            )
        super().start()

    def set_clock(self, ahead_s: int) -> None:
        """Ahead of the machine's by so many seconds; written in one piece into the file that all have mapped."""
        file = os.open(self._ahead, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.pwrite(file, ahead_s.to_bytes(8, "little", signed=True), 0)
        finally:
            os.close(file)

    def environ(self) -> dict[str, str]:
        return {**super().environ(), "LD_PRELOAD": str(self._library), "CLOCK_AHEAD": str(self._ahead)}

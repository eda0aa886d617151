"""Remembers which PIN file the token refused, so that nothing ever tries the same PIN twice and locks the token.

What is remembered is the file's identity and time of change, never anything made from the PIN.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from .errors import HsmError
from .softhsm import write_private


class Refused:
    """The mark in the HSM's folder; it outlives the process, because a supervisor that restarts it must not spend the tries either."""

    def __init__(self, folder: Path) -> None:
        self.mark = folder / "pin-refused"
        self._tried = ""  # the same in memory, for a disk that cannot be written

    def remember(self, tried: str) -> None:
        """`tried` is the file's `identity` from before the try: a PIN written meanwhile must not count as refused."""
        self._tried = tried
        with contextlib.suppress(OSError):
            self.mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self.mark, tried.encode())

    def check(self, pin_file: Path) -> HsmError | None:
        """Why the PIN in `pin_file` may not be tried; None when it may. A changed file clears the mark."""
        now = identity(pin_file)
        if now in (self._tried, self._marked()) and not adopted(pin_file):
            return HsmError(
                "pin_invalid",
                "the token refused this PIN before; it is not tried again",
                f"write the right PIN to {pin_file}; it is then tried by itself",
            )
        self._tried = ""
        with contextlib.suppress(FileNotFoundError):
            self.mark.unlink()
        return None

    def _marked(self) -> str:
        try:
            return self.mark.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""


def upcoming(pin_file: Path) -> Path:
    """Where a PIN lies that is being made the token's: until it is, the one before may be right, and afterwards this one is."""
    return pin_file.with_name(f"{pin_file.name}.next")


def adopted(pin_file: Path) -> bool:
    """Whether a change of the PIN was cut off between the token and the file: the upcoming one is the PIN file's now, and is tried."""
    try:
        upcoming(pin_file).replace(pin_file)
    except OSError:
        return False
    return True


def identity(path: Path) -> str:
    """Changes when the file is written or replaced; `absent` when it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return "absent"
    return f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_mtime_ns}"

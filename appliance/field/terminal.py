"""One terminal: reads keys, writes lines, and nothing else. Own line editing, so that a key of any kind brings the screen back.

A serial line does not say that somebody was attached to it. Whoever comes presses a key: after half a minute without one, the first key draws
the screen anew as it is by then, what was told and asked on it since included, and a printable one begins the line besides.
"""

from __future__ import annotations

import os
import select
import termios
import tty
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final

from appliance.clock import monotonic_s

from .screen import OCTETS_MAX, ROWS, plain

LINE_MAX: Final = 512
QUIET_S: Final = 30.0
ESCAPE_S: Final = 0.05  # what an arrow key sends comes at once
CANCEL, LEAVE, REDRAW, ESCAPE, WIPE = "\x03", "\x04", "\x0c", "\x1b", "\x15"
RUBOUT: Final = ("\x7f", "\x08")


class Cancelled(Exception):
    """Ctrl-C: back to the menu."""


class Left(Exception):
    """Ctrl-D, a line that hung up, or nobody there: the session is over. `idle` when it was for want of a key."""

    def __init__(self, idle: bool = False) -> None:
        super().__init__("idle" if idle else "left")
        self.idle = idle


class Terminal:
    """Two file descriptors, of a tty or of pipes. Counts what it writes: a screen has a limit (screen.OCTETS_MAX)."""

    def __init__(self, source: int, sink: int, now: Callable[[], float] = monotonic_s) -> None:
        self._source, self._sink, self._now = source, sink, now
        self._waiting = b""
        self._last = now()
        self._saved: list[Any] | None = None
        self._present: list[str] = []  # what stands on the screen: drawn again by a key
        self.octets = 0  # since `screen` was called last
        self.keys = 0  # typed, in all
        self.lines = 0  # answers given, in all

    def __enter__(self) -> Terminal:
        if os.isatty(self._source):
            self._saved = termios.tcgetattr(self._source)
            tty.setcbreak(self._source)
            changed = termios.tcgetattr(self._source)
            changed[3] &= ~termios.ISIG  # Ctrl-C is a key like others
            changed[0] &= ~termios.IXON
            changed[1] &= ~termios.OPOST  # a line ends as it is written: CR LF, and no CR before that
            termios.tcsetattr(self._source, termios.TCSANOW, changed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._saved is not None:
            termios.tcsetattr(self._source, termios.TCSADRAIN, self._saved)

    # --- writing --------------------------------------------------------------------------------------------

    def _write(self, text: str) -> None:
        octets = text.encode("ascii", "replace")
        self.octets += len(octets)
        while octets:
            try:
                octets = octets[os.write(self._sink, octets) :]
            except OSError:
                raise Left from None

    def say(self, *lines: str) -> None:
        self._present = [*self._present, *map(plain, lines)][-ROWS:]
        self._write("".join(f"{plain(line)}\r\n" for line in lines))

    def screen(self, lines: Sequence[str]) -> None:
        """A new screen: it comes below the one before, which stays in the terminal's memory."""
        self.octets, self._present = 0, []
        self.say("", *lines)

    def _again(self, prompt: str) -> None:
        """The present screen once more: its last lines, as many as fit above the question."""
        lines: list[str] = []
        left = OCTETS_MAX - LINE_MAX - len(prompt)
        for line in reversed([line for n, line in enumerate(self._present) if n or line]):
            left -= len(line) + 2
            if left < 0 or len(lines) >= ROWS - 2:
                break
            lines.insert(0, line)
        self.screen(lines)
        self._write(prompt)

    def wipe(self) -> None:
        """Nothing that was shown can be read any more: erased (ECMA-48 ED, CUP), then a screenful of lines for terminals that keep what scrolled off."""
        self._present = []
        self._write("\x1b[2J\x1b[H" + "\r\n" * 24 + "\x1b[2J\x1b[H")

    # --- reading --------------------------------------------------------------------------------------------

    def _key(self, until: float) -> str:
        """The next key; raises Left when `until` is over or the line hung up."""
        while not self._waiting:
            left = until - self._now()
            if left <= 0:
                raise Left(idle=True)
            ready, _, _ = select.select([self._source], [], [], min(left, 60.0))
            if not ready:
                continue
            try:
                self._waiting = os.read(self._source, 1024)
            except OSError:
                raise Left from None
            if not self._waiting:
                raise Left
        octet, self._waiting = self._waiting[:1], self._waiting[1:]
        self.keys += 1
        return octet.decode("latin-1")

    def _escape(self) -> None:
        """Swallows what belongs to an escape: arrow keys, answers of a terminal to questions that nobody here asked (ECMA-48 5.4)."""
        first = True
        while True:
            if not self._waiting:
                ready, _, _ = select.select([self._source], [], [], ESCAPE_S)
                self._waiting = os.read(self._source, 1024) if ready else b""
                if not self._waiting:
                    return
            octet = self._waiting[:1]
            if first and octet not in (b"[", b"O"):
                return
            self._waiting, last = self._waiting[1:], not first and (octet.isalpha() or octet == b"~")
            if last:
                return
            first = False

    def line(self, prompt: str, idle_s: float, secret: bool = False) -> str:
        """One answer. The present screen is drawn again on Ctrl-L, Escape, or the first key after a long silence; a secret answer
        is never part of it. Raises Cancelled, Left."""
        self._write(prompt)
        typed = ""
        while True:
            key = self._key(self._now() + idle_s)
            quiet, self._last = self._now() - self._last > QUIET_S, self._now()
            if key == ESCAPE:
                self._escape()
            if key in (REDRAW, ESCAPE) or (quiet and not typed):
                self._again(prompt + ("" if secret else typed))
            if key in ("\r", "\n"):
                if key == "\r" and self._waiting[:1] == b"\n":
                    self._waiting = self._waiting[1:]
                self._write("\r\n")
                self._present = [*self._present, prompt + ("" if secret else typed)][-ROWS:]
                self.lines += bool(typed)
                return typed
            if key == CANCEL:
                self._write("\r\n")
                raise Cancelled
            if key == LEAVE and not typed:
                self._write("\r\n")
                raise Left
            if key in RUBOUT and typed:
                typed = typed[:-1]
                if not secret:
                    self._write("\b \b")
            elif key == WIPE:
                if not secret:
                    self._write("\b \b" * len(typed))
                typed = ""
            elif 32 <= ord(key) < 127 and len(typed) < LINE_MAX:
                typed += key
                if not secret:
                    self._write(key)

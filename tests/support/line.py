"""A serial line in memory: what somebody types, what the console writes, as pyte's vt100 of 80 by 24 shows it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import pyte

from appliance.field.screen import COLUMNS, OCTETS_MAX, ROWS
from appliance.field.terminal import Terminal


class Line(Terminal):
    """Answers are given one after the other; each screen, and what comes after each answer, is kept as octets. At the end of the answers the line hangs up."""

    def __init__(self, answers: list[str]) -> None:
        self.wire = b""
        self.screens: list[bytes] = []
        self.time = 0.0
        source, self._pen = os.pipe()
        super().__init__(source, -1, lambda: self.time)
        self._waiting = "".join(
            f"{a}\r" if not a.endswith(("\x03", "\x04", "\x0c", "\x1b")) else a for a in answers
        ).encode("latin-1")
        os.close(self._pen)
        self._owned = source

    def close(self) -> None:
        os.close(self._owned)

    def _write(self, text: str) -> None:
        octets = text.encode("ascii")  # strict: a character that is not ASCII fails the test
        self.octets += len(octets)
        self.wire += octets
        if self.screens:
            self.screens[-1] += octets

    def screen(self, lines: Any) -> None:
        self.screens.append(b"")
        super().screen(lines)

    def wipe(self) -> None:
        """What was shown is gone from a vt100; what comes next is looked at for itself."""
        before = self.screens[-1]
        super().wipe()
        assert not any(shown(self.screens[-1]))
        self.screens[-1:] = [before, b""]

    def line(self, *given: Any, **more: Any) -> str:
        answer = super().line(*given, **more)
        self.screens.append(b"")  # what comes after an answer is looked at for itself
        return answer

    @property
    def text(self) -> str:
        return self.wire.decode("ascii").replace("\r\n", "\n")


def shown(octets: bytes) -> list[str]:
    """The rows of a vt100 after these octets, from an empty screen."""
    screen = pyte.Screen(80, ROWS)
    pyte.ByteStream(screen).feed(octets)
    return [row.rstrip() for row in screen.display]


def faults(octets: bytes) -> list[str]:
    """What is wrong with one screen: wrapped or cut lines, rows that scrolled away, control characters, too many octets."""
    out = []
    text = octets.decode("ascii")
    lines = text.replace("\r\n", "\n").split("\n")
    if len(octets) > OCTETS_MAX:
        out.append(f"{len(octets)} octets")
    if len(lines) > ROWS + 1:
        out.append(f"{len(lines)} lines")
    out += [f"longer than a row: {line}" for line in lines if len(line) > COLUMNS + 1]
    if re.search(r"[\x00-\x07\x0b-\x0c\x0e-\x1f\x7f]", text):
        out.append("control characters")
    rows = [row for row in shown(octets) if row]
    wanted = [line.rstrip() for line in lines if line.strip()]
    if [r.strip() for r in rows] != [w.strip() for w in wanted][-len(rows) :] or len(rows) != len(wanted):
        out.append("a vt100 shows something else")
    return out


Made = Callable[[list[str]], Line]

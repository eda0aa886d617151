"""Lines for a terminal of 80 by 24 that knows ASCII: wrapped, counted, paged. Pure.

Nothing here draws: a screen is the lines that come after each other. What is longer than a screen is paged.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

COLUMNS: Final = 79  # a character in the 80th column makes some terminals begin a new line by themselves
ROWS: Final = 24
PAGE_ROWS: Final = ROWS - 4  # an empty line, the head of two, the question
OCTETS_MAX: Final = 1_900  # of one screen: two seconds at 9,600 baud, ten bits an octet
RULE: Final = "-" * COLUMNS


def plain(text: str) -> str:
    """Printable ASCII; anything else is a question mark, so that no line from a log or a peer moves the cursor."""
    return "".join(c if 32 <= ord(c) < 127 else " " if c == "\t" else "?" for c in text)


def wrapped(text: str, indent: str = "") -> list[str]:
    """Lines of at most COLUMNS; a word that is longer is broken."""
    out: list[str] = []
    for line in text.splitlines() or [""]:
        lead = plain(line)
        own = indent or " " * (len(lead) - len(lead.lstrip()))
        out += textwrap.wrap(lead, COLUMNS, subsequent_indent=own, drop_whitespace=True) or [""]
    return out


def pages(lines: Sequence[str]) -> list[list[str]]:
    """Screens of at most PAGE_ROWS lines and of as few octets as a slow line needs."""
    out: list[list[str]] = [[]]
    octets = 0
    for line in (part for given in lines for part in wrapped(given)):
        if out[-1] and (len(out[-1]) >= PAGE_ROWS or octets + len(line) + 2 > OCTETS_MAX - 200):
            out.append([])
            octets = 0
        out[-1].append(line)
        octets += len(line) + 2
    return out


def titled(title: str, right: str, lines: Sequence[str]) -> list[str]:
    """A screen's head and its lines."""
    room = COLUMNS - len(title) - 2
    return [f"{plain(title)}  {plain(right)[:room]:>{max(0, room)}}".rstrip(), RULE, *lines]


def columns(rows: Sequence[tuple[str, str]], width: int = 38) -> list[str]:
    """Pairs (key, words) side by side in two columns, first column first."""
    half = -(-len(rows) // 2)
    out = []
    for n in range(half):
        cells = [f"{key:>4}  {words}" for key, words in (rows[n], *rows[n + half : n + half + 1])]
        out.append("".join(cell.ljust(width) for cell in cells).rstrip())
    return out


def grouped(code: str, size: int = 4) -> str:
    """`ABCD-EFGH`: a code as it is read over a telephone."""
    return "-".join(code[n : n + size] for n in range(0, len(code), size))

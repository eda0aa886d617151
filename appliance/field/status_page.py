"""The status as a page that stays and is drawn anew, by curses, on request only: it writes by itself, which a slow line may not want."""

from __future__ import annotations

import curses
from collections.abc import Callable
from typing import Any, Final

from .screen import COLUMNS, plain

EVERY_MS: Final = 5_000


def shown(lines: Callable[[], list[str]], seconds: float) -> None:
    """Until a key is pressed, or as long as a session may idle. Only what changed goes over the line (curses sees to it)."""
    curses.wrapper(_drawn, lines, int(seconds * 1000 / EVERY_MS))


def _drawn(window: Any, lines: Callable[[], list[str]], times: int) -> None:
    window.timeout(EVERY_MS)
    for _ in range(times):
        rows, columns = window.getmaxyx()
        window.erase()
        for n, line in enumerate(lines()[: rows - 2]):
            window.addnstr(n, 0, plain(line), min(COLUMNS, columns - 1))
        window.addnstr(rows - 1, 0, "any key: menu", columns - 1)
        window.refresh()
        if window.getch() != -1:
            return

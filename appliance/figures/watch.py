"""Keeps the figures of the last weeks counted, in a thread of its own that rests twenty times as long as it worked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from appliance.clock import DAY_MS, monotonic_s
from appliance.errors import Error

from .book import FiguresBook

DAYS: Final = 35  # a month and a few days: what pages and monthly reports look at
SHARE: Final = 20  # counting takes at most a twentieth of one core
REST_S: Final = 5.0
OLD_MS: Final = 600_000  # receipts of yesterday still come; a day before today is not counted more often


class FiguresWatch:
    """Of one process."""

    def __init__(self, book: FiguresBook, clock: Callable[[], int]) -> None:
        self.book = book
        self._clock = clock
        self._rest = threading.Event()

    def due(self, now_ms: int) -> int | None:
        """The day to count next: of those that changed, what was counted longest ago; what never was, newest first."""
        today, counted = now_ms // DAY_MS, self.book.counted_ms()
        last = range(today, today - DAYS, -1)
        old = [day for day in last if day == today or now_ms - counted.get(day, 0) >= OLD_MS]
        return next((day for day in sorted(old, key=lambda d: counted.get(d, 0)) if self.book.stale(day)), None)

    def step(self) -> float:
        """Counts one day if one is due; seconds to rest."""
        began_s = monotonic_s()
        day = self.due(self._clock())
        if day is None:
            return REST_S
        try:
            self.book.day(day)
        except Error:
            return REST_S * SHARE  # a damaged day is said where somebody asks for it
        return max(REST_S, SHARE * (monotonic_s() - began_s))

    def watch(self) -> None:
        """Until the process ends."""

        def run() -> None:
            while True:
                self._rest.wait(self.step())

        threading.Thread(target=run, name="figures", daemon=True).start()

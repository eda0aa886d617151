"""How many messages of a day are in which status, counted in a thread of its own while somebody asks: no page waits for a day of many millions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from appliance.clock import monotonic_s

from .warm import WarmThreads

PAUSE_S: Final = 1.5
SHARE: Final = 20  # counting takes at most a twentieth of one core
FIRST_S_MAX: Final = (
    0.1  # a page waits so long for the first count of a day; then it shows what will be there with the next look
)

Count = Callable[[int], dict[str, int]]


class Today:
    """`reader`: what counts, made once by the thread that asks it."""

    def __init__(self, reader: Callable[[], Count]) -> None:
        self._reader = reader
        self._count: Count | None = None
        self._thread = WarmThreads(1)
        self._lock = threading.Lock()
        self._counting: Future[dict[str, int]] | None = None
        self._day, self._due_s = -1, 0.0
        self._last: Future[dict[str, int]] | None = None  # the newest that is done: what it found, or why it could not

    def known(self, day: int) -> dict[str, int] | None:
        """As last counted, None while there is no count of the day yet; a new one is begun when it is due. Raises what the last one raised."""
        with self._lock:
            if day != self._day:
                self._day, self._due_s, self._last, self._counting = day, 0.0, None, None
            if self._counting is None and monotonic_s() >= self._due_s:
                self._counting = self._thread.submit(self._counted, day)
            first = self._counting if self._last is None else None
        if first is not None:
            try:
                return first.result(FIRST_S_MAX)
            except TimeoutError:
                return None
        last = self._last
        return last.result() if last is not None else None

    def _counted(self, day: int) -> dict[str, int]:
        before_s, done = monotonic_s(), Future[dict[str, int]]()
        try:
            if self._count is None:
                self._count = self._reader()
            done.set_result(self._count(day))
        except Exception as e:
            done.set_exception(e)
        after_s = monotonic_s()
        with self._lock:
            if day == self._day:
                self._last, self._counting = done, None
                self._due_s = after_s + max(PAUSE_S, SHARE * (after_s - before_s))
        return done.result()

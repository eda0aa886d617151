"""The last minutes of throughput: counters in, rates out. The arithmetic is pure; one thread feeds it once a second."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from appliance.errors import Error

SECONDS: Final = 300  # what the chart shows
RECENT_MS: Final = 2_500  # a look is due every second
SERIES: Final = ("accepted", "submitted", "receipted")


def counters(state: dict[str, Any]) -> tuple[int, ...]:
    """Accepted messages, submitted segments, receipted segments: ever growing numbers of the engine's `state`."""
    segments = state.get("segments") or {}
    statuses = state.get("statuses") or {}
    return (
        int(statuses.get("accepted", 0)),
        int(segments.get("submitted", 0)),
        int(segments.get("receipted", 0)),
    )


class Pulse:
    """A ring of points `[at_ms, accepted/s, submitted/s, receipted/s]`; a rate is None where nothing is known."""

    def __init__(self) -> None:
        self._points: deque[list[Any]] = deque(maxlen=SECONDS)
        self._last: tuple[int, tuple[int, ...]] | None = None
        self._lock = threading.Lock()
        self._heard: tuple[int, dict[str, Any] | None] | None = None

    def hear(self, at_ms: int, state: dict[str, Any] | None) -> None:
        """One look at the engine; None when it did not answer. Counters that went back (a restart) give no rate."""
        now = counters(state) if state is not None else None
        rates: list[float | None] = [None] * len(SERIES)
        if now is not None and self._last is not None:
            before_ms, before = self._last
            gone = at_ms - before_ms
            if gone > 0 and all(b >= a for a, b in zip(before, now, strict=True)):
                rates = [round((b - a) * 1000 / gone, 1) for a, b in zip(before, now, strict=True)]
        with self._lock:
            self._heard = (at_ms, state)
            self._last = (at_ms, now) if now is not None else None
            self._points.append([at_ms, *rates])

    def recent(self, at_ms: int) -> tuple[dict[str, Any] | None] | None:
        """What the engine said at the last look, in a tuple; None when that is too long ago to be shown as now."""
        heard = self._fresh(at_ms)
        return (heard[1],) if heard is not None else None

    def look(self, at_ms: int) -> int | None:
        """When the last look was; None when that is too long ago to be shown as now."""
        heard = self._fresh(at_ms)
        return heard[0] if heard is not None else None

    def _fresh(self, at_ms: int) -> tuple[int, dict[str, Any] | None] | None:
        with self._lock:
            heard = self._heard
        return heard if heard is not None and 0 <= at_ms - heard[0] <= RECENT_MS else None

    def points(self, after_ms: int = 0) -> list[list[Any]]:
        with self._lock:
            return [p for p in self._points if p[0] > after_ms]

    def watch(self, look: Callable[[], dict[str, Any]], clock: Callable[[], int]) -> None:
        """Feeds this ring from a thread of its own until the process ends."""

        def run() -> None:
            pause = threading.Event()
            while True:
                try:
                    state = look()
                except Error:
                    state = None
                self.hear(clock(), state)
                pause.wait(1.0)

        threading.Thread(target=run, name="pulse", daemon=True).start()

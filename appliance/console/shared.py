"""Parts of pages that are the same for all who read the same language: made once for each look at the engine, however many people look on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Final

from markupsafe import Markup

KEPT_MAX: Final = 256  # parts times languages times links; beyond it all are made anew


class Shared:
    """A part is good as long as its stamp is the same: who comes while one makes it waits for that one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[Hashable, Markup]] = {}
        self._making: dict[Hashable, threading.Lock] = {}

    def part(self, key: Hashable, stamp: Hashable | None, make: Callable[[], str]) -> Markup:
        """What `make` gives, as HTML; without a stamp for this one only."""
        if stamp is None:
            return Markup(make())
        with self._lock:
            making, before = self._making.setdefault(key, threading.Lock()), self._kept.get(key)
        waited = not making.acquire(blocking=False)
        if waited:
            making.acquire()
        try:
            kept = self._kept.get(key)
            # What was made meanwhile is good for all who waited, though there has been another look since: else a process that
            # answers after two seconds would have them stand in a queue in which each waits for all before it.
            if kept is not None and (kept[0] == stamp or (waited and kept is not before)):
                return kept[1]
            made = Markup(make())
            with self._lock:
                if len(self._kept) >= KEPT_MAX and key not in self._kept:
                    self._kept.clear()
                    self._making = {key: making}
                self._kept[key] = stamp, made
            return made
        finally:
            making.release()

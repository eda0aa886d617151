"""Threads that post until they are stopped: what a load over HTTP is made of."""

from __future__ import annotations

import threading
from typing import Final

CALL_S_MAX: Final = 30.0


class Lanes:
    """Who inherits fills `_threads`; what they run ends when `_stop` is set."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No more calls; waits for those under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(CALL_S_MAX)

    def alive(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

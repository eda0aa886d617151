"""The table of routes that is active, for threads: read again only when another version is."""

from __future__ import annotations

import threading

from appliance.router import Active, RouteShelf, through
from appliance.settings import Settings


class TakenRoutes:
    """One of an application."""

    def __init__(self, settings: Settings) -> None:
        self.shelf = RouteShelf(settings)
        self._lock = threading.Lock()
        self._stamp: object = ()
        self._active: Active | None = None

    def active(self) -> Active:
        with self._lock:
            stamp = self.shelf.stamp()
            if self._active is None or stamp != self._stamp:
                self._active, self._stamp = through(self.shelf.loading()), stamp
            return self._active

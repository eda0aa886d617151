"""Erasures that people do from the console: one at a time, in a thread of its own, so that the page answers and says how far it is.

A console that is killed leaves nothing half done: what was erased stands in `erasure.db`, and the same request goes on with it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from appliance import flows, verify
from appliance.errors import Error
from appliance.settings import Settings
from appliance.subject import Erasing, Erasure, Journal, sites

from .languages import N_
from .peers import Peers

log = logging.getLogger(__name__)
PAUSE_S: Final = 1.0  # for messages that are leaving just then


class Erasures:
    """`now`: the erasure that is under way, or the last one of this console: its number, days done and of how many, why it stopped."""

    def __init__(self, settings: Settings, peers: Peers, clock: Callable[[], int]) -> None:
        self.settings = settings
        self.journal = Journal(settings)
        self.now: dict[str, Any] = {}
        self._peers = peers
        self._clock = clock
        self._alone = threading.Lock()
        self._thread: threading.Thread | None = None

    def erasing(self, told: Callable[[int, int], None] = lambda done, of: None) -> Erasing:
        peers, wait = self._peers, threading.Event().wait
        found = sites(self.settings, flows, verify)
        return Erasing(
            self.settings, self.journal, peers.ask, peers.blind_index, found, peers, self._clock,
            lambda: wait(PAUSE_S), told,
        )  # fmt: skip

    def begin(self, request: int, number: str, who: str) -> None:
        """Uses the approved request up, or goes on with it. Raises Error, `overloaded` while another is under way."""
        if not self._alone.acquire(blocking=False):
            raise Error("overloaded", "an erasure is under way already", "try again when it is done")
        try:
            erasure = self.erasing().approved(request, number, who)
            self.now = {"erasure": erasure.n, "done": 0, "of": 0, "over": False, "problem": ""}
            self._thread = threading.Thread(target=self._run, args=(erasure, number, who), daemon=True)
            self._thread.start()
        except BaseException:
            self._alone.release()
            raise

    def _run(self, erasure: Erasure, number: str, who: str) -> None:
        now = self.now

        def told(done: int, of: int) -> None:
            now["done"], now["of"] = done, of

        try:
            self.erasing(told).run(erasure, number, who)
        except Error as e:
            now["problem"] = e.message
            log.warning("console: erasure %d: %s", erasure.n, e.code)
        except Exception as e:  # its text may hold what a person typed
            now["problem"] = N_("the mistake is the appliance's own; it may be gone on with")
            log.error("console: erasure %d: %s", erasure.n, type(e).__name__)
        finally:
            now["over"] = True
            self._alone.release()

    def wait(self, seconds: float) -> None:
        """Until what is under way is over."""
        if self._thread is not None:
            self._thread.join(seconds)

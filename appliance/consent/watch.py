"""Who is suppressed, for an event loop: a quarter of a second old at most; whatever else is asked of the book is done in a thread."""

from __future__ import annotations

from typing import Final

from appliance.settings import Settings
from appliance.store import StoreWatch

from .book import Book
from .policy import Consent
from .quiet import Quiet
from .suppressed import Suppressed

AT_ONCE: Final = (
    2_000  # decisions taken over one by one; when there are more, or many lie over the snapshot, a new one is taken
)
SINCE_MAX: Final = 50_000

Decided = list[tuple[int, str, bytes, bool]]


class ConsentWatch(StoreWatch[Book]):
    """`consent` and `quiet` are what intake asks."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("the suppressions", lambda: Book(settings.home / "consent.db"))
        self.consent = Consent.of(settings)
        self.quiet = Quiet(settings.quiet_hours, self.consent.belongs)
        self._stamp: tuple[int, ...] = ()

    def take(self, found: Suppressed | Decided) -> None:
        if isinstance(found, Suppressed):
            self.consent.suppressed = found
            return
        for n, programme, subject, out in found:
            self.consent.suppressed.decided(programme, subject, out)
            self.consent.suppressed.upto = n

    def read(self, book: Book) -> Suppressed | Decided | None:
        stamp = book.stamp()
        if stamp == self._stamp:
            return None
        known = self.consent.suppressed
        if not self._stamp or known.since > SINCE_MAX:
            found: Suppressed | Decided = book.snapshot()
        else:
            decided = book.decided_since(known.upto, AT_ONCE)
            found = decided if len(decided) < AT_ONCE else book.snapshot()
        self._stamp = stamp
        return found

"""Who is suppressed, for an event loop: a quarter of a second old at most; whatever else is asked of the book is done in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from appliance.errors import Error
from appliance.settings import Settings

from .book import Book
from .policy import Consent
from .suppressed import Suppressed

T = TypeVar("T")
LOOK_S: Final = 0.25
AT_ONCE: Final = (
    2_000  # decisions taken over one by one; when there are more, or many lie over the snapshot, a new one is taken
)
SINCE_MAX: Final = 50_000
log = logging.getLogger(__name__)

Decided = list[tuple[int, str, bytes, bool]]


class ConsentWatch:
    """`consent` is what intake asks. Keeps what it knew when the book cannot be read."""

    def __init__(self, settings: Settings) -> None:
        self.consent = Consent.of(settings)
        self._path = settings.home / "consent.db"
        self._book: Book | None = None
        self._stamp: tuple[int, ...] = ()
        self._thread = ThreadPoolExecutor(1, "consent")  # the book belongs to it

    async def look(self) -> None:
        try:
            found = await self.do(self._look)
        except Error as e:
            log.warning("the suppressions cannot be read: %s", e.code)
            return
        if isinstance(found, Suppressed):
            self.consent.suppressed = found
        elif found:
            for n, programme, subject, out in found:
                self.consent.suppressed.decided(programme, subject, out)
                self.consent.suppressed.upto = n

    def _look(self, book: Book) -> Suppressed | Decided | None:
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

    async def do(self, what: Callable[[Book], T]) -> T:
        """Runs `what` with the book, off the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._with_book, what)

    def _with_book(self, what: Callable[[Book], T]) -> T:
        if self._book is None:
            self._book = Book(self._path)
        return what(self._book)

    async def keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    def close(self) -> None:
        self._thread.submit(self._close)
        self._thread.shutdown(wait=True)

    def _close(self) -> None:
        if self._book is not None:
            self._book.close()

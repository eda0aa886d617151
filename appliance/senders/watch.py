"""The register for an event loop: a quarter of a second old at most, and changes made in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from appliance.errors import Error
from appliance.settings import Settings

from .book import SenderBook, mandatory_of
from .register import Register

T = TypeVar("T")
LOOK_S: Final = 0.25
log = logging.getLogger(__name__)


class SenderWatch:
    """`now` is the register to use; it keeps the last good one when the store cannot be read.

    Until the first look it knows no registration: where one is mandatory, messages are refused rather than let through.
    """

    def __init__(self, settings: Settings) -> None:
        self._book = SenderBook(settings)
        self._mandatory = bool(mandatory_of(settings))
        self.now = Register(
            (), settings["senders.mandatory"], {link.name: link.default_sender for link in settings.links}
        )
        self._stamp: tuple[int, ...] = ()
        self._thread = ThreadPoolExecutor(1, "senders")  # a stamp is only comparable on the thread it was taken on

    async def look(self) -> None:
        """Nothing is read where no country asks."""
        if not self._mandatory:
            return
        try:
            await self.do(self._look)
        except Error as e:
            log.warning("the register of senders cannot be read: %s", e.code)

    def _look(self, book: SenderBook) -> None:
        stamp = book.stamp()
        if stamp != self._stamp:
            self.now, self._stamp = book.register(), stamp

    async def do(self, what: Callable[[SenderBook], T]) -> T:
        """Runs `what` with the book, off the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, what, self._book)

    async def keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    def close(self) -> None:
        self._thread.submit(self._book.close)
        self._thread.shutdown(wait=True)

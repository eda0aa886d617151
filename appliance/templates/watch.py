"""The templates in use for an event loop: a snapshot that is a quarter of a second old at most, and changes made in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from appliance.errors import Error
from appliance.settings import Settings

from .book import Snapshot, TemplateBook

T = TypeVar("T")
LOOK_S: Final = 0.25
log = logging.getLogger(__name__)


class TemplateWatch:
    """`now` is the snapshot to use. Keeps the last good one when the store cannot be read."""

    def __init__(self, settings: Settings) -> None:
        self.now = Snapshot({})
        self._book = TemplateBook(settings)
        self._thread = ThreadPoolExecutor(1, "templates")  # a snapshot says whether it is fresh on its own thread only

    async def look(self) -> None:
        try:
            await self.do(self._look)
        except Error as e:
            log.warning("the templates cannot be read: %s", e.code)

    def _look(self, book: TemplateBook) -> None:
        if not self.now.fresh() or not self.now.of_a_book:
            self.now = book.snapshot()

    async def do(self, what: Callable[[TemplateBook], T]) -> T:
        """Runs `what` with the book, off the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, what, self._book)

    async def keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    def close(self) -> None:
        self._thread.submit(self._book.close)
        self._thread.shutdown(wait=True)

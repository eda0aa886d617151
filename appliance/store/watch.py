"""What an event loop knows of a small store that others change: looked at four times a second, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Generic, Protocol, TypeVar

from appliance.errors import Error

LOOK_S: Final = 0.25  # a look is microseconds
log = logging.getLogger(__name__)


class Book(Protocol):
    """A store that can be closed."""

    def close(self) -> None: ...


B = TypeVar("B", bound=Book)
T = TypeVar("T")


class StoreWatch(Generic[B]):
    """Says what to `read` in the thread and what to `take` from it in the loop. Keeps what it knew when the store cannot be read.

    One thread, because whether a snapshot is fresh is only told on the thread that took it.
    """

    def __init__(self, what: str, opened: Callable[[], B]) -> None:
        self._what = what  # as the log names it
        self._opened = opened
        self._book: B | None = None
        self._thread = ThreadPoolExecutor(1, "watch")

    def read(self, book: B) -> Any:
        """In the thread: what is new, None when nothing is."""
        raise NotImplementedError

    def take(self, found: Any) -> None:
        """In the loop: what `read` gave, when it was not None."""
        raise NotImplementedError

    async def look(self) -> None:
        try:
            found = await self.do(self.read)
        except Error as e:
            log.warning("%s cannot be read: %s", self._what, e.code)
            return
        if found is not None:
            self.take(found)

    async def do(self, what: Callable[[B], T]) -> T:
        """Runs `what` with the store, off the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._with_book, what)

    def _with_book(self, what: Callable[[B], T]) -> T:
        if self._book is None:
            self._book = self._opened()
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

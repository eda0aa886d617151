"""What an event loop knows of a small store that others change: looked at four times a second, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
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


class Acts(Book, Protocol):
    """A store that does several acts in one commit."""

    def together(self, acts: Sequence[Callable[[Any], Any]]) -> list[Any]: ...


A = TypeVar("A", bound=Acts)


class ActingWatch(StoreWatch[A]):
    """`act` is how requests change the store: those that wait share a commit."""

    def __init__(self, what: str, opened: Callable[[], A], at_once: int) -> None:
        super().__init__(what, opened)
        self._at_once = at_once
        self.acts = 0  # how many were done
        self._waiting: list[tuple[Callable[[A], Any], asyncio.Future[Any]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def act(self, what: Callable[[A], T]) -> T:
        """The result of `what`, once it is on disk. Raises what it raised, or Error `store_full`."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((what, future))
        if self._writing is None:
            self._writing = asyncio.ensure_future(self._write())
        return await future

    async def _write(self) -> None:
        try:
            while self._waiting:
                now, self._waiting = self._waiting[: self._at_once], self._waiting[self._at_once :]
                acts = [what for what, _ in now]
                self.acts += len(acts)
                try:
                    results = await self.do(lambda book, acts=acts: book.together(acts))  # type: ignore[misc]
                except Exception as e:
                    results = [e] * len(now)
                for (_, future), result in zip(now, results, strict=True):
                    if future.done():
                        continue
                    if isinstance(result, Exception):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
        finally:
            self._writing = None

    def take(self, found: Any) -> None:
        raise AssertionError("nothing is read")

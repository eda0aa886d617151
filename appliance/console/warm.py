"""Threads of which the one that rested last works next: its connections are open and its caches are warm, where the usual pool would take each in turn."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple


class _Work(NamedTuple):
    future: Future[Any]
    act: Callable[..., Any]
    given: tuple[Any, ...]
    more: dict[str, Any]

    def done(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.act(*self.given, **self.more)
        except BaseException as e:
            self.future.set_exception(e)
        else:
            self.future.set_result(result)


class WarmThreads(Executor):
    """At most `most`, begun when no other rests. What comes while all work waits its turn."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._resting: list[queue.SimpleQueue[_Work | None]] = []  # who rested last is the last
        self._waiting: deque[_Work] = deque()
        self._threads: list[threading.Thread] = []
        self._over = False

    def submit(self, act: Callable[..., Any], /, *given: Any, **more: Any) -> Future[Any]:
        work = _Work(Future(), act, given, more)
        with self._lock:
            if self._over:
                raise RuntimeError("the threads were told to end")
            if self._resting:
                self._resting.pop().put(work)
            elif len(self._threads) < self._most:
                name = f"page-{len(self._threads)}"
                thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
            else:
                self._waiting.append(work)
        return work.future

    def _run(self, first: _Work) -> None:
        inbox: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        work: _Work | None = first
        while work is not None:
            work.done()
            work = None  # it may hold what a page was made of
            with self._lock:
                if self._waiting:
                    work = self._waiting.popleft()
                    continue
                if self._over:
                    return
                self._resting.append(inbox)
            work = inbox.get()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """What is under way comes to its end, and what waits, too, unless it is cancelled."""
        with self._lock:
            self._over = True
            if cancel_futures:
                for work in self._waiting:
                    work.future.cancel()
                self._waiting.clear()
            for inbox in self._resting:
                inbox.put(None)
            self._resting.clear()
        if wait:
            for thread in self._threads:
                thread.join()

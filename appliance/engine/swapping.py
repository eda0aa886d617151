"""HOT: from one route table to another while messages wait: some at each beat, none lost, none overtaken.

New messages wait in groups of the new table at once. Those of the old one are taken from the newest on and put before
them, so that what is left in the old queues is always older, and leaves first. A message that has begun on a link ends there.
"""

from __future__ import annotations

from collections.abc import Generator
from heapq import heapify, heappop, heappush
from typing import Final

from appliance import clock
from appliance.message import CLASSES
from appliance.router import Group, RouteTable

from .ledger import Ledger
from .waiting import Queue

SLICE_MESSAGES: Final = 1_000  # grouped anew in one beat: two or three milliseconds

Tail = tuple[int, int, int, Queue]  # minus day and minus seq of a queue's last message, a number, the queue


class Swap:
    """One change of tables under way."""

    def __init__(self, ledger: Ledger, old: RouteTable) -> None:
        queues = ledger.queues
        self._groups: list[Group] = list(queues.by_route)
        self._heaps: list[list[Tail]] = []
        self.left = 0
        self.longest_s = 0.0
        self._dissolving: Generator[None, None, None] | None = None
        self._old = old
        for class_ in range(len(CLASSES)):
            heap: list[Tail] = []
            for n, group in enumerate(self._groups):
                queue = queues.by_route[group][class_]
                if queue.aside:
                    queue.rejoin()
                if queue:
                    heap.append((-queue[-1].day, -queue[-1].seq, n, queue))
                    self.left += len(queue)
            heapify(heap)
            self._heaps.append(heap)

    def slice(self, ledger: Ledger) -> None:
        """Groups a few messages anew; when none is left, lets go of the old table, a piece at a time."""
        began_s = clock.monotonic_s()
        if self._dissolving is not None:
            if next(self._dissolving, self) is self:
                ledger.swap = None
        else:
            most = SLICE_MESSAGES
            for class_, heap in enumerate(self._heaps):
                most -= self._some(ledger, class_, heap, most)
                if most <= 0:
                    break
            else:
                self._finish(ledger)
        self.longest_s = max(self.longest_s, clock.monotonic_s() - began_s)

    def _some(self, ledger: Ledger, class_: int, heap: list[Tail], most: int) -> int:
        routes, queues = ledger.routes, ledger.queues
        done = 0
        while heap and done < most:
            day, seq, n, queue = heappop(heap)
            if queue.aside:
                queue.rejoin()
            if not queue:
                continue
            waiting = queue[-1]
            if (-waiting.day, -waiting.seq) == (day, seq):
                queue.pop()
                if waiting.link and waiting.left() < waiting.segments:
                    # Its sender, too, stays what it was.
                    queues.of(routes.pinned(waiting.link))[class_].appendleft(waiting)
                else:
                    waiting.group = routes.group(waiting.to, class_, waiting.sender)
                    queues.of(waiting.group)[class_].appendleft(waiting)
                done += 1
            if queue:
                heappush(heap, (-queue[-1].day, -queue[-1].seq, n, queue))
        self.left = max(0, self.left - done)
        return done

    def _finish(self, ledger: Ledger) -> None:
        """Unless something came back to an old queue meanwhile: then it is grouped in the next beat."""
        again = False
        for n, group in enumerate(self._groups):
            for class_, queue in enumerate(ledger.queues.by_route.get(group, ())):
                if queue.total():
                    queue.rejoin()
                    heappush(self._heaps[class_], (-queue[-1].day, -queue[-1].seq, n, queue))
                    again = True
        if again:
            return
        for group in self._groups:
            ledger.queues.by_route.pop(group, None)
        self.left = 0
        self._dissolving = self._old.dissolve()


def swap_routes(ledger: Ledger, table: RouteTable) -> None:
    """Takes a new table; what waits is grouped anew from the next beat on. A swap still under way becomes part of this one."""
    old, ledger.routes = ledger.routes, table
    ledger.swap = Swap(ledger, old)

"""HOT: what waits to be sent: one entry a message, queues by route and class, strict priority. Pure.

A class never waits behind one of lower priority: the queues are asked in the order of message.CLASSES, and a long
message gives way between two of its segments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final

import msgspec

from appliance.message import CLASSES
from appliance.router import Group
from appliance.smpp import Parts
from appliance.store import Tally

UNANSWERED: Final = 1 << 8  # beyond the parts of a message: `attempts` has both counts


class Waiting(msgspec.Struct, gc=False, eq=False):
    """A message on its way out. `todo` lists the parts still to submit, counted from 1; the last at its end is next.

    Nothing that it refers to may refer to it: the collector does not look at it.
    """

    day: int
    seq: int
    message_id: bytes
    class_: int
    encoding: int
    segments: int
    sender: str
    to: str
    payload: bytes
    expires_ms: int
    notify: int
    tally: Tally | None = None  # None: it is rows
    parts: Parts | None = None  # as cut for the link it was last meant for
    todo: list[int] | None = None  # None: every part
    attempts: dict[int, int] | None = None  # by part: how often an operator said 'try later'
    lost_on: str = ""  # the link that did not answer for it: it goes over another, if one is up
    group: Group | None = None  # where it waits, or waited last
    link: str = ""  # where a long message began: its other parts follow there
    undecided: bool = False  # it was indeterminate once: it is counted so once

    def left(self) -> int:
        """How many parts are still to submit."""
        return self.segments if self.todo is None else len(self.todo)

    def tried(self, part: int) -> int:
        """Counts a 'try later' for a part; how many it had."""
        if self.attempts is None:
            self.attempts = {}
        n = self.attempts[part] = self.attempts.get(part, 0) + 1
        return n

    def resent(self, part: int) -> int:
        """Counts an answer that never came, apart from 'try later'; how many the part missed."""
        return self.tried(part | UNANSWERED)

    def take(self, most: int) -> list[int]:
        """The next parts, at most `most`, in order; they are then no longer to do."""
        if self.todo is None:
            if self.segments <= most:
                self.todo = []
                return list(range(1, self.segments + 1))
            self.todo = list(range(1, self.segments + 1))
        taken, self.todo = self.todo[:most], self.todo[most:]
        return taken

    def give_back(self, part: int) -> bool:
        """Puts a part back; True when the entry had nothing to do before and must be queued again."""
        todo = self.todo if self.todo is not None else []
        was_done = self.todo is not None and not todo
        if part not in todo:
            todo.append(part)
            todo.sort()
        self.todo = todo
        return was_done


def reference_of(message_id: bytes, part: int) -> int:
    """The user_message_reference of a segment, 16 bits from the id and the part: the same after a restart."""
    return int.from_bytes(message_id[-2:], "big") + part - 1 & 0xFFFF


class Delayed:
    """Segments that an operator asked to try again later, by when they are due."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Waiting, int]] = []
        self._pushed = 0
        self.lengths = [0] * len(CLASSES)  # they come back to the queues: what these may hold, they hold with them

    def push(self, due_s: float, waiting: Waiting, part: int) -> None:
        self._pushed += 1
        self.lengths[waiting.class_] += 1
        heappush(self._heap, (due_s, self._pushed, waiting, part))

    def due(self, now_s: float) -> list[tuple[Waiting, int]]:
        """Takes out what is due, in order."""
        out = []
        while self._heap and self._heap[0][0] <= now_s:
            _, _, waiting, part = heappop(self._heap)
            self.lengths[waiting.class_] -= 1
            out.append((waiting, part))
        return out

    def remove(self, day: int, seq: int) -> None:
        """Takes out the segments of one message."""
        stays = [row for row in self._heap if (row[2].day, row[2].seq) != (day, seq)]
        for _, _, waiting, _ in self._heap if len(stays) < len(self._heap) else ():
            self.lengths[waiting.class_] -= (waiting.day, waiting.seq) == (day, seq)
        self._heap = stays
        heapify(self._heap)

    def __iter__(self) -> Iterator[Waiting]:
        return (waiting for _, _, waiting, _ in self._heap)

    def __len__(self) -> int:
        return len(self._heap)


class Queue(deque[Waiting]):
    """One class of one route, in order.

    `aside`: by sender, in order, those whose sender may not send yet; they are older than what the queue itself holds of
    that sender. Empty unless a link paces its senders.
    """

    __slots__ = ("_pushed", "_ready", "aside")

    def __init__(self) -> None:
        super().__init__()
        self.aside: dict[str, deque[Waiting]] = {}
        self._ready: list[tuple[float, int, str]] = []  # a heap: when each sender of `aside` is asked again
        self._pushed = 0

    def set_aside(self, waiting: Waiting, ready_s: float) -> None:
        """Behind the others of its sender; `ready_s` counts when it is the first."""
        line = self.aside.get(waiting.sender)
        if line is None:
            line = self.aside[waiting.sender] = deque()
            self.ask_again(waiting.sender, ready_s)
        line.append(waiting)

    def ask_again(self, sender: str, ready_s: float) -> None:
        self._pushed += 1
        heappush(self._ready, (ready_s, self._pushed, sender))

    def ready(self, now_s: float) -> str | None:
        """A sender of `aside` whose time has come; the caller then says `ask_again`, or takes its line away."""
        return heappop(self._ready)[2] if self._ready and self._ready[0][0] <= now_s else None

    def lines(self) -> tuple[deque[Waiting], ...]:
        """All that it holds, aside or not."""
        return (self, *self.aside.values())

    def rejoin(self) -> None:
        """Nothing paces senders any more: what is aside goes back to the head, in order."""
        out = [w for line in self.aside.values() for w in line]
        self.aside.clear()
        self._ready.clear()
        self.put_back(out)

    def put_back(self, out: list[Waiting]) -> None:
        """Entries that had left the queue come back to its head, in the order in which they were accepted."""
        for sender in {w.sender for w in out} if self.aside else ():
            line = self.aside.get(sender)
            if line is not None:
                _merge(line, [w for w in out if w.sender == sender])
                out = [w for w in out if w.sender != sender]
        _merge(self, out)

    def total(self) -> int:
        return len(self) + sum(map(len, self.aside.values()))


def _age(waiting: Waiting) -> tuple[int, int]:
    return waiting.day, waiting.seq


def _merge(line: deque[Waiting], out: list[Waiting]) -> None:
    """Puts entries at the head of a line; those there that came back earlier and are older stay before them."""
    if not out:
        return
    newest = max(map(_age, out))
    while line and _age(line[0]) < newest:
        out.append(line.popleft())
    out.sort(key=_age, reverse=True)
    line.extendleft(out)


class Queues:
    """Per group (messages that may take the same links in the same way), one queue a class."""

    def __init__(self) -> None:
        self.by_route: dict[Group, list[Queue]] = {}
        self.elsewhere: list[Waiting] = []  # begun on another link than the one they were about to leave over
        self.lengths = [0] * len(CLASSES)

    def of(self, route: Group) -> list[Queue]:
        queues = self.by_route.get(route)
        if queues is None:
            queues = self.by_route[route] = [Queue() for _ in CLASSES]
        return queues

    def push(self, route: Group, waiting: Waiting) -> None:
        waiting.group = route
        self.of(route)[waiting.class_].append(waiting)
        self.lengths[waiting.class_] += 1

    def put_back(self, those: list[tuple[Group, Waiting]]) -> None:
        """Entries (with their routes) that had left their queues come back to the heads of these, in order."""
        by_queue: dict[tuple[Group, int], list[Waiting]] = {}
        for route, waiting in those:
            by_queue.setdefault((route, waiting.class_), []).append(waiting)
        for (route, class_), out in by_queue.items():
            self.lengths[class_] += len(out)
            self.of(route)[class_].put_back(out)

    def begins(self, waiting: Waiting, link: str) -> bool:
        """A long message is about to leave over a link. False: it began on another and is put into `elsewhere`."""
        if waiting.link and waiting.left() < waiting.segments:
            self.elsewhere.append(waiting)
            return False
        waiting.link = link
        return True

    def forget_empty(self, most: int) -> None:
        """Lets go of groups without a message when there are more than `most`."""
        if len(self.by_route) > most:
            for route in [r for r, queues in self.by_route.items() if not any(q.total() for q in queues)]:
                del self.by_route[route]

    def popped(self, class_: int) -> None:
        """To be said after taking an entry off a queue of `of`."""
        self.lengths[class_] -= 1

    def sweep(self, now_ms: int) -> list[Waiting]:
        """Takes out every entry whose validity has ended and that has not begun to leave."""
        gone: list[Waiting] = []
        for queues in self.by_route.values():
            for class_, queue in enumerate(queues):
                for line in queue.lines():
                    out = [w for w in line if w.expires_ms <= now_ms]
                    if out:
                        stays = [w for w in line if w.expires_ms > now_ms]
                        line.clear()
                        line.extend(stays)
                        self.lengths[class_] -= len(out)
                        gone += out
        return gone

    def remove(self, day: int, seqs: frozenset[int]) -> list[Waiting]:
        """Takes out the entries named (a cancelled message; new ones that could not be made durable)."""
        gone: list[Waiting] = []
        for queues in self.by_route.values():
            for class_, queue in enumerate(queues):
                for line in queue.lines():
                    out = [w for w in line if w.day == day and w.seq in seqs]
                    if out:
                        stays = [w for w in line if not (w.day == day and w.seq in seqs)]
                        line.clear()
                        line.extend(stays)
                        self.lengths[class_] -= len(out)
                        gone += out
        return gone

    def remove_day(self, day: int) -> None:
        """Takes out everything of a day whose partition is damaged."""
        for queues in self.by_route.values():
            for class_, queue in enumerate(queues):
                for line in queue.lines():
                    out = [w for w in line if w.day == day]
                    if out:
                        stays = [w for w in line if w.day != day]
                        line.clear()
                        line.extend(stays)
                        self.lengths[class_] -= len(out)

    def __iter__(self) -> Iterator[Waiting]:
        return (w for queues in self.by_route.values() for q in queues for line in q.lines() for w in line)

    def __len__(self) -> int:
        return sum(self.lengths)

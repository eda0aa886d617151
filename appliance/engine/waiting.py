"""HOT: what waits to be sent: one entry a message, queues by route and class, strict priority. Pure.

A class never waits behind one of lower priority: the queues are asked in the order of message.CLASSES, and a long
message gives way between two of its segments.
"""

from __future__ import annotations

from collections import deque

from appliance.message import CLASSES
from appliance.smpp import Parts


class Waiting:
    """A message on its way out. `todo` lists the parts still to submit, counted from 1; the last at its end is next."""

    __slots__ = (
        "attempts",
        "calling_code",
        "class_",
        "day",
        "encoding",
        "expires_ms",
        "message_id",
        "notify",
        "parts",
        "payload",
        "segments",
        "sender",
        "seq",
        "to",
        "todo",
        "undecided",
    )

    def __init__(
        self,
        day: int,
        seq: int,
        message_id: bytes,
        class_: int,
        encoding: int,
        segments: int,
        sender: str,
        to: str,
        payload: bytes,
        expires_ms: int,
        notify: int,
    ) -> None:
        self.day = day
        self.seq = seq
        self.message_id = message_id
        self.class_ = class_
        self.encoding = encoding
        self.segments = segments
        self.sender = sender
        self.to = to
        self.payload = payload
        self.expires_ms = expires_ms
        self.notify = notify
        self.parts: Parts | None = None  # as cut for the link it was last meant for
        self.todo: list[int] | None = None  # None: every part
        self.attempts: dict[int, int] | None = None  # by part: how often an operator said 'try later'
        self.undecided = False  # it was indeterminate once: it is counted so once

    def left(self) -> int:
        """How many parts are still to submit."""
        return self.segments if self.todo is None else len(self.todo)

    def tried(self, part: int) -> int:
        """Counts a 'try later' for a part; how many it had."""
        if self.attempts is None:
            self.attempts = {}
        n = self.attempts[part] = self.attempts.get(part, 0) + 1
        return n

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


class Queues:
    """Per route (links in order of preference), one queue a class."""

    def __init__(self) -> None:
        self.by_route: dict[tuple[str, ...], list[deque[Waiting]]] = {}
        self.lengths = [0] * len(CLASSES)

    def of(self, route: tuple[str, ...]) -> list[deque[Waiting]]:
        queues = self.by_route.get(route)
        if queues is None:
            queues = self.by_route[route] = [deque() for _ in CLASSES]
        return queues

    def push(self, route: tuple[str, ...], waiting: Waiting) -> None:
        self.of(route)[waiting.class_].append(waiting)
        self.lengths[waiting.class_] += 1

    def push_front(self, route: tuple[str, ...], waiting: Waiting) -> None:
        self.of(route)[waiting.class_].appendleft(waiting)
        self.lengths[waiting.class_] += 1

    def popped(self, class_: int) -> None:
        """To be said after taking an entry off a queue of `of`."""
        self.lengths[class_] -= 1

    def sweep(self, now_ms: int) -> list[Waiting]:
        """Takes out every entry whose validity has ended and that has not begun to leave."""
        gone: list[Waiting] = []
        for queues in self.by_route.values():
            for class_, queue in enumerate(queues):
                late = [w for w in queue if w.expires_ms <= now_ms]
                if late:
                    stays = [w for w in queue if w.expires_ms > now_ms]
                    queue.clear()
                    queue.extend(stays)
                    self.lengths[class_] -= len(late)
                    gone += late
        return gone

    def remove(self, day: int, seqs: frozenset[int]) -> list[Waiting]:
        """Takes out the entries named (a cancelled message; new ones that could not be made durable)."""
        gone: list[Waiting] = []
        for queues in self.by_route.values():
            for class_, queue in enumerate(queues):
                out = [w for w in queue if w.day == day and w.seq in seqs]
                if out:
                    stays = [w for w in queue if not (w.day == day and w.seq in seqs)]
                    queue.clear()
                    queue.extend(stays)
                    self.lengths[class_] -= len(out)
                    gone += out
        return gone

    def __len__(self) -> int:
        return sum(self.lengths)

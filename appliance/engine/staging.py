"""HOT: from a queue into what a link submits in this beat: in order, as room and the paces of class and sender allow."""

from __future__ import annotations

from collections import deque
from typing import Final

from .fitting import fit
from .ledger import Ledger
from .link import Link
from .pace import UNLIMITED, Pace, Together
from .waiting import Queue, Waiting

ASK_S_MIN: Final = 0.001  # a sender that has spent its pace is not asked again sooner
ASIDE_EACH_MAX: Final = 2_000  # entries set aside in one beat; the rest of the queue is looked at in the next


def fill(ledger: Ledger, link: Link, queue: Queue, class_: int, room: int, now_ms: int, now_s: float) -> int:
    """Stages at most `room` segments of one queue on a link, in order; how many. What has expired leaves the queue.

    A sender that has spent its pace holds up nobody else: its messages wait aside, in their order.
    """
    room = min(room, link.class_room(class_, now_s))
    senders = link.paces.senders
    if queue.aside and senders is None:
        queue.rejoin()
    if senders is None:
        staged = _in_order(ledger, link, queue, class_, room, now_ms)
    else:
        staged = _by_sender(ledger, link, queue, class_, room, now_ms, now_s)
    pace = link.paces.classes[class_]
    if pace is not None:
        pace.spent(staged)
    return staged


def _in_order(ledger: Ledger, link: Link, queue: deque[Waiting], class_: int, room: int, now_ms: int) -> int:
    staged = link.staged
    as_is = link.packer.as_is
    before = len(staged)
    quiet = ledger.quiet
    while queue and room > 0:
        waiting = queue[0]
        if waiting.expires_ms <= now_ms:
            queue.popleft()
            ledger.queues.popped(class_)
            ledger.expired(waiting, now_ms)
            continue
        if quiet is not None and ledger.kept_quiet(waiting, now_ms):
            queue.popleft()
            ledger.queues.popped(class_)
            continue
        if waiting.segments == 1 and len(waiting.payload) <= as_is[waiting.encoding]:
            waiting.todo = []
            waiting.parts = None  # what another link made of it
            staged.append((waiting, 1))
            room -= 1
            queue.popleft()
            ledger.queues.popped(class_)
            continue
        if waiting.link != link.name and not ledger.queues.begins(waiting, link.name):
            queue.popleft()
            ledger.queues.popped(class_)
            continue
        if not fit(ledger, link, waiting, now_ms):
            queue.popleft()
            ledger.queues.popped(class_)
            continue
        parts = waiting.take(room)
        room -= len(parts)
        staged += [(waiting, part) for part in parts]
        if not waiting.todo:
            queue.popleft()
            ledger.queues.popped(class_)
    return len(staged) - before


def _by_sender(ledger: Ledger, link: Link, queue: Queue, class_: int, room: int, now_ms: int, now_s: float) -> int:
    """First those aside whose sender may send again, then the queue; each entry is set aside at most once."""
    senders = link.paces.senders
    assert senders is not None
    before = room
    while room > 0 and (sender := queue.ready(now_s)) is not None:
        line = queue.aside[sender]
        bucket = senders.of(sender or link.settings.default_sender)
        while line and room > 0 and (may := bucket.allowed(now_s) if bucket else UNLIMITED) > 0:
            room -= _head(ledger, link, line, class_, min(room, may), bucket, now_ms)
        if line:
            queue.ask_again(sender, now_s + max(bucket.next_s() if bucket else 0.0, ASK_S_MIN))
        else:
            del queue.aside[sender]
    looked = 0
    while queue and room > 0 and looked < ASIDE_EACH_MAX:
        waiting = queue[0]
        bucket = senders.of(waiting.sender or link.settings.default_sender)
        may = bucket.allowed(now_s) if bucket else UNLIMITED
        if waiting.sender in queue.aside or may <= 0:
            looked += 1
            queue.popleft()
            queue.set_aside(waiting, now_s + max(bucket.next_s() if bucket else 0.0, ASK_S_MIN))
        else:
            room -= _head(ledger, link, queue, class_, min(room, may), bucket, now_ms)
    return before - room


def _head(
    ledger: Ledger,
    link: Link,
    line: deque[Waiting],
    class_: int,
    room: int,
    bucket: Pace | Together | None,
    now_ms: int,
) -> int:
    """Stages what fits of the first of a line; its segments."""
    one = deque((line[0],))
    staged = _in_order(ledger, link, one, class_, room, now_ms)
    if not one:
        line.popleft()
    if bucket is not None:
        bucket.spent(staged)
    return staged

"""HOT: which link each queue's messages leave over in this beat, by class; a class never waits behind one of lower priority.

A link is picked once a group and beat, not once a message. Within a class a link gets what waits for it in the order in
which it was accepted, whatever group it waits in.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heapreplace
from typing import Final

from appliance.message import OTP, TRANSACTION
from appliance.router import CLOSED, HALF_OPEN, OPEN, Group, Health, Heard, Way

from .ledger import Ledger
from .link import Link
from .pace import UNLIMITED
from .packing import Staged, pack
from .staging import fill
from .waiting import Queue, Waiting

PATIENCE_S: Final = 1.0  # a link that its operator paused for longer is passed over, if there is another
DEBT_SEGMENTS_MAX: Final = 1_000.0  # what a link is owed of its share is forgotten beyond this: it was away
GROUPS_KEPT_MAX: Final = 64  # beyond, groups without a message are let go

Choice = list[tuple[Link, int]]  # links in order of filling, each with the segments it may take
Spread = tuple[Group, Queue, Choice]


class Rooms(dict[str, int]):
    """Segments that each link may take in this beat; `left`: of those that all links together may take of a class."""

    left: int = UNLIMITED
    turn: int = UNLIMITED  # of `left`, for the link whose turn it is: none has it all while others wait

    def take_turns(self, others: int) -> None:
        """It is the turn of one; so many come after it."""
        self.turn = -(-self.left // (others + 1))

    def of(self, name: str) -> int:
        return min(self[name], self.turn)

    def took(self, name: str, segments: int) -> None:
        self[name] -= segments
        self.left -= segments
        self.turn -= segments


def dispatch(
    ledger: Ledger, links: dict[str, Link], now_ms: int, now_s: float, most: int = UNLIMITED
) -> tuple[list[Staged], int]:
    """From the queues into the links' windows, by class; the intention of each segment becomes a row.

    `most`: segments beside one-time codes; while there is such a bound, part of each window is kept for codes and alerts.
    Also how many there were.
    """
    queues = ledger.queues
    if ledger.health.due(now_s):
        look(ledger.health, links.values(), now_s)
        queues.forget_empty(GROUPS_KEPT_MAX)
    if ledger.swap is not None:
        ledger.swap.slice(ledger)
    rooms = Rooms({name: link.room(now_s) for name, link in links.items()})
    for link in links.values():
        link.wanted = False
    for class_ in range(4):
        if class_ == OTP + 1:
            rooms.left = most
        if class_ == TRANSACTION and most < UNLIMITED:
            rooms.update((name, link.room(now_s, reserved=True)) for name, link in links.items())
        if queues.lengths[class_] and rooms.left > 0:
            _class(ledger, links, rooms, class_, now_ms, now_s)
        if queues.elsewhere:
            _elsewhere(ledger, links)
    frames = [staged for link in links.values() if link.staged for staged in pack(ledger, link, now_ms)]
    return frames, most - rooms.left


def _class(ledger: Ledger, links: dict[str, Link], rooms: Rooms, class_: int, now_ms: int, now_s: float) -> None:
    health = ledger.health
    by_link: dict[str, list[Queue]] = {}
    spread: list[Spread] = []
    for group, queues in list(ledger.queues.by_route.items()):
        queue = queues[class_]
        while queue and queue[0].lost_on:
            _detour(ledger, links, group.way(now_ms), queue, class_)
    for group, queues in list(ledger.queues.by_route.items()):
        queue = queues[class_]
        if not queue and not queue.aside:
            continue
        if group.nowhere:
            _fail(ledger, queue, class_, now_ms)
            continue
        way = group.way(now_ms)
        if way is None:
            continue  # nothing takes it at this hour
        choice = choose(way, links, rooms, health, now_s)
        if len(choice) == 1 and way.shares is None:
            by_link.setdefault(choice[0][0].name, []).append(queue)
        elif group.pinned and not choice:
            _unpin(ledger, queue, class_)
        elif choice:
            spread.append((group, queue, choice))
    for name in by_link:
        links[name].wanted = True
    for _, _, choice in spread:
        for link, _ in choice:
            link.wanted = True
    if not spread:
        for n, (name, waiting) in enumerate(by_link.items(), 1):
            rooms.take_turns(len(by_link) - n)
            _one_link(ledger, links[name], waiting, rooms, class_, now_ms, now_s)
        return
    # What may go over several links and what goes over one want the same room: who has waited longest is first.
    turns: list[tuple[tuple[int, int], str, Spread | None]] = [(_age(each[1]), "", each) for each in spread]
    turns += [(min(map(_age, waiting)), name, None) for name, waiting in by_link.items()]
    turns.sort(key=lambda turn: turn[0])
    for n, (_, name, each) in enumerate(turns, 1):
        rooms.take_turns(len(turns) - n)
        if each is not None:
            _several_links(ledger, each, rooms, class_, now_ms, now_s)
        else:
            _one_link(ledger, links[name], by_link[name], rooms, class_, now_ms, now_s)


def _several_links(ledger: Ledger, each: Spread, rooms: Rooms, class_: int, now_ms: int, now_s: float) -> None:
    """From one queue into the links of its choice, by their shares if they have any."""
    group, queue, choice = each
    health = ledger.health
    before = dict(rooms)
    shares = (group.way(now_ms) or group.ways[-1]).shares
    if shares is not None and all(link.name in shares for link, _ in choice):
        segments = min(queue.total(), sum(rooms[link.name] for link, _ in choice), rooms.turn)
        choice = allot([(link, min(n, rooms[link.name])) for link, n in choice], shares, group.debts, segments)
    for link, most in choice:
        most = min(most, rooms.of(link.name))
        if most > 0:
            took = fill(ledger, link, queue, class_, most, now_ms, now_s)
            rooms.took(link.name, took)
            if health.of(link.name).state == HALF_OPEN:
                health.of(link.name).probed(took, now_s)
    if shares is not None:
        settle(group.debts, shares, {link.name: before[link.name] - rooms[link.name] for link, _ in choice})


def _one_link(
    ledger: Ledger, link: Link, queues: list[Queue], rooms: Rooms, class_: int, now_ms: int, now_s: float
) -> None:
    """All that waits for one link, from one queue or from several."""
    room = rooms.of(link.name)
    if room <= 0:
        return
    if len(queues) == 1:
        took = fill(ledger, link, queues[0], class_, room, now_ms, now_s)
    else:
        took = _merged(ledger, link, queues, class_, room, now_ms, now_s)
    rooms.took(link.name, took)
    own = ledger.health.of(link.name)
    if own.state == HALF_OPEN:
        own.probed(took, now_s)


def _merged(ledger: Ledger, link: Link, queues: list[Queue], class_: int, room: int, now_ms: int, now_s: float) -> int:
    """Fills from several queues, the oldest message of them all first; segments staged."""
    began = room
    if link.paces.senders is not None:
        # What waits for its sender's pace is kept in its own queue: these are filled one by one, the oldest first.
        for queue in sorted(queues, key=_age):
            room -= fill(ledger, link, queue, class_, room, now_ms, now_s) if room > 0 else 0
        return began - room
    for queue in queues:
        if queue.aside:
            queue.rejoin()
    heap = [(_age(queue), n, queue) for n, queue in enumerate(queues) if queue]
    heapify(heap)
    taken: list[Waiting] = []
    origins: list[Queue] = []
    while heap and len(taken) < room:
        _, n, queue = heap[0]
        others = min((heap[k][0] for k in (1, 2) if k < len(heap)), default=(1 << 62, 0))
        while queue and len(taken) < room and ((waiting := queue[0]).day, waiting.seq) <= others:
            taken.append(queue.popleft())
            origins.append(queue)
        if queue:
            heapreplace(heap, (_age(queue), n, queue))
        else:
            heappop(heap)
    one = Queue()
    one.extend(taken)
    staged = fill(ledger, link, one, class_, room, now_ms, now_s)
    for waiting, queue in zip(
        reversed(one), reversed(origins), strict=False
    ):  # segments, not messages, filled the room
        queue.appendleft(waiting)
    return staged


def _age(queue: Queue) -> tuple[int, int]:
    """Day and seq of a queue's first message; of one whose messages are all set aside, before all."""
    return (queue[0].day, queue[0].seq) if queue else (0, 0)


# --- which link -------------------------------------------------------------------------------------------


def choose(way: Way, links: dict[str, Link], rooms: dict[str, int], health: Health, now_s: float) -> Choice:
    """The links of a way that take messages now, with the segments each may take; empty: wait.

    A link without room is waited for, not passed over: else a full window would turn an order of preference into chance.
    """
    if way.shares is None:
        first = links.get(way.links[0]) if way.links else None
        if first is not None and first.up and _patient(first, now_s) and health.of(first.name).state == CLOSED:
            return [(first, rooms[first.name])]
    up = [link for name in way.links if (link := links.get(name)) is not None and link.up]
    up = [link for link in up if _patient(link, now_s)] or up
    well = [link for link in up if health.of(link.name).state != OPEN] or up
    if way.shares is not None and (shared := [link for link in well if link.name in way.shares]):
        return [(link, _may(link, well, rooms, health)) for link in shared]
    out: Choice = []
    for link in well:
        may = _may(link, well, rooms, health)
        out.append((link, may))
        if may == rooms[link.name] and health.of(link.name).state != HALF_OPEN:
            break
        if len(well) == 1:
            break
    return out


def _may(link: Link, well: list[Link], rooms: dict[str, int], health: Health) -> int:
    """Segments a link may take: while it is on probation, a few, as long as another is well."""
    own = health.of(link.name)
    if own.state == HALF_OPEN and any(health.of(other.name).state == CLOSED for other in well):
        return min(rooms[link.name], own.probes_left())
    return rooms[link.name]


def _patient(link: Link, now_s: float) -> bool:
    return link.throttle.paused_until_s - now_s <= PATIENCE_S


def allot(choice: Choice, shares: dict[str, float], debts: dict[str, float], segments: int) -> Choice:
    """Deals `segments` out by shares and by what each link is owed; what has no room goes to those that have."""
    whole = sum(shares[link.name] for link, _ in choice)
    wanted = {link.name: shares[link.name] / whole * segments + debts.get(link.name, 0.0) for link, _ in choice}
    ordered = sorted(choice, key=lambda each: -wanted[each[0].name])
    out: Choice = []
    left = segments
    for link, room in ordered:
        take = max(0, min(room, int(wanted[link.name] + 0.5), left))
        left -= take
        out.append((link, take))
    if left > 0:
        for n, (link, room) in enumerate(ordered):
            more = min(left, room - out[n][1])
            out[n] = (link, out[n][1] + more)
            left -= more
    return out


def settle(debts: dict[str, float], shares: dict[str, float], took: dict[str, int]) -> None:
    """What each link is owed after a beat, so that shares hold over time. A link that was away is owed nothing."""
    total = sum(took.values())
    whole = sum(shares.get(name, 0.0) for name in took) or 1.0
    for name in list(debts):
        if name not in took:
            del debts[name]
    for name, segments in took.items():
        owed = debts.get(name, 0.0) + shares.get(name, 0.0) / whole * total - segments
        debts[name] = max(-DEBT_SEGMENTS_MAX, min(DEBT_SEGMENTS_MAX, owed))


# --- odd messages -----------------------------------------------------------------------------------------


def group_of(ledger: Ledger, waiting: Waiting) -> Group:
    """Where a message that had left its queue waits again: where it was, unless that table is gone."""
    group: Group | None = waiting.group
    if group is not None and group in ledger.queues.by_route:
        return group
    return ledger.routes.group(waiting.to, waiting.class_, waiting.sender)


def _fail(ledger: Ledger, queue: Queue, class_: int, now_ms: int) -> None:
    queue.rejoin()
    while queue:
        ledger.unroutable(queue.popleft(), now_ms)
        ledger.queues.popped(class_)


def _detour(ledger: Ledger, links: dict[str, Link], way: Way | None, queue: Queue, class_: int) -> None:
    """The first of a queue was lost on a link: it goes over another, if one is up."""
    waiting = queue[0]
    names = way.links if way is not None else ()
    other = next((n for n in names if n != waiting.lost_on and n in links and links[n].up), None)
    waiting.lost_on = ""
    if other is not None and waiting.left() == waiting.segments:
        queue.popleft()
        ledger.queues.popped(class_)
        ledger.queues.put_back([(ledger.routes.pinned(other), waiting)])


def _unpin(ledger: Ledger, queue: Queue, class_: int) -> None:
    """Their link went: what has not begun to leave is free again, what has waits for it."""
    queue.rejoin()
    free = [waiting for waiting in queue if not waiting.link or waiting.left() == waiting.segments]
    if free:
        stay = [waiting for waiting in queue if waiting.link and waiting.left() < waiting.segments]
        queue.clear()
        queue.extend(stay)
        for _ in free:
            ledger.queues.popped(class_)
        ledger.queues.put_back([(group_of(ledger, waiting), waiting) for waiting in free])


def _elsewhere(ledger: Ledger, links: dict[str, Link]) -> None:
    """Long messages that began on another link than the one picked end on theirs; on any when theirs is no more."""
    those, ledger.queues.elsewhere = ledger.queues.elsewhere, []
    back: list[tuple[Group, Waiting]] = []
    for waiting in those:
        if waiting.link in links:
            back.append((ledger.routes.pinned(waiting.link), waiting))
        else:
            waiting.link = ""
            back.append((group_of(ledger, waiting), waiting))
    ledger.queues.put_back(back)


# --- how links do -----------------------------------------------------------------------------------------


def look(health: Health, links: Iterable[Link], now_s: float) -> None:
    """Ten times a second: what the links' counters say."""
    for link in links:
        own = health.of(link.name)
        heard = Heard(
            link.answered,
            link.errors,
            link.throttled,
            own.refused,
            own.unanswered,
            link.receipted,
            own.undeliverable,
            link.in_flight,
            link.up,
        )
        own.observe(heard, now_s)

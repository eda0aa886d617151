"""What is checked while it runs: windows and paces on the wire, statuses after commits, memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from appliance.message import FINAL, STATUSES
from appliance.smpp import Framer, FramingError
from appliance.store import stored

from .network import Line

if TYPE_CHECKING:
    from .world import World

SUBMIT_SM: Final = 0x04
SUBMIT_SM_RESP: Final = 0x80000004
GENERIC_NACK: Final = 0x80000000


class _Bucket:
    """A pace seen from outside: never more than rate times time plus what may leave at once."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        # A beat decides while the one before still waits for the disk: what two decided may leave together.
        self.most = self.level = 2 * max(1.0, rate / 10) + 1
        self.at_s = 0.0

    def take(self, now_s: float) -> bool:
        self.level = min(self.most, self.level + (now_s - self.at_s) * self.rate)
        self.at_s = now_s
        self.level -= 1
        return self.level > -1e-6


class Wire:
    """Reads what links and operators say to each other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.out: dict[Line, Framer] = {}
        self.back: dict[Line, Framer] = {}
        self.open: dict[Line, set[int]] = defaultdict(set)
        self.most: dict[str, int] = {}
        self.buckets: dict[str, _Bucket] = {}
        self.links: dict[str, dict[str, Any]] = {}
        for link in world.plan.links:
            for address in (f"{link['host']}:2775", *link.get("more_hosts", ())):
                self.links[address] = link
        self.restarted()

    def restarted(self) -> None:
        """A new engine begins with full buckets."""
        self.buckets = {link["name"]: _Bucket(link["pace"]) for link in self.links.values() if link.get("pace")}

    def wrote(self, line: Line, data: bytes) -> None:
        for frame in self.out.setdefault(line, Framer()).hear(data):
            if int.from_bytes(frame[4:8], "big") != SUBMIT_SM:
                continue
            self.world.submits += 1
            sequence = int.from_bytes(frame[12:16], "big")
            under_way = self.open[line]
            under_way.add(sequence)
            link = self.links[line.address]
            if len(under_way) > link["window"]:
                self.world.violated(f"{link['name']}: {len(under_way)} under way in a window of {link['window']}")
            bucket = self.buckets.get(link["name"])
            if bucket is not None and not bucket.take(self.world.loop.now_s):
                self.world.violated(f"{link['name']}: faster than its pace of {bucket.rate} a second")

    def heard(self, line: Line, data: bytes) -> None:
        try:
            frames = self.back.setdefault(line, Framer()).hear(data)
        except FramingError:
            return
        for frame in frames:
            if int.from_bytes(frame[4:8], "big") in (SUBMIT_SM_RESP, GENERIC_NACK):
                self.open[line].discard(int.from_bytes(frame[12:16], "big"))


class Statuses:
    """After commits: what is final stays, what is there stays there."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: dict[bytes, int] = {}
        self.commits = 0

    def committed(self, conn: Any) -> None:
        self.commits += 1
        bounded(self.world)
        if self.commits % self.world.look_each == 0:
            self.look(conn)

    def look(self, conn: Any) -> None:
        """`conn`: of a partition, outside a transaction."""
        world, seen = self.world, self.seen
        world.looks += 1
        for message_id, status in stored.statuses(conn.inner).items():
            before = seen.get(message_id)
            if before != status:
                seen[message_id] = status
                if before in FINAL:
                    world.violated(f"{world.named(message_id)} was {STATUSES[before]} and is {STATUSES[status]}")

    def all_there(self, found: dict[bytes, int]) -> None:
        """At a restart: nothing that was promised or seen after a commit is gone, nothing final has moved."""
        world = self.world
        for message in world.bank.messages.values():
            if message.word == "accepted" and message.id not in found:
                world.violated(f"message {message.number} was accepted and is not in the store")
        for message_id, status in self.seen.items():
            if message_id not in found:
                world.violated(f"{world.named(message_id)} was committed and is not in the store")
            elif status in FINAL and found[message_id] != status:
                now = STATUSES[found[message_id]]
                world.violated(f"{world.named(message_id)} was {STATUSES[status]} and is {now} after a restart")
        self.seen = dict(found)


def bounded(world: World) -> None:
    """The engine keeps no more in memory than its bounds say."""
    engine = world.engine
    if engine is None:
        return
    most = world.plan.queue_messages
    # A long message of which other parts still wait is in a queue, too.
    later = Counter(class_ for class_, _ in {(w.class_, (w.day, w.seq)) for w in engine.ledger.delayed if not w.left()})
    for class_, n in enumerate(engine.ledger.queues.lengths):
        # What was under way may come back.
        slack = sum(link["window"] * link["binds"] * (1 + len(link.get("more_hosts", ()))) for link in world.plan.links)
        if n + later[class_] > most + slack:
            world.violated(f"{n + later[class_]} messages of class {class_} in memory, {most} are the bound")

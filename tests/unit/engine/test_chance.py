"""Chance plays the operators, the disk, the clock and the power switch; what was promised must hold whatever it does.

Seeded: a seed that fails fails again. Nothing sleeps, nothing opens a socket; days of the engine pass in seconds.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final

import pytest

from appliance import clock, limits
from appliance.engine import acts
from appliance.message import FINAL, STATUSES, Batch
from appliance.smpp import pack_tlvs, parse_submit
from appliance.store import OperationalError, Partition, Reader
from tests.support.engine_alone import World, batch
from tests.support.operator_side import Side

SUBMIT_SM, UNBIND, DELIVER_SM_RESP = 0x04, 0x06, 0x80000005
OK, TRY_LATER, FOREVER, THROTTLED = 0, 0x08, 0x0B, 0x58
REFERENCE: Final = (
    0x0204  # user_message_reference, given back in receipts where the link sends it; else their text tells
)
#: By seed: what is done with messages that nobody answered, by class.
POLICIES: Final = (
    ("resend", "hold", "hold", "report"),
    ("resend", "hold", "resend", "report"),
    ("resend", "resend", "resend", "resend"),
    ("hold", "hold", "hold", "hold"),
    ("report", "report", "hold", "resend"),
)
STATUS_OF: Final = {"DELIVRD": 4, "UNDELIV": 5, "DELETED": 6, "EXPIRED": 7, "REJECTD": 9}
STATS = ("DELIVRD", "DELIVRD", "DELIVRD", "UNDELIV", "EXPIRED", "REJECTD", "DELETED")
#: By seed: how the links are made.
LINKS: Final[tuple[dict[str, Any], ...]] = (
    {"throttle_policy": "pause", "user_message_reference": True},
    {"binds": 2, "throttle_policy": "delay"},
    {"bind": "pair", "more_hosts": ["h2:2775"], "throttle_policy": "stop", "throttle_pause_s": 5},
    {"binds": 3, "throttle_policy": "pause", "pace_sender": 50.0},
    {
        "more_hosts": ["h2:2775"],
        "user_message_reference": True,
        "pace": 100.0,
        "pace_bulk": 50.0,
        "throttle_policy": "delay",
    },
)


class Dead(BaseException):
    """The power is gone."""


class Operator:
    """Takes submits on any bind, answers as chance says, sends a receipt again on any until it is acknowledged."""

    def __init__(self, sim: Sim, name: str) -> None:
        self.sim, self.name = sim, name
        # Side, its session, sequence, message and part, what its receipt will say.
        self.unanswered: list[tuple[Side, Any, int, Any, tuple[str, bytes]]] = []
        self.goodbyes: list[tuple[Side, Any, int]] = []
        self.owed: dict[str, str] = {}  # receipts not acknowledged: id -> stat
        self.echo: dict[
            str, tuple[str, bytes]
        ] = {}  # what a receipt says of its message beside the id: text, parameters
        self.under_way: dict[tuple[Any, int], str] = {}  # session and sequence of a deliver_sm -> id
        self.sequence = self.taken = 0
        self.fresh()

    def fresh(self) -> None:
        """The engine is another: nothing of what was under way is any more."""
        self.sides = [Side(bind) for bind in self.sim.world.links[self.name].binds]
        self.unanswered.clear()
        self.goodbyes.clear()
        self.under_way.clear()

    def connect(self, share: float = 1.0) -> None:
        for side in self.sides:
            if side.at.transport is None and not side.at.link.drained and self.sim.chance.random() < share:
                side.connect()

    def drop(self) -> None:
        self.hear()
        side = self.sim.chance.choice(self.sides)
        if self.sim.chance.random() < 0.3 and side.at.bound:
            side.ask(UNBIND)
        else:
            side.drop()

    def hear(self) -> None:
        for side in self.sides:
            for frame in side.frames():
                command, sequence = int.from_bytes(frame[4:8], "big"), int.from_bytes(frame[12:16], "big")
                if command == SUBMIT_SM:
                    submit = parse_submit(frame)
                    found = re.search(rb"<(\d+)>", submit.short_message)
                    assert found is not None
                    part = submit.short_message[submit.short_message[0]] if submit.esm_class else 1
                    self.sim.submits[int(found[1]), part] += 1
                    header = submit.short_message[0] + 1 if submit.esm_class else 0
                    text = submit.short_message[header : header + 20].decode()
                    value = submit.tlvs.get(REFERENCE)
                    echo = (text, b"") if value is None else ("", pack_tlvs({REFERENCE: value}))
                    self.unanswered.append((side, side.at.session, sequence, (int(found[1]), part), echo))
                elif command == DELIVER_SM_RESP:
                    where = side.at.session, sequence
                    assert where in self.under_way, "an acknowledgement of what this session never delivered"
                    self.owed.pop(self.under_way.pop(where), None)
                elif command == UNBIND:
                    mine = [what for _, session, _, what, _ in self.unanswered if session is side.at.session]
                    assert not mine, "it said goodbye with submits under way"
                    self.goodbyes.append((side, side.at.session, sequence))

    def answer(self, kindly: bool) -> None:
        chance = self.sim.chance
        self.hear()
        for side, session, sequence, what, echo in self.unanswered[:]:
            gone = side.at.session is not session or side.at.transport is None
            if not gone and not kindly and chance.random() < 0.5:
                continue  # later, or never
            self.unanswered.remove((side, session, sequence, what, echo))
            if gone:
                if chance.random() < 0.5:
                    self.took(what, echo)  # its answer was lost with the bind
                continue
            status = OK if kindly else chance.choices((OK, TRY_LATER, FOREVER, THROTTLED), (80, 6, 3, 11))[0]
            operator_id = ""
            if status == OK:
                operator_id = self.took(what, echo)
                if chance.random() < 0.1:
                    self.receipt(operator_id)  # before the response
            elif status != FOREVER:
                self.sim.not_taken[what] += 1
            side.answer(sequence, operator_id, status)
        for side, session, sequence in self.goodbyes:
            if side.at.session is session and (kindly or chance.random() < 0.7):
                side.answer_to(UNBIND, 0, sequence)
        self.goodbyes.clear()

    def took(self, what: tuple[int, int], echo: tuple[str, bytes]) -> str:
        """It is on its way to the handset; the id, whether or not the engine hears of it."""
        self.taken += 1
        operator_id = f"{self.name}{self.taken}"
        stat = self.owed[operator_id] = self.sim.chance.choice(STATS)
        self.echo[operator_id] = echo
        self.sim.fates[what].add(STATUS_OF[stat])
        return operator_id

    def receipt(self, operator_id: str, stat: str = "") -> None:
        ears = [side for side in self.sides if side.at.hears and side.at.bound]
        if not ears:
            return
        side = self.sim.chance.choice(ears)
        self.sequence += 1
        self.under_way[side.at.session, self.sequence] = operator_id
        text, tlvs = self.echo[operator_id]
        side.receipt(operator_id, stat or self.owed.get(operator_id, "DELIVRD"), self.sequence, text, tlvs)

    def receipts(self, share: float) -> None:
        for operator_id in list(self.owed):
            if self.sim.chance.random() < share:
                self.receipt(operator_id)
                if self.sim.chance.random() < 0.2:
                    self.receipt(operator_id, "UNDELIV")  # a duplicate that says otherwise, and comes second


class Sim:
    """One life of an engine with its crashes."""

    def __init__(self, folder: Path, seed: int, patch: pytest.MonkeyPatch, crashes: bool) -> None:
        self.chance = random.Random(seed)
        self.folder, self.crashes = folder, crashes
        self.ms = clock.now_ms() // clock.DAY_MS * clock.DAY_MS + clock.DAY_MS - self.chance.randrange(60_000)
        self.s = 1_000.0
        self.disk = ""
        self.link = LINKS[seed % len(LINKS)]
        patch.setattr(clock, "now_ms", lambda: self.ms)
        patch.setattr(clock, "monotonic_s", lambda: self.s)
        patch.setattr(limits, "QUEUE_MESSAGES_MAX", 8)
        patch.setattr(limits, "QUEUE_PAGE_MESSAGES", 4)
        patch.setattr("appliance.engine.paging.DUE_EACH_S", 0.0)
        really = Partition.commit

        def commit(partition: Partition) -> None:
            if self.disk == "full" and self.chance.random() < 0.5:
                self.disk = ""
                raise OperationalError("database or disk is full")
            really(partition)
            if self.disk == "dead":
                raise Dead

        patch.setattr(Partition, "commit", commit)
        self.submits: Counter[tuple[int, int]] = Counter()
        self.not_taken: Counter[tuple[int, int]] = Counter()
        self.ids: dict[int, bytes] = {}  # of accepted messages
        self.fates: defaultdict[tuple[int, int], set[int]] = defaultdict(set)  # of each segment, at the handset
        self.policies = POLICIES[seed % len(POLICIES)]
        self.resolved = 0
        self.cancelled: set[int] = set()
        self.closed: set[int] = set()
        self.ended: dict[int, int] = {}
        self.messages = 0
        self.operators: list[Operator] = []
        self.world = self.make()
        self.operators = [Operator(self, "op"), Operator(self, "two")]

    def make(self) -> World:
        world = World(self.folder, ("op", "two"), window=5, enquire_s=3_600, response_s=600, **self.link)
        world.ledger.policies = self.policies
        world.beat.pause_s = 0.0
        world.beat.before_commit.append(self.before_commit)
        return world

    def before_commit(self) -> None:
        if self.disk == "dead early":
            raise Dead
        if self.disk == "full" and self.chance.random() < 0.5:
            raise OperationalError("disk I/O error")

    def crash(self) -> None:
        for operator in self.operators:
            operator.hear()
        self.disk = ""
        self.world.crash()
        self.world = self.make()
        for operator in self.operators:
            operator.fresh()
        self.world.start()

    def beat(self, batches: list[tuple[Batch, list[int]]]) -> None:
        world = self.world

        for link in world.links.values():
            link.tick(self.s)

        async def once() -> None:
            loop = asyncio.get_running_loop()
            futures = []
            for b, numbers in batches:
                future = loop.create_future()
                world.beat.batches.append((b, future))
                futures.append((b, numbers, future))
            try:
                world.ledger.partition(clock.day_of(self.ms))
                await world.pager.fill(self.s, self.ms)
                await world.resolver.look(self.s, self.ms)
                await world.beat.once()
            finally:
                for b, numbers, future in futures:
                    if future.done() and future.exception() is None:
                        self.ids.update(zip(numbers, b.ids, strict=True))

        try:
            asyncio.run(once())
        except Dead:
            self.crash()
        for operator in self.operators:
            operator.hear()

    def new(self) -> tuple[Batch, list[int]]:
        chance = self.chance
        numbers = list(range(self.messages, self.messages + chance.randrange(1, 4)))
        self.messages = numbers[-1] + 1
        now = self.ms + chance.choices((0, -clock.DAY_MS, clock.DAY_MS), (90, 5, 5))[0]
        texts = [f"<{n}>" * (1 if chance.random() < 0.7 else 400 // len(f"<{n}>")) for n in numbers]
        at = self.ms + chance.randrange(60_000) if chance.random() < 0.15 else 0
        life = 5_000 if chance.random() < 0.1 else 5 * clock.DAY_MS
        return batch(*texts, class_=chance.randrange(4), life_ms=life, at=at, now=now), numbers

    def cancel(self) -> None:
        if not self.ids:
            return
        n = self.chance.choice(list(self.ids))
        ledger = self.world.ledger

        def act() -> str:
            return acts.cancel(
                ledger, clock.day_of(int.from_bytes(self.ids[n][:6], "big")), self.ids[n], "api:t", self.ms
            )

        async def once() -> None:
            future = asyncio.get_running_loop().create_future()
            self.world.beat.acts.append((act, future))
            await self.world.beat.once()
            if future.result() == "cancelled":
                self.cancelled.add(n)

        asyncio.run(once())

    def decide(self) -> None:
        """A person decides on one of those that wait for it, and on any other in vain."""
        held = Reader(self.world.folder).held(limit=100)[0]
        waiting = {n for n, i in self.ids.items() if any(found.id == i for found in held)}
        n = self.chance.choice(sorted(waiting) if waiting and self.chance.random() < 0.8 else list(self.ids) or [0])
        act = self.chance.choice(("resend", "close"))
        if n not in self.ids:
            return
        ledger, i, now = self.world.ledger, self.ids[n], self.ms

        async def once() -> None:
            future = asyncio.get_running_loop().create_future()
            day = clock.day_of(int.from_bytes(i[:6], "big"))
            self.world.beat.acts.append((lambda: acts.decide(ledger, day, i, act, "console:t", now), future))
            await self.world.beat.once()
            assert n in waiting or future.result() not in ("resend", "close"), "a decision on what was not held"
            if future.result() == "close":
                self.closed.add(n)

        asyncio.run(once())

    def step(self) -> None:
        chance = self.chance
        batches = [self.new() for _ in range(chance.choices((0, 1, 3), (60, 30, 10))[0])]
        for operator in self.operators:
            operator.connect(0.3)
            operator.answer(kindly=False)
            operator.receipts(0.3)
            if chance.random() < 0.1:
                operator.drop()
        if chance.random() < 0.05:
            self.cancel()
        if chance.random() < 0.1:
            self.decide()
        if chance.random() < 0.04:
            link = self.world.links[chance.choice(("op", "two"))]
            link.drain(not link.drained)
        if chance.random() < 0.06:
            self.disk = "full"
        elif self.crashes and chance.random() < 0.08:
            self.disk = chance.choice(("dead", "dead early"))
        self.beat(batches)
        if self.crashes and chance.random() < 0.05:
            self.crash()
        self.disk = ""
        seconds = chance.choice((0.01, 0.05, 0.5, 2.0))
        self.s += seconds
        self.ms += int(seconds * 1000) + chance.choices((0, 7_200_000, -7_200_000), (98, 1, 1))[0]

    def settle(self) -> None:
        """Everything works again for long enough, also for what was scheduled before the clock was set back."""
        self.ms += clock.DAY_MS
        for link in self.world.links.values():
            link.drain(False)
        for _ in range(60 + self.messages // 2):
            for operator in self.operators:
                operator.connect()
                operator.answer(kindly=True)
                operator.receipts(1.0)
            self.beat([])
            self.s += 5.0
            self.ms += 5_000

    def check(self, at_the_end: bool) -> None:
        reached: Counter[int] = Counter()
        for n, message_id in self.ids.items():
            found = self.world.found(message_id)
            assert self.ended.setdefault(n, found.status) == found.status or self.ended[n] not in FINAL, n
            self.ended[n] = found.status
            reached[found.status] += 1
            unsure = Counter(
                int(m[1]) if (m := re.search(r"segment (\d+)", detail)) else 1
                for _, status, detail in found.events
                if status == "indeterminate" and detail.startswith("no answer from")
            )
            for part in range(1, found.segments + 1):
                allowed = 1 + self.not_taken[n, part] + unsure[part]
                assert self.submits[n, part] <= allowed, (n, part, self.submits[n, part], allowed)
            if n in self.closed:
                assert STATUSES[found.status] == "failed" and found.error == "closed by a person"
            for _, status, detail in found.events:
                if found.segments == 1 and detail.startswith("resolved by receipt"):
                    self.resolved += 1
                    assert STATUSES.index(status) in self.fates[n, 1] | {5}, "another message's receipt"
            if n in self.cancelled:
                assert STATUSES[found.status] == "cancelled"
                # What was put off by an operator may be cancelled; what one may have taken may not.
                assert self.submits[n, 1] <= self.not_taken[n, 1] and not unsure
            if at_the_end:
                assert found.status in FINAL or (STATUSES[found.status] == "indeterminate" and unsure), (
                    n,
                    found.events,
                    found.parts,
                )
        if at_the_end and not self.crashes:
            counted = self.world.ledger.statuses
            assert {s: counted[s] for s in FINAL} == {s: reached[s] for s in FINAL}
            assert counted[0] == len(self.ids)


@pytest.mark.parametrize("seed", range(5))
def test_promises_hold(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sim = Sim(tmp_path, seed, monkeypatch, crashes=seed % 3 != 0)
    for n in range(150):
        sim.step()
        if n % 25 == 24:
            sim.check(at_the_end=False)
    sim.settle()
    sim.check(at_the_end=True)
    assert len(sim.ids) > 50
    ledger = sim.world.ledger
    left = (len(ledger.queues), len(ledger.outstanding), len(ledger.work), len(ledger.touched), len(ledger.delayed))
    assert left == (0, 0, 0, 0, 0)
    assert not any(link.in_flight or link.staged for link in sim.world.links.values())

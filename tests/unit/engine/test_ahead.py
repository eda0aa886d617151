"""What comes while a commit waits for the disk: decided meanwhile, told only with the commit that is its own.

The commit is held in its thread until the test lets it go on; nothing waits for a time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from appliance import clock, limits
from appliance.engine.ahead import Wake
from appliance.engine.ledger import Ledger
from appliance.errors import Error
from appliance.message import BULK
from appliance.store import OperationalError
from tests.support.engine_alone import Time, World, batch

DELIVER_SM_RESP = 0x80000005


class Held:
    """A beat whose commit is under way for as long as the test wants."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.go = threading.Event()
        self.fails = False
        (self.partition,) = world.ledger.partitions.values()
        self._commit, self.partition.commit = self.partition.commit, self.commit  # type: ignore[method-assign]
        self.futures: list[asyncio.Future[Any]] = []

    def commit(self) -> None:
        """In the commit's thread."""
        assert self.go.wait(60)
        if self.fails:
            self.fails = False
            raise OperationalError("disk I/O error")
        self._commit()

    def during(self, first: Any, then: Callable[[], None], fails: bool = False) -> None:
        """A beat with a batch; what `then` does comes while its commit is under way."""
        asyncio.run(self._during(first, then, fails))
        self.partition.commit = self._commit  # type: ignore[method-assign]

    async def _during(self, first: Any, then: Callable[[], None], fails: bool) -> None:
        beat = self.world.beat
        self.fails, beat.pause_s = fails, 0.0
        self.offer(first)
        task = asyncio.ensure_future(beat.once())
        while beat.ledger.committing is None:
            await asyncio.sleep(0)
        then()
        beat.wake.set()
        for _ in range(10):
            await asyncio.sleep(0)
        self.told = [future.done() for future in self.futures]
        self.go.set()
        await task

    def offer(self, new: Any) -> None:
        self.futures.append(asyncio.get_running_loop().create_future())
        self.world.beat.batches.append((new, self.futures[-1]))

    def answers(self) -> list[Any]:
        """What each batch was answered so far: None when nothing."""
        return [(f.exception() or f.result()) if f.done() else None for f in self.futures]


def test_a_batch_is_accepted_meanwhile_and_answered_with_its_own_commit(world: World) -> None:
    world.bind()
    held = Held(world)
    a, b = batch("one"), batch("two")
    held.during(a, lambda: held.offer(b))
    assert held.told == [False, False]
    assert held.answers()[0]["accepted"] == 1 and held.answers()[1] is None
    assert [s.short_message for s in world.submits()] == [b"one"]
    assert world.ledger.work, "the next beat does not wait"
    world.run()
    assert held.answers()[1]["accepted"] == 1
    assert [s.short_message for s in world.submits()] == [b"two"]
    assert [e[1] for e in world.found(b.ids[0]).events] == ["accepted", "queued"]


def test_a_receipt_is_read_meanwhile_and_acknowledged_with_its_own_commit(world: World) -> None:
    world.bind()
    a = batch("one")
    world.accept(a)
    (submit,) = world.submits()
    held = Held(world)

    def said() -> None:
        world.answer(submit.sequence, "A1")
        world.receipt("A1")

    held.during(batch("two"), said)
    assert world.status(a.ids[0]) == "queued" and world.ledger.statuses[4] == 1
    assert DELIVER_SM_RESP not in [p.command_id for p in world.heard()]
    world.run()
    assert world.status(a.ids[0]) == "delivered"
    assert [p.command_id for p in world.heard()] == [DELIVER_SM_RESP]


def test_when_the_commit_fails_the_two_are_one_beat(world: World) -> None:
    world.bind()
    a = batch("one")
    world.accept(a)
    (submit,) = world.submits()
    held = Held(world)

    def come() -> None:
        held.offer(batch("three"))
        world.answer(submit.sequence, "A1")
        world.receipt("A1")

    held.during(batch("two"), come, fails=True)
    assert [answer.code for answer in held.answers()] == ["store_full", "store_full"]
    assert world.status(a.ids[0]) == "delivered", "what cannot be refused was tried again"
    assert [p.command_id for p in world.heard()] == [DELIVER_SM_RESP]
    assert not len(world.ledger.queues) and not world.ledger.work
    world.run()
    assert world.submits() == []


def test_a_receipt_that_comes_twice_around_a_commit_counts_once(world: World) -> None:
    world.bind()
    a = batch("one")
    world.accept(a)
    (submit,) = world.submits()
    world.answer(submit.sequence, "A1")
    world.run()
    held = Held(world)
    world.receipt("A1", "DELIVRD", 1)
    held.during(batch("two"), lambda: world.receipt("A1", "UNDELIV", 2))
    world.run()
    assert world.status(a.ids[0]) == "delivered" and world.ledger.statuses[5] == 0
    assert len(world.heard()) == 3  # a submit, two acknowledgements
    assert len(world.ledger.parked) == 0


@pytest.mark.parametrize("odd", ["keyed", "scheduled", "spilled"])
def test_what_needs_the_store_waits_until_it_is_free(
    world: World, time: Time, odd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if odd == "spilled":
        monkeypatch.setattr(limits, "QUEUE_MESSAGES_MAX", 1)
    held = Held(world)
    late = batch("later", "and", class_=BULK, key=b"k" * 16 if odd == "keyed" else b"")
    if odd == "scheduled":
        late.send_at_ms = [time.ms + 60_000, 0]
    held.during(batch("one", class_=BULK), lambda: held.offer(late))
    assert len(world.beat.batches) == 1 and not world.ledger.work
    world.run()
    assert held.answers()[1]["accepted"] == 2


def test_odd_receipts_are_looked_at_once_meanwhile(world: World) -> None:
    """Of ids that nobody knows, and what customers write: the beat itself takes them, in order."""
    world.bind()
    held = Held(world)
    seen: list[int] = []
    read = world.inbound.heard_ahead

    def heard_ahead(ledger: Ledger, link: Any, delivers: Any, now_ms: int) -> Any:
        seen.append(len(delivers))
        return read(ledger, link, delivers, now_ms)

    world.inbound.heard_ahead = heard_ahead  # type: ignore[method-assign]

    def come() -> None:
        for n in range(3):
            world.receipt(f"U{n}", sequence=10 + n)

    held.during(batch("one"), come)
    assert seen == [3] and [each[2].sequence for each in world.link.delivers] == [10, 11, 12]
    world.run()
    assert len(world.ledger.parked) == 3


def test_a_day_that_turns_out_to_be_damaged_takes_what_was_accepted_meanwhile_with_it(world: World) -> None:
    held = Held(world)
    late = batch("two")
    held.during(batch("one"), lambda: held.offer(late))
    world.ledger.quarantine(late.day, clock.now_ms())
    world.beat.notes.clear()
    world.ledger.notes.clear()
    world.run()
    answer = held.answers()[1]
    assert isinstance(answer, Error) and answer.code == "store_damaged"


def test_something_that_came_wakes_one_who_waits_and_one_who_comes_later() -> None:
    async def life() -> list[bool]:
        wake = Wake()
        waits = asyncio.ensure_future(wake.wait())
        await asyncio.sleep(0)
        before = waits.done()
        wake.set()
        await waits
        await wake.wait()  # it is still set
        wake.clear()
        again = asyncio.ensure_future(wake.wait())
        await asyncio.sleep(0)
        after = again.done()
        again.cancel()
        return [before, after]

    assert asyncio.run(life()) == [False, False]

"""The engine without sockets: an operator made of octets, a real partition on disk, beats by hand.

Each dialogue says what the operator hears and says, and what is then on disk. Nothing here sleeps or opens a socket.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance import clock
from appliance.engine import acts
from appliance.engine.receipts import receipted
from appliance.errors import Error
from appliance.message import ALERT, BULK, OTP, REDACTED, SENT, TRANSACTION, new_ids
from appliance.store import Reader
from tests.support.engine_alone import World, batch

DELIVER_SM_RESP = 0x80000005


def test_a_whole_life(world: World) -> None:
    world.bind()
    b = batch("hello")
    assert world.accept(b)["accepted"] == 1
    (submit,) = world.submits()
    assert submit.dest == "393471234567" and submit.short_message == b"hello"
    world.answer(submit.sequence, "A1")
    world.run()
    assert world.status(b.ids[0]) == "sent"
    world.receipt("A1")
    world.run()
    assert [e[1] for e in world.found(b.ids[0]).events] == ["accepted", "queued", "sent", "delivered"]
    assert [p.command_id for p in world.heard()] == [DELIVER_SM_RESP]
    assert world.ledger.statuses[0] == world.ledger.statuses[4] == 1


def test_nothing_is_submitted_before_its_intention_is_on_disk(world: World) -> None:
    world.bind()
    seen: list[bytes] = []
    world.beat.before_commit.append(lambda: seen.append(world.wire.octets))
    world.accept(batch("hello"))
    assert seen == [b""]
    assert len(world.submits()) == 1


def test_a_receipt_is_acknowledged_only_after_the_commit(world: World) -> None:
    world.bind()
    world.accept(batch("hello"))
    (submit,) = world.submits()
    world.answer(submit.sequence, "A1")
    world.receipt("A1")
    seen: list[bytes] = []
    world.beat.before_commit.append(lambda: seen.append(world.wire.octets))
    world.run()
    assert seen == [b""]
    assert len(world.heard()) == 1


def test_a_receipt_before_the_response_is_matched(world: World) -> None:
    world.bind()
    b = batch("hello")
    world.accept(b)
    (submit,) = world.submits()
    world.receipt("A1")
    world.run()
    assert len(world.heard()) == 1  # parked durably, so acknowledged
    world.answer(submit.sequence, "A1")
    world.run()
    assert world.status(b.ids[0]) == "delivered"
    assert len(world.ledger.parked) == 0


def test_a_receipt_after_a_restart_is_matched_on_disk(world: World, tmp_path: Path) -> None:
    world.bind()
    b = batch("hello")
    world.accept(b)
    (submit,) = world.submits()
    world.answer(submit.sequence, "A1")
    world.run()
    world.beat.close()
    again = World(tmp_path)
    again.start()
    again.bind()
    again.receipt("A1", "UNDELIV")
    again.run()
    assert again.status(b.ids[0]) == "undelivered"


def test_duplicate_receipts_and_one_after_the_final_change_nothing(world: World) -> None:
    world.bind()
    b = batch("hello")
    world.accept(b)
    (submit,) = world.submits()
    world.answer(submit.sequence, "A1")
    world.receipt("A1", "DELIVRD", 1)
    world.receipt("A1", "UNDELIV", 2)
    world.run()
    world.receipt("A1", "EXPIRED", 3)
    world.run()
    assert world.status(b.ids[0]) == "delivered"
    assert len(world.heard()) == 3
    assert world.ledger.statuses[4] == 1 and world.ledger.statuses[5] == 0


def test_an_id_of_another_link_is_never_matched(world: World) -> None:
    world.bind()
    b = batch("hello")
    world.accept(b)
    (submit,) = world.submits()
    world.answer(submit.sequence, "A1")
    world.run()
    for numbers in world.ledger.link_numbers.values():
        numbers["other"] = 99
    assert not receipted(world.ledger, "other", "A1", 4, None, clock.now_ms())
    world.run()
    assert world.status(b.ids[0]) == "sent"


def test_bind_lost_before_the_answer_is_indeterminate_and_held(world: World) -> None:
    world.bind()
    b = batch("pay", class_=TRANSACTION)
    world.accept(b)
    assert len(world.submits()) == 1
    world.drop()
    world.run()
    assert world.status(b.ids[0]) == "indeterminate"
    world.bind()
    world.run()
    assert world.submits() == []


def test_bind_lost_resends_an_otp_and_says_so(world: World) -> None:
    world.bind()
    b = batch("123456", class_=OTP)
    world.accept(b)
    world.submits()
    world.drop()
    world.run()
    world.bind()
    world.run()
    (submit,) = world.submits()
    world.answer(submit.sequence, "A2")
    world.run()
    events = [e[1] for e in world.found(b.ids[0]).events]
    assert events == ["accepted", "queued", "indeterminate", "queued", "sent"]


def test_bind_lost_while_the_intention_is_written_is_not_indeterminate(world: World) -> None:
    world.bind()
    b = batch("hello")
    world.beat.before_commit.append(lambda: world.drop() if world.link.submitter.transport else None)
    world.accept(b)
    world.beat.before_commit.pop()
    world.run()
    assert world.status(b.ids[0]) == "queued"
    world.bind()
    world.run()
    assert len(world.submits()) == 1


def test_otp_overtakes_bulk_even_within_a_long_message(tmp_path: Path) -> None:
    world = World(tmp_path, window=2)
    world.bind()
    world.accept(batch("x" * 1000, class_=BULK))
    first = world.submits()
    assert len(first) == 2
    world.accept(batch("123456", class_=OTP))
    for n, submit in enumerate(first):
        world.answer(submit.sequence, f"L{n}")
    world.run()
    assert world.submits()[0].short_message == b"123456"


def test_strict_priority(tmp_path: Path) -> None:
    world = World(tmp_path, window=1)
    for class_ in (BULK, TRANSACTION, ALERT, OTP):
        world.accept(batch(f"class {class_}", class_=class_))
    world.bind()
    order = []
    for n in range(4):
        world.run()
        (submit,) = world.submits()
        order.append(submit.short_message)
        world.answer(submit.sequence, f"P{n}")
    assert order == [b"class 0", b"class 1", b"class 2", b"class 3"]


def test_throttled_pauses_and_keeps_order(tmp_path: Path) -> None:
    world = World(tmp_path, window=3, throttle_pause_s=1.0)
    world.bind()
    world.accept(batch("1", "2", "3", "4"))
    submits = world.submits()
    world.answer(submits[0].sequence, "", 0x58)
    world.answer(submits[1].sequence, "", 0x14)
    world.answer(submits[2].sequence, "T3")
    world.run()
    assert world.submits() == []  # paused
    world.link.throttle.paused_until_s = 0.0
    world.link.paces.link.set_rate(0)  # as if it had come back to its pace
    world.run()
    assert [s.short_message for s in world.submits()] == [b"1", b"2", b"4"]
    assert world.link.throttled == 2


def test_refused_for_good(world: World) -> None:
    world.bind()
    b = batch("hello")
    world.accept(b)
    (submit,) = world.submits()
    world.answer(submit.sequence, "", 0x0B)
    world.run()
    found = world.found(b.ids[0])
    assert (found.events[-1][1], found.error) == ("rejected", "ESME_RINVDSTADR")


def test_expired_messages_are_never_submitted(world: World) -> None:
    b = batch("late", life_ms=-1)
    world.accept(b)
    world.bind()
    world.run()
    assert world.submits() == []
    assert world.status(b.ids[0]) == "expired"


def test_a_long_message_ends_when_its_last_receipt_comes(world: World) -> None:
    world.bind()
    b = batch("x" * 400)
    world.accept(b)
    submits = world.submits()
    assert len(submits) == 3 and all(s.esm_class == 0x40 for s in submits)
    for n, submit in enumerate(submits):
        world.answer(submit.sequence, f"L{n}")
    world.run()
    assert world.status(b.ids[0]) == "sent"
    world.receipt("L2")
    world.receipt("L0")
    world.run()
    assert world.status(b.ids[0]) == "sent"
    world.receipt("L1", "UNDELIV")
    world.run()
    assert world.status(b.ids[0]) == "undelivered"


def test_idempotent_requests(world: World) -> None:
    first = batch("hello", key=b"k" * 16)
    assert world.accept(first)["accepted"] == 1
    again = world.accept(batch("hello", key=b"k" * 16))
    assert again == {"accepted": 0, "replays": [[0, 1, b"sealed answer"]], "conflicts": []}
    other = world.accept(batch("other", key=b"k" * 16, body=b"c"))
    assert other["conflicts"] == [0] and other["accepted"] == 0
    assert world.ledger.queues.lengths[TRANSACTION] == 1


def test_cancel_before_and_after_it_left(world: World) -> None:
    b = batch("stay", "go")
    world.accept(b)
    day, now = b.day, clock.now_ms()
    assert acts.cancel(world.ledger, day, b.ids[0], "api:test", now) == "cancelled"
    world.run()
    world.bind()
    world.run()
    assert [s.short_message for s in world.submits()] == [b"go"]
    assert acts.cancel(world.ledger, day, b.ids[1], "api:test", now) == "not_cancellable"
    assert acts.cancel(world.ledger, day, b.ids[0], "api:test", now) == "cancelled"
    assert acts.cancel(world.ledger, day, new_ids(1, now)[0], "api:test", now) == "not_found"


def test_a_disk_that_fails_refuses_what_is_new_and_keeps_what_was_heard(world: World) -> None:
    world.bind()
    first = batch("first")
    world.accept(first)
    (submit,) = world.submits()
    world.answer(submit.sequence, "A1")
    failures = iter([True])

    def fail() -> None:
        if next(failures, False):
            from appliance.store import OperationalError

            raise OperationalError("database or disk is full")

    world.beat.before_commit.append(fail)
    second = batch("second")

    async def both() -> None:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        world.beat.batches.append((second, future))
        world.beat.pause_s = 0.0
        await world.beat.once()
        with pytest.raises(Error) as caught:
            await future
        assert caught.value.code == "store_full"

    asyncio.run(both())
    assert world.status(first.ids[0]) == "sent"
    assert Reader(world.folder).message(second.ids[0]) is None
    assert world.submits() == []
    assert world.beat.broken == ""


def test_throttling_a_paced_link_never_passes_its_pace(tmp_path: Path) -> None:
    world = World(tmp_path, pace=10.0, window=100)
    world.bind()
    world.accept(batch(*("m" for _ in range(50))))
    assert len(world.submits()) == 1  # a tenth of a second's worth


def test_a_redacted_message_is_forgotten_by_the_courier_too(world: World) -> None:
    world.bind()
    b = batch("secret")
    b.notify = [1]
    world.accept(b)
    assert acts.redact(world.ledger, b.day, b.ids[0], "api:test", clock.now_ms()) == "not_redactable"
    (submit,) = world.submits()
    world.answer(submit.sequence, "A1")
    world.run()
    assert acts.redact(world.ledger, b.day, b.ids[0], "api:test", clock.now_ms()) == "redacted"
    world.run()
    assert world.found(b.ids[0]).content is None
    _, events = world.ledger.partitions[b.day].webhooks(10)
    assert [(e[3], e[4]) for e in events] == [(None, SENT), (None, REDACTED)]


def test_what_waits_on_disk_only_is_counted_as_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.limits.QUEUE_MESSAGES_MAX", 2)
    world.accept(batch("1", "2", "3", "4", "5"))
    assert world.ledger.queues.lengths[TRANSACTION] == 2
    assert world.ledger.on_disk[TRANSACTION] == 3
    (partition,) = {id(p): p for p in world.ledger.partitions.values()}.values()
    assert partition.waiting_counts(0) == [(TRANSACTION, 5)]

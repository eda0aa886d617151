"""Receipts that say nothing of their message but number, sender and when it was taken: told by that, or by nobody."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance import clock
from appliance.engine import acts
from appliance.message import OTP, Batch
from appliance.smpp import pack_deliver
from tests.support.engine_alone import Time, World, batch

MINUTE_S = 60.0


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


@pytest.fixture
def world(tmp_path: Path, time: Time) -> World:
    world = World(tmp_path)
    world.ledger.policies = ("hold",) * 4
    world.bind()
    return world


def minute(time: Time) -> str:
    stamp = clock.rfc3339(time.ms)
    return stamp[2:4] + stamp[5:7] + stamp[8:10] + stamp[11:13] + stamp[14:16]


def lost(world: World, time: Time, *batches: Batch, after_s: float = 10.0) -> None:
    """As an operator that answers nothing any more: submitted, lost a while later, bound again."""
    for b in batches:
        world.accept(b)
    world.submits()
    time.pass_(after_s)
    world.drop()
    world.step()
    world.bind()


def acted(world: World, act: Any) -> None:
    """As the process does it: inside a beat."""

    async def once() -> Any:
        future = asyncio.get_running_loop().create_future()
        world.beat.acts.append((act, future))
        await world.beat.once()
        return await future

    assert asyncio.run(once()) in ("close", "redacted")


def decide(world: World, b: Batch, word: str) -> None:
    acted(world, lambda: acts.decide(world.ledger, b.day, b.ids[0], word, "console:anna", clock.now_ms()))


def redact(world: World, b: Batch) -> None:
    acted(world, lambda: acts.redact(world.ledger, b.day, b.ids[0], "console:anna", clock.now_ms()))


def receipt(world: World, operator_id: str, accepted: str, sender: str = "BANK") -> None:
    said = f"id:{operator_id} sub:001 dlvrd:001 submit date:{accepted} done date:{accepted} stat:DELIVRD err:000 text:"
    world.say(pack_deliver(5, "+393471234567", sender, 0x04, 0, said.encode()))
    world.run()
    world.step()


def test_taken_when_the_operator_was_there_again(world: World, time: Time) -> None:
    """A black hole: what lay in its buffers is taken, and its answers have nobody to go to any more."""
    b = batch("one")
    lost(world, time, b)
    receipt(world, "X7", minute(time))
    assert world.status(b.ids[0]) == "delivered"
    assert ("delivered", "resolved by receipt (time of acceptance)") in [e[1:] for e in world.found(b.ids[0]).events]
    assert world.ledger.doubts.messages == 0


@pytest.mark.parametrize("off_s", [-5 * MINUTE_S, 5 * MINUTE_S])
def test_taken_before_it_left_or_long_after_its_bind_was_lost_it_is_another(
    world: World, time: Time, off_s: float
) -> None:
    b = batch("one")
    lost(world, time, b)
    time.pass_(off_s)
    accepted = minute(time)
    time.pass_(-off_s + 1)
    receipt(world, "X7", accepted)
    assert world.status(b.ids[0]) == "indeterminate"


def test_one_from_another_sender_is_not_meant(world: World, time: Time) -> None:
    b = batch("one")
    lost(world, time, b)
    receipt(world, "X7", minute(time), sender="OTHER")
    assert world.status(b.ids[0]) == "indeterminate"


def test_two_that_may_be_meant_stay_held(world: World, time: Time) -> None:
    one, two = batch("one"), batch("two")
    lost(world, time, one, two)
    receipt(world, "X7", minute(time))
    assert {world.status(b.ids[0]) for b in (one, two)} == {"indeterminate"}


def test_two_receipts_that_one_may_have_leave_it_held(world: World, time: Time) -> None:
    b = batch("one")
    lost(world, time, b)
    said = minute(time)
    for n in (7, 8):
        text = f"id:X{n} sub:001 dlvrd:001 submit date:{said} done date:{said} stat:DELIVRD err:000 text:"
        world.say(pack_deliver(n, "+393471234567", "BANK", 0x04, 0, text.encode()))
    world.run()
    world.step()
    assert world.status(b.ids[0]) == "indeterminate"


def test_one_that_was_answered_and_has_no_receipt_is_asked_too(world: World, time: Time) -> None:
    """The operator may write the ids of receipts in another way than those of answers: then this one may be its own."""
    answered, b = batch("one"), batch("two")
    world.accept(answered)
    (submit,) = world.submits()
    world.answer(submit.sequence, "1F")
    world.run()
    lost(world, time, b)
    receipt(world, "31", minute(time))
    assert world.status(b.ids[0]) == "indeterminate"
    world.receipt("1F")
    world.run()
    time.pass_(5)
    for _ in range(3):
        world.step()
    assert world.status(answered.ids[0]) == world.status(b.ids[0]) == "delivered"


def test_a_receipt_that_tells_the_text_is_told_by_it_alone(world: World, time: Time) -> None:
    b = batch("one of some length")
    lost(world, time, b)
    said = minute(time)
    text = f"id:X7 sub:001 dlvrd:001 submit date:{said} done date:{said} stat:DELIVRD err:000 text:quite another"
    world.say(pack_deliver(7, "+393471234567", "BANK", 0x04, 0, text.encode()))
    world.run()
    world.step()
    assert world.status(b.ids[0]) == "indeterminate"


def sent_again(folder: Path, time: Time) -> tuple[World, Batch, Batch]:
    """A code in doubt whose second copy was answered with A2, and another message in doubt to its number."""
    world = World(folder)
    world.bind()
    code, b = batch("code", class_=OTP), batch("two")
    world.accept(code)
    world.accept(b)
    world.submits()
    time.pass_(10)
    world.drop()
    world.step()
    world.bind()
    world.run()
    (again,) = world.submits()
    world.answer(again.sequence, "A2")
    world.run()
    return world, code, b


def test_the_receipt_of_the_first_copy_of_one_sent_again_is_nobodys(tmp_path: Path, time: Time) -> None:
    """What was sent again has its own receipt by then; that of its first copy, still parked, must not settle another."""
    world, code, b = sent_again(tmp_path, time)
    world.receipt("A2")
    world.run()
    assert world.status(code.ids[0]) == "delivered"
    receipt(world, "A1", minute(time))
    assert world.status(b.ids[0]) == "indeterminate"


def test_the_receipt_of_a_second_copy_heard_in_this_moment_does_not_free_that_of_the_first(
    tmp_path: Path, time: Time
) -> None:
    """As seed 1000011949: it is not in the rows yet, and is one copy's."""
    world, _, b = sent_again(tmp_path, time)
    said = minute(time)
    text = f"id:A1 sub:001 dlvrd:001 submit date:{said} done date:{said} stat:DELIVRD err:000 text:"
    world.say(pack_deliver(5, "+393471234567", "BANK", 0x04, 0, text.encode()))
    world.run()
    world.ledger.just_ended.add(("op", "A2"))
    world.step()
    assert world.status(b.ids[0]) == "indeterminate"


def test_a_clock_set_forth_between_receipt_and_answer_makes_no_receipt_old(world: World, time: Time) -> None:
    """As seed 30766. One that really came before its segment left is the operator's, which gives its ids again."""
    b = batch("one")
    world.accept(b)
    (submit,) = world.submits()
    world.receipt("A1")
    world.receipt("A2", sequence=78)
    world.run()
    time.ms += 25 * 3_600_000
    world.answer(submit.sequence, "A1")
    world.run()
    assert world.status(b.ids[0]) == "delivered"
    later = batch("two")
    world.accept(later)
    (submit,) = world.submits()
    world.answer(submit.sequence, "A2")
    world.run()
    assert world.status(later.ids[0]) == "sent"


def test_the_receipt_of_one_whose_validity_ended_before_it_was_sent_again_is_not_the_next_ones(
    tmp_path: Path, time: Time
) -> None:
    """As seed 1000002368: its first copy left, and may still be heard of."""
    world = World(tmp_path)
    world.bind()
    code = batch("Your statement is ready", class_=OTP, life_ms=20_000)
    world.accept(code)
    world.submits()
    world.drop()
    world.step()
    time.pass_(30)
    world.step()
    assert world.status(code.ids[0]) == "indeterminate"
    b = batch("Your statement is ready")
    world.bind()
    lost(world, time, b)
    said = minute(time)
    text = f"id:X8 sub:001 dlvrd:001 submit date:{said} done date:{said} stat:REJECTD err:099 text:Your statement is re"
    world.say(pack_deliver(8, "+393471234567", "BANK", 0x04, 0, text.encode()))
    world.run()
    world.step()
    assert [world.status(each.ids[0]) for each in (code, b)] == ["indeterminate", "indeterminate"]


def csv(world: World, sequence: int, accepted: str, word: str = "Delivered") -> None:
    """As operators write it whose receipts have no id."""
    world.say(
        pack_deliver(
            sequence,
            "+393471234567",
            "BANK",
            0x04,
            0,
            f"{word},20{accepted}00,20{accepted}00,0,+393471234567,BANK".encode(),
        )
    )
    world.run()
    world.step()


def sent(world: World, text: str, operator_id: str) -> Batch:
    b = batch(text)
    world.accept(b)
    (submit,) = world.submits()
    world.answer(submit.sequence, operator_id)
    world.run()
    return b


def test_a_receipt_without_an_id_that_comes_again_is_not_the_next_ones(tmp_path: Path, time: Time) -> None:
    """The same words once more are the same receipt; other words are of the other, for the first has its own."""
    world = World(tmp_path, receipt_format="csv")
    world.bind()
    one = sent(world, "one", "A1")
    csv(world, 1, minute(time))
    assert world.status(one.ids[0]) == "delivered"
    two = sent(world, "two", "A2")
    csv(world, 2, minute(time))
    for _ in range(2):
        time.pass_(5)
        world.step()
    assert world.status(two.ids[0]) == "sent"
    world.crash()
    again = World(tmp_path, receipt_format="csv")  # it is known after a restart, too
    again.start()
    again.bind()
    csv(again, 3, minute(time))
    assert again.status(two.ids[0]) == "sent"
    csv(again, 4, minute(time), "Undelivered")
    assert again.status(two.ids[0]) == "undelivered"


@pytest.mark.parametrize("form", ["text", "csv"])
def test_a_receipt_that_power_left_in_the_next_days_file_is_not_the_next_ones(
    tmp_path: Path, time: Time, form: str
) -> None:
    """As seed 1000052601: its segment's day has it, and the commit that takes it out of the day in which it waited is gone."""
    kind = {"receipt_format": "csv"} if form == "csv" else {}
    world = World(tmp_path, **kind)
    world.bind()
    time.pass_(12 * 3_600 - 5)
    yesterday = clock.day_of(time.ms)
    first = batch("Your statement is ready")
    world.accept(first)
    (submit,) = world.submits()
    if form == "csv":
        world.answer(submit.sequence, "A1")
        world.run()
    time.pass_(20)
    today = world.ledger.partition(yesterday + 1)
    said = minute(time)
    text = f"id:A1 sub:001 dlvrd:001 submit date:{said} done date:{said} stat:DELIVRD err:000 text:Your statement is re"
    if form == "csv":
        text = f"Delivered,20{said}00,20{said}00,0,+393471234567,BANK"
    world.say(pack_deliver(8, "+393471234567", "BANK", 0x04, 0, text.encode()))
    world.run()
    assert len(world.ledger.parked) == 1
    today.commit = today.conn.rollback  # type: ignore[method-assign]
    if form == "csv":
        world.step()
    else:
        world.answer(submit.sequence, "A1")
        world.run()
    world.crash()
    again = World(tmp_path, **kind)
    again.ledger.policies = ("hold",) * 4
    again.start()
    assert again.status(first.ids[0]) == "delivered"
    assert len(again.ledger.parked) == 1
    again.bind()
    second = batch("Your statement is ready")
    lost(again, time, second)
    for _ in range(3):
        time.pass_(10)
        again.step()
    assert again.status(second.ids[0]) == "indeterminate"
    assert len(again.ledger.parked) == 0


def test_a_receipt_is_taken_out_of_its_day_after_its_segment_has_it(
    world: World, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power may go between the two commits; the clock was set back, and the receipt waited in the file of the day before."""
    time.pass_(12 * 3_600 + 30)
    world.ledger.partition(clock.day_of(time.ms))
    yesterday = clock.day_of(time.ms) - 1
    order: list[int] = []
    for day, partition in world.ledger.partitions.items():
        monkeypatch.setattr(partition, "commit", lambda day=day, commit=partition.commit: (order.append(day), commit()))
    b = batch("one")
    world.accept(b)
    (submit,) = world.submits()
    time.ms -= 60_000
    world.receipt("A1")
    world.run()
    order.clear()
    world.answer(submit.sequence, "A1")
    world.run()
    assert "delivered" in [event[1] for event in world.found(b.ids[0]).events]
    assert order == [yesterday + 1, yesterday]


def test_the_receipt_of_one_that_a_person_closed_is_not_the_next_ones(world: World, time: Time) -> None:
    """By time, and by a text that both have: it may still come, and is the closed one's."""
    closed, b = batch("Your statement is ready"), batch("Your statement is ready")
    lost(world, time, closed)
    decide(world, closed, "close")
    lost(world, time, b)
    said = minute(time)
    receipt(world, "X7", said)
    assert world.status(b.ids[0]) == "indeterminate"
    text = f"id:X8 sub:001 dlvrd:001 submit date:{said} done date:{said} stat:DELIVRD err:000 text:Your statement is re"
    world.say(pack_deliver(8, "+393471234567", "BANK", 0x04, 0, text.encode()))
    world.run()
    world.step()
    assert world.status(b.ids[0]) == "indeterminate"


def test_one_whose_text_was_erased_may_be_meant_by_any_text(world: World, time: Time) -> None:
    erased, b = batch("Your statement is ready"), batch("Your statement is ready")
    lost(world, time, erased, b)
    redact(world, erased)
    said = minute(time)
    text = f"id:X8 sub:001 dlvrd:001 submit date:{said} done date:{said} stat:DELIVRD err:000 text:Your statement is re"
    world.say(pack_deliver(8, "+393471234567", "BANK", 0x04, 0, text.encode()))
    world.run()
    world.step()
    assert world.status(b.ids[0]) == "indeterminate"


def test_a_copy_that_failed_does_not_settle_one_that_was_sent_again(tmp_path: Path, time: Time) -> None:
    """The other copy may be with its customer; one that was delivered settles it, whichever it was."""
    world = World(tmp_path)
    world.bind()
    code = batch("code of some length", class_=OTP)
    world.accept(code)
    for _ in range(5):  # until it is sent no more
        world.submits()
        time.pass_(10)
        world.drop()
        world.step()
        world.bind()
        world.run()
    assert world.status(code.ids[0]) == "indeterminate"
    said = minute(time)
    for n, stat, status in ((7, "UNDELIV", "indeterminate"), (8, "DELIVRD", "delivered")):
        text = f"id:X{n} sub:001 dlvrd:001 submit date:{said} done date:{said} stat:{stat} err:000 text:code of some length"
        world.say(pack_deliver(n, "+393471234567", "BANK", 0x04, 0, text.encode()))
        world.run()
        world.step()
        assert world.status(code.ids[0]) == status

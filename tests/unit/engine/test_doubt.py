"""Messages that nobody answered: what policy does with them, and late receipts that tell what became of one. No sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance import clock
from appliance.engine import acts
from appliance.engine.waiting import reference_of
from appliance.errors import Error
from appliance.limits import RESENDS_MAX
from appliance.message import ALERT, BULK, INDETERMINATE, OTP, TRANSACTION, Batch
from appliance.smpp import pack_deliver, pack_tlvs
from appliance.store import OperationalError, Reader, doubts
from tests.support.engine_alone import Time, World, batch

REFERENCE = 0x0204
TEXT = "Payment of EUR 12.50 at the bakery in Via Roma"


def lost(world: World, *batches: Batch) -> list[Any]:
    """Submits them, hears no answer, loses the bind and binds again."""
    world.bind()
    submits = []
    for b in batches:
        world.accept(b)
        submits += world.submits()
    world.drop()
    world.step()
    world.bind()
    return submits


def events(world: World, b: Batch, n: int = 0) -> list[tuple[str, str]]:
    return [(status, detail) for _, status, detail in world.found(b.ids[n]).events]


def decide(world: World, b: Batch, act: str, n: int = 0) -> str:
    """As the process does it: inside a beat."""

    async def once() -> Any:
        future = asyncio.get_running_loop().create_future()
        now = clock.now_ms()
        world.beat.acts.append((lambda: acts.decide(world.ledger, b.day, b.ids[n], act, "console:anna", now), future))
        await world.beat.once()
        return await future

    return str(asyncio.run(once()))


def audit(world: World, b: Batch) -> list[str]:
    rows = world.ledger.outboxes[b.day].pending(1_000)[1]
    return [row["what"] if isinstance(row, dict) else str(row) for row in rows]


# --- policies -------------------------------------------------------------------------------------------------
def test_the_policy_of_a_class_decides(world: World) -> None:
    world.ledger.policies = ("resend", "hold", "hold", "report")
    b = {class_: batch(f"message {class_}", class_=class_, to=f"+3934712345{class_}") for class_ in range(4)}
    lost(world, *b.values())
    assert [world.found(b[c].ids[0]).error for c in (ALERT, TRANSACTION, BULK)] == [
        "no answer, held for a decision",
        "no answer, held for a decision",
        "no answer",
    ]
    assert (world.ledger.doubts.held, world.ledger.doubts.messages) == (2, 3)
    assert world.ledger.statuses[10] == 4
    reader = Reader(world.folder)
    assert {f.id for f in reader.held()[0]} == {b[ALERT].ids[0], b[TRANSACTION].ids[0]}
    world.step()
    assert [s.short_message for s in world.submits()] == [b"message 0"]


def test_a_message_to_send_again_goes_over_another_link(tmp_path: Path) -> None:
    world = World(tmp_path, ("op", "two"))
    two = world.other("two")
    b = batch("123456", class_=OTP)
    world.bind()
    world.accept(b)
    assert len(world.submits()) == 1
    two.bind()
    world.drop()
    world.bind()
    world.run()
    world.run()
    assert world.submits() == [] and len(two.submits()) == 1


def test_a_message_to_send_again_goes_over_the_same_link_when_no_other_is_up(tmp_path: Path) -> None:
    world = World(tmp_path, ("op", "two"))
    b = batch("123456", class_=OTP)
    lost(world, b)
    world.run()
    assert len(world.submits()) == 1


@pytest.mark.parametrize("text", ["123456", "a long code " * 20])
def test_an_operator_that_takes_and_never_answers_gives_a_customer_few_copies(world: World, text: str) -> None:
    b = batch(text, class_=OTP)
    once = len(lost(world, b))
    copies = [once]
    for _ in range(RESENDS_MAX + 3):
        world.run()
        copies.append(len(world.submits()))
        world.drop()
        world.step()
        world.bind()
    assert copies == [once] * (RESENDS_MAX + 1) + [0, 0, 0]
    assert world.found(b.ids[0]).status == INDETERMINATE and world.ledger.doubts.held == 0


def test_a_reported_message_is_resolved_by_a_late_receipt_too(world: World) -> None:
    world.ledger.policies = ("report",) * 4
    b = batch(TEXT)
    lost(world, b)
    assert Reader(world.folder).held()[0] == []
    world.receipt("A1", text=TEXT[:20])
    world.run()
    world.step()
    assert world.status(b.ids[0]) == "delivered"


# --- late receipts --------------------------------------------------------------------------------------------
def test_a_late_receipt_is_matched_by_its_text(world: World) -> None:
    b = batch(TEXT)
    lost(world, b)
    world.receipt("A1", text=TEXT[:20])
    world.run()
    assert world.status(b.ids[0]) == "indeterminate"
    world.step()
    assert events(world, b)[-1] == ("delivered", "resolved by receipt (text)")
    assert [part.status for part in world.found(b.ids[0]).parts] == ["delivered"]
    assert len(world.ledger.parked) == 0 and world.ledger.doubts.messages == 0
    assert doubts.parked_ids(world.ledger.partitions[b.day], 9) == []
    world.receipt("A1", "UNDELIV", text=TEXT[:20])  # the operator's id is on record: a duplicate
    world.run()
    world.step()
    assert world.status(b.ids[0]) == "delivered" and len(world.ledger.parked) == 0


def test_a_late_receipt_is_matched_by_its_reference(tmp_path: Path) -> None:
    world = World(tmp_path, user_message_reference=True)
    b = batch("same", "same")
    lost(world, b)
    tlv = pack_tlvs({REFERENCE: reference_of(b.ids[1], 1).to_bytes(2, "big")})
    world.receipt("A1", "UNDELIV", tlvs=tlv)
    world.run()
    world.step()
    assert events(world, b, 1)[-1] == ("undelivered", "resolved by receipt (reference)")
    assert world.status(b.ids[0]) == "indeterminate"


def test_a_reference_of_another_number_is_nobodys(tmp_path: Path) -> None:
    world = World(tmp_path, user_message_reference=True)
    b = batch("same")
    lost(world, b)
    tlv = pack_tlvs({REFERENCE: reference_of(b.ids[0], 1).to_bytes(2, "big")})
    world.receipt("A1", tlvs=tlv, to="+393470000000")
    world.run()
    world.step()
    assert world.status(b.ids[0]) == "indeterminate"


@pytest.mark.parametrize(
    "odd",
    [
        {"text": "Payment of EUR 99.00"},
        {"text": ""},
        {"text": TEXT[:5]},  # fits too many
        {"text": TEXT[:20], "sender": "OTHER"},
        {"text": TEXT[:20], "to": "+393470000000"},
    ],
)
def test_what_does_not_fit_is_never_guessed(world: World, odd: dict[str, str]) -> None:
    b = batch(TEXT)
    lost(world, b)
    world.receipt("A1", **odd)
    world.run()
    world.step()
    assert world.status(b.ids[0]) == "indeterminate"


def test_two_messages_that_a_receipt_may_mean_stay_held(world: World) -> None:
    b = batch(TEXT, TEXT)
    lost(world, b)
    world.receipt("A1", text=TEXT[:20])
    world.run()
    world.step()
    assert {world.status(i) for i in b.ids} == {"indeterminate"}


def test_two_receipts_that_one_message_may_have_leave_it_held(world: World) -> None:
    b = batch(TEXT)
    lost(world, b)
    world.receipt("A1", text=TEXT[:20])
    world.receipt("A2", "UNDELIV", text=TEXT[:20])
    world.run()
    world.step()
    assert world.status(b.ids[0]) == "indeterminate"


def test_a_message_under_way_with_the_same_text_is_waited_for(world: World, time: Time) -> None:
    held, new = batch(TEXT), batch(TEXT)
    lost(world, held)
    world.accept(new)
    (submit,) = world.submits()
    world.receipt("B1", text=TEXT[:20])  # of the new one, before its response
    world.run()
    world.step()
    assert world.status(held.ids[0]) == "indeterminate"
    world.answer(submit.sequence, "B1")
    world.run()
    assert world.status(new.ids[0]) == "delivered"
    time.pass_(2.0)
    world.receipt("A1", "UNDELIV", text=TEXT[:20])
    world.run()
    world.step()
    assert world.status(held.ids[0]) == "undelivered"


def test_a_receipt_that_waits_for_another_message_is_looked_at_again(world: World, time: Time) -> None:
    held, new = batch(TEXT), batch(TEXT)
    lost(world, held)
    world.accept(new)
    (submit,) = world.submits()
    world.receipt("A1", text=TEXT[:20])
    world.run()
    world.step()
    assert world.status(held.ids[0]) == "indeterminate"
    world.answer(submit.sequence, "B1")
    world.receipt("B1", text=TEXT[:20])
    world.run()
    time.pass_(5.0)
    world.step()
    assert (world.status(held.ids[0]), world.status(new.ids[0])) == ("delivered", "delivered")


def test_a_receipt_that_came_before_the_bind_was_lost_settles_it(world: World) -> None:
    world.bind()
    b = batch(TEXT)
    world.accept(b)
    world.submits()
    world.receipt("A1", text=TEXT[:20])
    world.run()
    world.drop()
    world.run()
    assert world.status(b.ids[0]) == "indeterminate"
    world.step()
    assert world.status(b.ids[0]) == "delivered"


def test_a_parked_receipt_settles_what_a_crash_left(world: World, tmp_path: Path) -> None:
    world.bind()
    b = batch(TEXT)
    world.accept(b)
    world.submits()
    world.receipt("A1", text=TEXT[:20])
    world.run()
    assert len(world.ledger.parked) == 1
    world.crash()
    again = World(tmp_path)
    assert again.start() == 1
    assert events(again, b)[-1] == ("delivered", "resolved by receipt (text)")
    assert len(again.ledger.parked) == 0


def test_a_one_time_code_whose_receipt_is_parked_is_not_sent_again(world: World, tmp_path: Path) -> None:
    world.bind()
    b = batch("Your code is 123456", class_=OTP)
    world.accept(b)
    world.submits()
    world.receipt("A1", text="Your code is 123456")
    world.run()
    world.crash()
    again = World(tmp_path)
    again.start()
    again.bind()
    again.step()
    assert again.submits() == [] and again.status(b.ids[0]) == "delivered"


def test_a_one_time_code_whose_number_has_another_receipt_parked_is_sent_again(world: World, time: Time) -> None:
    world.bind()
    b = batch("Your code is 123456", class_=OTP)
    world.accept(b)
    world.submits()
    world.receipt("A1", text="Your code is 999999")
    world.run()
    world.drop()
    world.run()
    world.bind()
    for _ in range(3):
        time.pass_(1.0)
        world.step()
    assert [s.short_message for s in world.submits()] == [b"Your code is 123456"]
    assert any("may be a duplicate" in detail for _, detail in events(world, b))


def test_one_segment_of_a_long_message_is_resolved_by_its_reference(tmp_path: Path) -> None:
    world = World(tmp_path, user_message_reference=True)
    world.bind()
    b = batch("x" * 400)
    world.accept(b)
    submits = world.submits()
    for n in (0, 1):
        world.answer(submits[n].sequence, f"L{n}")
        world.receipt(f"L{n}")
    world.run()
    world.drop()
    world.step()
    assert world.status(b.ids[0]) == "indeterminate"
    world.bind()
    world.receipt("L2", tlvs=pack_tlvs({REFERENCE: reference_of(b.ids[0], 3).to_bytes(2, "big")}))
    world.run()
    world.step()
    assert ("indeterminate", "segment 3 of 3 resolved by receipt (reference): delivered") in events(world, b)
    assert events(world, b)[-1][0] == "delivered"


def test_a_csv_receipt_is_matched_by_number_sender_and_minute(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path, receipt_format="csv")
    world.bind()
    b = batch("one")
    other = batch("two", to="+393470000000")
    for each in (b, other):
        world.accept(each)
        (submit,) = world.submits()
        world.answer(submit.sequence, "")  # an operator that gives no ids
        world.run()
    assert world.status(b.ids[0]) == world.status(other.ids[0]) == "sent"
    stamp = clock.rfc3339(time.ms)
    minute = stamp[2:4] + stamp[5:7] + stamp[8:10] + stamp[11:13] + stamp[14:16]

    def csv(sequence: int, accepted: str) -> None:
        text = f"00,{minute},{accepted},,393471234567,BANK,"
        world.say(pack_deliver(sequence, "+393471234567", "BANK", 0x04, 0, text.encode()))
        world.run()
        world.step()

    csv(1, "0210021500")
    assert world.status(b.ids[0]) == "sent"
    csv(2, minute)
    csv(3, minute)
    assert (world.status(b.ids[0]), world.status(other.ids[0])) == ("delivered", "sent")
    assert world.ledger.statuses[4] == 1


def test_two_messages_of_one_minute_are_not_told_apart_by_csv(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path, receipt_format="csv")
    world.bind()
    b = batch("one", "two")
    world.accept(b)
    for submit in world.submits():
        world.answer(submit.sequence, "")
    world.run()
    stamp = clock.rfc3339(time.ms)
    minute = stamp[2:4] + stamp[5:7] + stamp[8:10] + stamp[11:13] + stamp[14:16]
    world.say(pack_deliver(1, "+393471234567", "BANK", 0x04, 0, f"00,{minute},{minute},,393471234567,BANK,".encode()))
    world.run()
    world.step()
    assert {world.status(i) for i in b.ids} == {"sent"}


# --- a person decides -----------------------------------------------------------------------------------------
def test_a_person_sends_a_held_message_again(world: World) -> None:
    b = batch("pay", class_=TRANSACTION)
    lost(world, b)
    assert decide(world, b, "resend") == "resend"
    world.step()
    world.step()
    (submit,) = world.submits()
    world.answer(submit.sequence, "A2")
    world.receipt("A2")
    world.run()
    assert world.status(b.ids[0]) == "delivered"
    assert any("a person decided" in detail and "may be a duplicate" in detail for _, detail in events(world, b))
    assert world.ledger.doubts.held == 0
    assert decide(world, b, "close") == "not_held"


def test_a_person_closes_a_held_message(world: World) -> None:
    b = batch(TEXT, class_=TRANSACTION)
    lost(world, b)
    assert decide(world, b, "close") == "close"
    assert events(world, b)[-1] == ("failed", "closed by a person")
    assert decide(world, b, "resend") == "not_held"
    world.receipt("A1", text=TEXT[:20])
    world.run()
    world.step()
    assert world.status(b.ids[0]) == "failed"


def test_nobody_decides_on_what_is_reported_unknown_or_over(world: World, time: Time) -> None:
    world.ledger.policies = ("resend", "hold", "hold", "report")
    reported, held, other = batch("news", class_=BULK), batch("pay"), batch("never stored")
    lost(world, reported, held)
    assert decide(world, reported, "close") == "not_held"
    assert decide(world, other, "close") == "not_found"
    time.pass_(7_200)
    assert decide(world, held, "resend") == "not_sendable"  # its validity has ended
    assert decide(world, held, "close") == "close"


def test_a_decision_survives_a_crash_before_the_message_left(world: World, tmp_path: Path) -> None:
    b = batch("pay", class_=TRANSACTION)
    lost(world, b)
    decide(world, b, "resend")
    world.crash()
    again = World(tmp_path)
    again.start()
    again.bind()
    again.step()
    again.step()
    assert [s.short_message for s in again.submits()] == [b"pay"]


def test_a_decision_is_not_lost_when_the_disk_refuses_what_is_new_in_its_beat(world: World) -> None:
    b = batch("pay", class_=TRANSACTION)
    lost(world, b)
    failures = iter([True])

    def fail() -> None:
        if next(failures, False):
            raise OperationalError("database or disk is full")

    async def both() -> None:
        loop = asyncio.get_running_loop()
        accepted, decided = loop.create_future(), loop.create_future()
        now = clock.now_ms()
        world.beat.batches.append((batch("new", at=now + 60_000), accepted))
        world.beat.acts.append((lambda: acts.decide(world.ledger, b.day, b.ids[0], "resend", "cli:a", now), decided))
        await world.beat.once()
        assert isinstance(accepted.exception(), Error) and decided.result() == "resend"

    world.beat.pause_s = 0.0
    world.beat.before_commit.append(fail)
    asyncio.run(both())
    world.step()
    world.step()
    assert [s.short_message for s in world.submits()] == [b"pay"]

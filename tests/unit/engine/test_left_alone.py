"""What is under way, begun or in doubt when its customer asks to be left alone does not leave a second time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance import limits
from appliance.consent import STOP, Book
from appliance.engine import acts
from appliance.engine.answering import swept
from appliance.engine.left_alone import KEPT_S
from appliance.engine.listening import Listener
from appliance.errors import Error
from appliance.keys import blind_index
from appliance.message import BULK, STATUSES, Batch
from tests.support.engine_alone import INDEX_KEY, Ring, Time, World, batch

THROTTLED = 0x58
TO = "+393471234567"
LONG = "Offerta: " + "x" * 400  # three segments
WHO = "process:engine-0"


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def stopped(world: World) -> None:
    world.ledger.stops.belongs = lambda class_, sender: ("marketing",) if class_ == BULK else ()
    subject = blind_index(INDEX_KEY, TO)

    async def within_a_beat() -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        world.beat.acts.append((lambda: swept(world.ledger, subject, frozenset({"marketing"}), WHO), future))
        await world.beat.once()
        return await future

    assert asyncio.run(within_a_beat()) == 0


def bound(tmp_path: Path, policy: str = "resend", **link: object) -> World:
    world = World(tmp_path, **link)
    world.ledger.policies = (policy,) * 4
    world.bind()
    return world


def offer(*texts: str) -> Batch:
    return batch(*texts, class_=BULK, to=TO)


def now(world: World, message_id: bytes) -> str:
    return STATUSES[world.found(message_id).status]


def nothing_more(world: World, time: Time, seconds: float = 40.0) -> None:
    """Whatever waits had its chance."""
    for _ in range(8):
        world.step()
        assert not world.submits()
        time.pass_(seconds / 8)


@pytest.mark.parametrize("policy", ["pause", "delay"])
@pytest.mark.parametrize("text", ["Offerta", LONG])
def test_put_off_by_the_operator_it_is_cancelled(tmp_path: Path, time: Time, policy: str, text: str) -> None:
    world = bound(tmp_path, throttle_policy=policy)
    b = offer(text)
    world.accept(b)
    left = world.submits()
    stopped(world)
    for each in left:
        world.answer(each.sequence, "", THROTTLED)
    nothing_more(world, time)
    assert now(world, b.ids[0]) == "cancelled"
    assert "suppressed: marketing" in str(world.found(b.ids[0]))


def test_without_an_answer_it_is_reported_and_not_sent_again(tmp_path: Path, time: Time) -> None:
    world = bound(tmp_path)
    b = offer("Offerta")
    world.accept(b)
    assert len(world.submits()) == 1
    stopped(world)
    world.drop()
    world.run()
    world.bind()
    nothing_more(world, time)
    assert now(world, b.ids[0]) == "indeterminate"


def test_the_rest_of_a_long_one_does_not_follow(tmp_path: Path, time: Time) -> None:
    """Its first segment is delivered, and still the message was cancelled: its customer could not read it."""
    world = bound(tmp_path, window=1)
    b = offer(LONG)
    world.accept(b)
    (first,) = world.submits()
    stopped(world)
    world.answer(first.sequence, "A1")
    nothing_more(world, time)
    assert now(world, b.ids[0]) == "sent"
    world.receipt("A1")
    world.run()
    assert now(world, b.ids[0]) == "cancelled"


def test_the_rest_of_a_long_one_whose_first_was_lost_does_not_follow(tmp_path: Path, time: Time) -> None:
    """As seed 11722: the doubt stays on record, the two others never leave."""
    world = bound(tmp_path, policy="report", window=1)
    b = offer(LONG)
    world.accept(b)
    assert len(world.submits()) == 1
    world.drop()
    world.run()
    stopped(world)
    world.bind()
    nothing_more(world, time)
    assert now(world, b.ids[0]) == "indeterminate"


def test_what_is_in_doubt_and_waits_to_be_sent_again_is_reported(tmp_path: Path, time: Time) -> None:
    """As seed 20207. A late receipt still decides."""
    world = bound(tmp_path)
    b = offer("Offerta")
    world.accept(b)
    assert len(world.submits()) == 1
    world.drop()
    world.run()
    assert now(world, b.ids[0]) == "queued"
    stopped(world)
    world.bind()
    nothing_more(world, time)
    assert now(world, b.ids[0]) == "indeterminate"
    assert world.ledger.doubts.messages == 1
    world.receipt("A9", text="Offerta")
    world.run()
    nothing_more(world, time)
    assert now(world, b.ids[0]) == "delivered"


def test_in_one_beat_with_the_loss(tmp_path: Path, time: Time) -> None:
    world = bound(tmp_path)
    b, long = offer("Offerta"), offer(LONG)
    world.accept(b)
    world.accept(long)
    assert len(world.submits()) == 4
    world.drop()
    stopped(world)
    world.bind()
    nothing_more(world, time)
    assert {now(world, b.ids[0]), now(world, long.ids[0])} == {"indeterminate"}


def test_one_in_doubt_that_is_put_off_when_it_is_sent_again_was_never_cancelled(tmp_path: Path, time: Time) -> None:
    world = bound(tmp_path, throttle_policy="delay")
    b = offer("Offerta")
    world.accept(b)
    world.drop()
    world.run()
    world.bind()
    world.run()
    (again,) = world.submits()
    stopped(world)
    world.answer(again.sequence, "", THROTTLED)
    nothing_more(world, time)
    assert now(world, b.ids[0]) == "indeterminate"


def test_put_off_and_waiting_it_is_cancelled_with_the_rest(tmp_path: Path, time: Time) -> None:
    """A segment that the operator put off has not left; of a long one with another taken, only the rest is cancelled."""
    world = bound(tmp_path, throttle_policy="delay")
    b = offer(LONG)
    world.accept(b)
    one, two, three = world.submits()
    world.answer(one.sequence, "A1")
    world.answer(two.sequence, "", THROTTLED)
    world.answer(three.sequence, "A3")
    world.run()
    stopped(world)
    nothing_more(world, time)
    for operator_id in ("A1", "A3"):
        world.receipt(operator_id)
    world.run()
    assert now(world, b.ids[0]) == "cancelled"


def test_what_waits_on_disk_only_stays_there(tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what a restart finds, only a page is in memory: a doubt behind it is settled where it is."""
    monkeypatch.setattr(limits, "QUEUE_PAGE_MESSAGES", 1)
    world = bound(tmp_path)
    first, b = offer("Prima"), offer("Offerta")
    world.accept(first)
    world.accept(b)
    world.drop()
    world.run()
    world.crash()
    world = World(tmp_path)
    world.ledger.policies = ("resend",) * 4
    world.start()
    stopped(world)
    world.bind()
    nothing_more(world, time)
    assert {now(world, first.ids[0]), now(world, b.ids[0])} == {"indeterminate"}


@pytest.mark.parametrize(
    ("left", "status"), [(["marketing"], "indeterminate"), ([], "queued"), (None, "indeterminate")]
)
def test_a_restart_asks_the_book(tmp_path: Path, time: Time, left: list[str] | None, status: str) -> None:
    """What was under way at a crash is not sent again to who has left; nor if nobody can tell."""
    world = bound(tmp_path)
    b = offer("Offerta")
    world.accept(b)
    assert len(world.submits()) == 1
    world.crash()
    world = World(tmp_path)
    world.ledger.policies = ("resend",) * 4
    world.ledger.stops.belongs = lambda class_, sender: ("marketing",) if class_ == BULK else ()

    def book(subject: bytes) -> list[str]:
        assert subject == blind_index(INDEX_KEY, TO)
        if left is None:
            raise Error("store_damaged", "consent.db cannot be read")
        return left

    world.ledger.stops.left = book
    world.start()
    assert now(world, b.ids[0]) == status
    world.bind()
    world.step()
    assert len(world.submits()) == (status == "queued")


def test_what_a_parked_receipt_held_back_is_not_sent_again_either(tmp_path: Path, time: Time) -> None:
    """It was looked at first whether the receipt is its own; it is another's, and meanwhile its customer wrote STOP."""
    world = bound(tmp_path, user_message_reference=False)
    b = offer("Offerta")
    world.accept(b)
    world.receipt("Z1", text="Tutt'altro")
    world.run()
    world.drop()
    world.run()
    assert now(world, b.ids[0]) == "indeterminate"
    world.ledger.stops.belongs = lambda class_, sender: ("marketing",) if class_ == BULK else ()
    world.ledger.stops.left = lambda subject: ["marketing"]
    world.bind()
    nothing_more(world, time)
    assert now(world, b.ids[0]) == "indeterminate"
    assert "not sent again, suppressed: marketing" in str(world.found(b.ids[0]).events)


def test_a_person_does_not_send_it_again(tmp_path: Path, time: Time) -> None:
    world = bound(tmp_path, policy="hold")
    b = offer("Offerta")
    world.accept(b)
    world.drop()
    world.run()
    world.ledger.stops.belongs = lambda class_, sender: ("marketing",) if class_ == BULK else ()
    world.ledger.stops.left = lambda subject: ["marketing"]
    assert acts.decide(world.ledger, b.day, b.ids[0], "resend", "console:x", time.ms) == "suppressed"
    world.ledger.stops.left = lambda subject: []
    assert acts.decide(world.ledger, b.day, b.ids[0], "resend", "console:x", time.ms) == "resend"


def test_decided_to_be_sent_again_in_the_very_beat_of_the_stop(tmp_path: Path, time: Time) -> None:
    world = bound(tmp_path, policy="hold")
    b = offer("Offerta")
    world.accept(b)
    world.drop()
    world.run()
    assert acts.decide(world.ledger, b.day, b.ids[0], "resend", "console:x", time.ms) == "resend"
    stopped(world)
    world.bind()
    nothing_more(world, time)
    assert now(world, b.ids[0]) == "indeterminate"


def test_a_clock_set_forth_forgets_nobody(tmp_path: Path, time: Time) -> None:
    world = bound(tmp_path, throttle_policy="delay")
    b = offer("Offerta")
    world.accept(b)
    (left,) = world.submits()
    stopped(world)
    time.ms += 2 * 3_600_000
    world.ledger.stops.forget(time.s)
    world.answer(left.sequence, "", THROTTLED)
    nothing_more(world, time)
    assert now(world, b.ids[0]) == "cancelled"
    world.ledger.stops.forget(time.s + KEPT_S)
    assert not world.ledger.stops.recent


def test_a_start_recalls_who_asked_last(tmp_path: Path, time: Time) -> None:
    """As seed 410001050: a gateway that outlived the engine has not looked yet, and lets one through."""
    world = bound(tmp_path)
    book = Book(world.settings.home / "consent.db")
    book.heard(blind_index(INDEX_KEY, TO), b"sealed", ["marketing"], STOP, "stop", b"e" * 16, 1, WHO)
    book.close()
    listener = Listener(world.ledger, world.beat, world.settings, Ring(), world.inbound)  # type: ignore[arg-type]
    listener.recall(time.s)
    listener.watch.close()
    b = offer("Offerta")
    world.accept(b)
    nothing_more(world, time)
    assert now(world, b.ids[0]) == "cancelled"


def test_a_start_without_its_register_still_starts(
    tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    world = bound(tmp_path)
    (world.settings.home / "consent.db").write_bytes(b"not a database, of no length in pages" * 99)
    listener = Listener(world.ledger, world.beat, world.settings, Ring(), world.inbound)  # type: ignore[arg-type]
    listener.recall(time.s)
    listener.watch.close()
    assert "cannot be read" in caplog.text


def test_who_wants_messages_again_gets_what_was_put_off(tmp_path: Path, time: Time) -> None:
    world = bound(tmp_path, throttle_policy="delay")
    b = offer("Offerta")
    world.accept(b)
    (left,) = world.submits()
    stopped(world)
    world.ledger.stops.ended(blind_index(INDEX_KEY, TO))
    world.answer(left.sequence, "", THROTTLED)
    world.run()
    time.pass_(5)
    world.step()
    assert len(world.submits()) == 1
    assert now(world, b.ids[0]) == "queued"

"""A link with several binds, half-dead ones, refused ones, drained ones: dialogues with operators made of octets.

Nothing here sleeps or opens a socket.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.engine.bind import SILENT_SUBMITS_MIN, Bind, pause_after
from appliance.message import BULK, OTP, TRANSACTION
from appliance.settings import Link as LinkSettings
from appliance.smpp import spec
from tests.support.engine_alone import World, batch
from tests.support.operator_side import UNBIND, Hands, Side, texts, world_of


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    return Hands(monkeypatch)


# --- several binds ----------------------------------------------------------------------------------------


def test_each_address_gets_its_binds(tmp_path: Path) -> None:
    link = World(tmp_path, binds=2, more_hosts=["h2:2776"], bind="pair").link
    assert [(b.kind, b.host, b.port) for b in link.binds] == [
        ("transmitter", "h", 2775),
        ("receiver", "h", 2775),
        ("transmitter", "h2", 2776),
        ("receiver", "h2", 2776),
    ] * 2


def test_submits_are_spread_by_room_and_none_passes_its_window(tmp_path: Path) -> None:
    world, sides = world_of(tmp_path, binds=3, window=4)
    world.accept(batch(*(f"{n}" for n in range(20))))
    got = [side.submits() for side in sides]
    assert [len(each) for each in got] == [4, 4, 4]
    for submit in got[1][:3]:
        sides[1].answer(submit.sequence, f"A{submit.sequence}")
    sides[0].answer(got[0][0].sequence, "B1")
    world.run()
    assert [len(side.submits()) for side in sides] == [1, 3, 0]
    assert world.link.in_flight == 12


def test_one_at_a_time_goes_round_all_binds(tmp_path: Path) -> None:
    world, sides = world_of(tmp_path, binds=3)
    for n in range(6):
        world.accept(batch(f"{n}"))
    assert [len(side.submits()) for side in sides] == [2, 2, 2]


def test_what_one_bind_gets_is_in_order(tmp_path: Path) -> None:
    world, sides = world_of(tmp_path, binds=2, window=8)
    world.accept(batch(*(f"{n:02}" for n in range(16))))
    for side in sides:
        got = texts(side)
        assert len(got) == 8 and got == sorted(got)


def test_losing_one_bind_leaves_in_doubt_only_what_was_on_it(tmp_path: Path) -> None:
    world, sides = world_of(tmp_path, binds=2, window=5)
    b = batch(*(f"{n}" for n in range(10)), class_=TRANSACTION)
    world.accept(b)
    first, second = sides[0].submits(), sides[1].submits()
    sides[0].drop()
    for submit in second:
        sides[1].answer(submit.sequence, f"A{submit.sequence}")
    world.run()
    by_text = {f"{n}".encode(): world.status(i) for n, i in enumerate(b.ids)}
    assert {by_text[s.short_message] for s in first} == {"indeterminate"}
    assert {by_text[s.short_message] for s in second} == {"sent"}


def test_two_hosts_losing_one_leaves_the_link_up_with_half_the_window(tmp_path: Path) -> None:
    said: list[bool] = []
    world, sides = world_of(tmp_path, more_hosts=["h2:2775"], window=5)
    world.link._changed = lambda link, up, why: said.append(up)
    assert world.link.room(0.0) == 10
    sides[0].drop()
    assert world.link.up and world.link.room(0.0) == 5 and world.link.state()["window"] == 5
    sides[1].drop()
    assert not world.link.up and world.link.room(0.0) == 0
    sides[1].connect()
    assert said == [False, True]


def test_a_receipt_is_taken_on_any_bind(tmp_path: Path) -> None:
    world, sides = world_of(tmp_path, binds=2)
    b = batch("hello")
    world.accept(b)
    at = 0 if sides[0].at.in_flight else 1
    (submit,) = sides[at].submits()
    sides[at].answer(submit.sequence, "A1")
    sides[1 - at].receipt("A1")
    world.run()
    assert world.status(b.ids[0]) == "delivered"
    assert [p.command_id for p in sides[1 - at].heard()] == [0x80000005]


def test_up_means_it_can_submit_and_hear(tmp_path: Path) -> None:
    world = World(tmp_path, bind="pair", more_hosts=["h2:2775"])
    sides = [Side(bind) for bind in world.link.binds]
    assert not world.link.up
    sides[0].connect()
    assert not world.link.up and world.link.state()["state"] == "partly"
    sides[3].connect()  # the receiver of the other host
    assert world.link.up
    world.accept(batch("hello"))
    assert texts(sides[0]) == [b"hello"]


def test_jasmin_247_no_answer_is_a_state_with_an_end_and_never_a_lost_message(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, response_s=10)
    b = batch("pay", class_=TRANSACTION)
    otp = batch("123456", class_=OTP)
    world.accept(b)
    world.accept(otp)
    assert len(side.submits()) == 2
    hands.on(9.0)
    world.link.tick(hands.s)
    world.run()
    assert side.at.bound and world.status(b.ids[0]) == "queued"
    hands.on(1.5)
    world.link.tick(hands.s)
    world.run()
    assert not side.at.bound and world.link.state()["last_error"] == "response_timeout"
    assert world.status(b.ids[0]) == "indeterminate"
    side.connect()
    world.run()
    assert texts(side) == [b"123456"]


def test_kannel_an_answer_slower_than_our_patience_never_makes_a_duplicate_on_a_bind_that_lives(
    tmp_path: Path, hands: Hands
) -> None:
    """The ack timer, the window and the operator's pace together made duplicates in masses: here the bind ends first."""
    world, (side,) = world_of(tmp_path, response_s=60, window=2)
    world.accept(batch("1", "2", "3", class_=BULK))
    first = side.submits()
    for _ in range(500):  # 50 s
        hands.on(0.1)
        world.link.tick(hands.s)
        world.run()
    assert side.submits() == [] and side.at.bound
    for submit in first:
        side.answer(submit.sequence, f"A{submit.sequence}")
    world.run()
    assert texts(side) == [b"3"]


def test_jasmin_1036_an_unbound_link_never_turns_the_same_message_round(tmp_path: Path) -> None:
    world, (side,) = world_of(tmp_path)
    side.drop()
    world.accept(batch("1", "2"))
    rows = world.beat.rows
    for _ in range(50):
        world.run()
    assert world.beat.rows == rows and world.link.submitted == 0, "beats without a bind write nothing"
    side.connect()
    world.run()
    assert texts(side) == [b"1", b"2"]


def test_jasmin_835_a_bind_that_is_lost_at_once_each_time_is_asked_more_and_more_rarely(
    tmp_path: Path, hands: Hands
) -> None:
    world, (side,) = world_of(tmp_path, reconnect_s_min=0.5, reconnect_s_max=60)
    bind = side.at
    pauses = []
    for _ in range(8):
        side.drop()
        pauses.append(pause_after(bind.bind_status, bind._last_pause_s, world.link.settings))
        bind._last_pause_s = pauses[-1]
        side.connect()
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60]
    hands.on(10)
    side.drop()
    assert pause_after(bind.bind_status, bind._last_pause_s, world.link.settings) == 0.5


# --- refused ----------------------------------------------------------------------------------------------


def settings(world: World) -> LinkSettings:
    return world.link.settings


@pytest.mark.parametrize(
    ("status", "pause"),
    [
        (spec.ESME_RALYBND, 30),
        (spec.ESME_RINVPASWD, 60),
        (spec.ESME_RINVSYSID, 60),
        (0x0D, 0.5),  # bind failed: as if the connection had
        (-1, 0.5),
    ],
)
def test_patience_depends_on_why_a_bind_was_refused(tmp_path: Path, status: int, pause: float) -> None:
    assert pause_after(status, 0.0, settings(World(tmp_path))) == pause


def test_a_refused_bind_says_why(tmp_path: Path) -> None:
    world = World(tmp_path)
    side = Side(world.link.submitter)
    side.connect(spec.ESME_RALYBND)
    assert side.at.transport is None and side.at.bind_status == spec.ESME_RALYBND
    assert world.link.state()["last_error"] == "bind_refused ESME_RALYBND"
    side.connect()
    assert world.link.up and world.link.state()["last_error"] == ""


class Doors:
    """Instead of connections: refuses each and notes when it was asked; pauses cost no time."""

    def __init__(self, hands: Hands, refusal: int) -> None:
        self.hands, self.refusal, self.asked = hands, refusal, []  # type: ignore[var-annotated]

    async def connect(self, make: Any, *_: Any, **__: Any) -> None:
        bind: Bind = make()
        self.asked.append(self.hands.s)
        bind.connection_made(Side(bind))  # type: ignore[arg-type]
        side: Any = bind.transport
        (request,) = side.heard()
        side.answer_to(request.command_id, self.refusal, request.sequence)


@pytest.mark.parametrize(("refusal", "least", "most"), [(spec.ESME_RALYBND, 105, 121), (spec.ESME_RINVPASWD, 52, 61)])
def test_a_refused_bind_is_never_hammered(
    tmp_path: Path, hands: Hands, monkeypatch: pytest.MonkeyPatch, refusal: int, least: int, most: int
) -> None:
    """In an hour: ESME_RALYBND every 30 s or a little more, a wrong password every minute."""
    world = World(tmp_path)
    bind, doors = world.link.submitter, Doors(hands, refusal)

    async def wait(seconds: float) -> None:
        hands.on(seconds)
        if hands.s - doors.asked[0] > 3_600:
            bind.stopping = True

    async def hour() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", doors.connect)
        monkeypatch.setattr(bind, "_wait", wait)
        await bind._keep_bound()

    asyncio.run(hour())
    assert least <= len(doors.asked) <= most


def test_a_host_name_that_no_resolver_takes_is_said_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, host="smsc..example")
    bind = world.link.submitter
    waits: list[float] = []

    async def connect(*_: Any, **__: Any) -> None:
        raise UnicodeError("label empty or too long")  # what the loop says to such a name

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        bind.stopping = len(waits) == 3

    async def some_time() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", connect)
        monkeypatch.setattr(bind, "_wait", wait)
        await bind._keep_bound()

    asyncio.run(some_time())
    assert len(waits) == 3 and bind.last_error == "connect: UnicodeError"


# --- half dead --------------------------------------------------------------------------------------------


def talk(world: World, sides: list[Side], hands: Hands, seconds: int, receipts: int | None = None) -> None:
    """A submit a second, each taken; the side numbered `receipts` delivers a receipt for each."""
    for _ in range(seconds):
        world.accept(batch("m", class_=BULK))
        for n, side in enumerate(sides):
            for submit in side.submits() if side.at.bound else []:
                side.answer(submit.sequence, f"{n}-{submit.sequence}-{int(hands.s)}")
                if receipts is not None:
                    sides[receipts].receipt(f"{n}-{submit.sequence}-{int(hands.s)}")
        hands.on(1.0)
        world.link.tick(hands.s)
    world.run()


@pytest.mark.parametrize("kind", ["transceiver", "pair"])
def test_a_link_that_takes_and_never_delivers_is_bound_anew(tmp_path: Path, hands: Hands, kind: str) -> None:
    world, sides = world_of(tmp_path, bind=kind, receipts_s=200, enquire_s=3_600)
    talk(world, sides, hands, 190)
    assert all(side.at.bound for side in sides)
    talk(world, sides, hands, 15)
    world.link.tick(hands.s)
    first = sides[0]
    assert any(p.command_id == UNBIND for p in first.heard()), "it says goodbye: nothing under way is left in doubt"
    assert world.ledger.statuses[10] == 0 and not first.at.in_flight
    assert all(side.at.bound for side in sides[1:]), "one at a time"
    first.answer_to(UNBIND, 0, first.at.session._own)
    assert first.at.transport is None and first.at.last_error
    first.connect()
    if kind == "pair":
        world.link.tick(hands.s)
        world.link.tick(hands.s)
        assert any(p.command_id == UNBIND for p in sides[1].heard())


def test_a_half_dead_receiver_is_bound_anew_although_submits_never_cease(tmp_path: Path, hands: Hands) -> None:
    world, (sender, receiver) = world_of(tmp_path, bind="pair", receipts_s=150, enquire_s=3_600)
    talk(world, [sender, receiver], hands, 160)
    sender.answer_to(UNBIND, 0, sender.at.session._own)
    sender.connect()
    world.accept(batch("under way"))
    assert sender.submits() and sender.at.in_flight
    world.link.tick(hands.s)
    assert UNBIND in [p.command_id for p in receiver.heard()]
    receiver.answer_to(UNBIND, 0, receiver.at.session._own)
    assert world.link.state()["last_error"] == "receipts_silent"
    receiver.connect()
    assert world.link.up and world.link.state()["last_error"] == ""


@pytest.mark.parametrize("registered", ["none", "failure"])
def test_a_link_that_asks_for_no_receipts_is_not_half_dead(tmp_path: Path, hands: Hands, registered: str) -> None:
    world, sides = world_of(tmp_path, receipts_s=150, enquire_s=3_600, registered_delivery=registered)
    talk(world, sides, hands, 400)
    assert sides[0].at.bound and not sides[0].at.resting


def test_a_quiet_link_is_not_half_dead(tmp_path: Path, hands: Hands) -> None:
    world, sides = world_of(tmp_path, receipts_s=150, enquire_s=3_600)
    talk(world, sides, hands, SILENT_SUBMITS_MIN // 2)
    for _ in range(1_000):
        hands.on(1.0)
        world.link.tick(hands.s)
    assert sides[0].at.bound and not sides[0].at.resting


def test_receipts_on_another_bind_of_the_link_are_receipts(tmp_path: Path, hands: Hands) -> None:
    world, sides = world_of(tmp_path, binds=2, receipts_s=150, enquire_s=3_600)
    talk(world, sides, hands, 400, receipts=1)
    assert all(side.at.bound and not side.at.resting for side in sides)


def silent_after(world: World, sides: list[Side], hands: Hands, most: int) -> int:
    """Seconds until the first side is asked to unbind; it takes submits and delivers nothing, the other side all."""
    for second in range(most):
        talk(world, sides, hands, 1, receipts=1)
        if sides[0].at.resting:
            return second
    return most


def test_a_bind_that_stops_delivering_among_others_that_deliver_is_bound_anew(tmp_path: Path, hands: Hands) -> None:
    """The operator lost one of our receiving sides: what it would deliver there waits until that bind is another."""
    world, sides = world_of(tmp_path, binds=2, receipts_s=300, enquire_s=3_600)
    pauses = []
    for n in range(2):
        sides[0].receipt(f"early {n}")
        world.run()
        pauses.append(silent_after(world, sides, hands, 1_000))
        world.link.tick(hands.s)
        assert UNBIND in [p.command_id for p in sides[0].heard()] and sides[1].at.bound
        assert not sides[0].at.in_flight and sides[0].at.last_error == "receipts_silent"
        sides[0].answer_to(UNBIND, 0, sides[0].at.session._own)
        sides[0].connect()
    assert 300 <= pauses[0] <= 320 and 600 <= pauses[1] <= 620, "an operator that has its ways is given time"


# --- asked ------------------------------------------------------------------------------------------------


def test_a_question_about_a_message_is_answered_into_the_links_list(tmp_path: Path, hands: Hands) -> None:
    world, sides = world_of(tmp_path, bind="pair", enquire_s=3_600, response_s=10)
    assert world.link.query("A1", "BANK", hands.s)
    (asked,) = sides[0].heard()
    assert asked.command_id == 0x03 and asked.fields["message_id"] == b"A1" and asked.fields["source_addr"] == b"BANK"
    sides[0].answer_to(0x03, 0, asked.sequence, b"A1\0\0\x02\x00")
    assert [(i, q.state) for i, q in world.link.queried] == [("A1", 2)]
    world.link.queried.clear()
    assert world.link.query("A2", "BANK", hands.s)
    sides[0].drop()
    assert [(i, q.status) for i, q in world.link.queried] == [("A2", -1)]
    assert not world.link.query("A3", "BANK", hands.s)

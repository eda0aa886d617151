"""Paces of links, classes and senders, with whole engines: who waits, who does not, and in which order.

Nothing here sleeps or opens a socket.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance import clock
from appliance.engine import acts
from appliance.message import BULK, TRANSACTION
from tests.support.engine_alone import World, batch
from tests.support.operator_side import Hands, Side, recover, world_of

THROTTLED, QUEUE_FULL = 0x58, 0x14


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    return Hands(monkeypatch)


def sent_over(world: World, side: Side, hands: Hands, seconds: float) -> list[bytes]:
    out = []
    for _ in range(int(seconds * 20)):
        world.run()
        for submit in side.submits():
            out.append((submit.source.encode() + b":" if len(submit.source) < 4 else b"") + submit.short_message)
            side.answer(submit.sequence, f"A{submit.sequence}-{hands.s}")
        hands.on(0.05)
        world.link.tick(hands.s)
    return out


def of_sender(sender: str, *texts_: str, class_: int = TRANSACTION) -> Any:
    b = batch(*texts_, class_=class_)
    b.senders = [sender] * len(texts_)
    return b


def test_jasmin_925_pace_counts_segments(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, pace=10, window=100, enquire_s=3_600)
    world.accept(batch(*("x" * 400 for _ in range(40))))  # three segments each
    assert 95 <= len(sent_over(world, side, hands, 10)) <= 103


def test_jasmin_304_a_slow_sender_keeps_its_order_and_holds_up_nobody(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, pace_senders={"A": 1.0}, window=50, enquire_s=3_600)
    for n in range(12):
        world.accept(of_sender("A", f"a{n:02}"))
        world.accept(of_sender("B", f"b{n:02}"))
    got = sent_over(world, side, hands, 0.5)
    assert [t for t in got if t.startswith(b"B")] == [f"B:b{n:02}".encode() for n in range(12)], "at once"
    got += sent_over(world, side, hands, 5)
    slow = [t for t in got if t.startswith(b"A")]
    assert slow == [f"A:a{n:02}".encode() for n in range(len(slow))]
    assert 6 <= len(slow) <= 7
    assert world.ledger.queues.lengths[TRANSACTION] == 12 - len(slow)


def test_every_sender_has_its_own_pace_and_long_messages_give_way(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, pace_sender=2.0, window=50, enquire_s=3_600)
    world.accept(of_sender("A", "x" * 400, "a"))
    world.accept(of_sender("B", "b1", "b2"))
    world.accept(of_sender("C", "c1"))
    first = sent_over(world, side, hands, 0.05)
    assert len(first) == 3, "one of each sender"
    assert len(sent_over(world, side, hands, 3)) == 4
    assert len(world.ledger.queues) == 0


def test_what_was_throttled_or_expired_keeps_its_place_among_its_senders(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, pace_sender=1.0, window=50, enquire_s=3_600, throttle_slow=1)
    late = of_sender("A", "a0")
    late.expires_ms = [clock.now_ms() + 500]
    world.accept(of_sender("A", "a1"))
    world.accept(late)
    world.accept(of_sender("A", "a2", "a3"))
    (submit,) = side.submits()
    side.answer(submit.sequence, "", THROTTLED)
    world.run()
    got = sent_over(world, side, hands, 8)
    assert got == [b"A:a1", b"A:a2", b"A:a3"]
    assert world.status(late.ids[0]) == "expired"
    (queue,) = [q for qs in world.ledger.queues.by_route.values() for q in qs[TRANSACTION : TRANSACTION + 1]][:1]
    assert not queue.aside and not len(world.ledger.queues)


def test_a_message_set_aside_can_be_cancelled(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, pace_sender=1.0, window=50, enquire_s=3_600)
    b = of_sender("A", "a1", "a2", "a3")
    world.accept(b)
    assert acts.cancel(world.ledger, b.day, b.ids[1], "api:test", clock.now_ms()) == "cancelled"
    assert sent_over(world, side, hands, 4) == [b"A:a1", b"A:a3"] and len(world.ledger.queues) == 0


def test_a_paced_class_holds_up_no_other(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, pace_bulk=2, window=50, enquire_s=3_600)
    world.accept(batch(*(f"b{n}" for n in range(20)), class_=BULK))
    world.accept(batch(*(f"t{n}" for n in range(20)), class_=TRANSACTION))
    got = sent_over(world, side, hands, 3)
    assert len([t for t in got if t.startswith(b"t")]) == 20
    assert 5 <= len([t for t in got if t.startswith(b"b")]) <= 7


def test_jasmin_648_a_pace_of_zero_is_no_limit_and_divides_nothing(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, pace=0, pace_sender=0, pace_otp=0, pace_bulk=0, window=500, enquire_s=3_600)
    world.accept(of_sender("A", *(f"{n}" for n in range(300))))
    (first, *others) = side.submits()
    assert len(others) == 299 and world.link.next_s(hands.s, [0] * 4) == 0
    side.answer(first.sequence, "", THROTTLED)  # nothing had been taken yet
    world.run()
    world.link.tick(hands.s)
    assert world.link.state()["pace_now"] == 1.0
    recover(world, hands)
    assert world.link.state()["pace_now"] == 0


def test_how_long_nothing_can_leave_is_known(tmp_path: Path, hands: Hands) -> None:
    """While a window is full, or a class's pace holds, a beat every few milliseconds would find nothing."""
    world, (side,) = world_of(tmp_path, pace_bulk=2.0, window=3, enquire_s=3_600)
    world.accept(batch(*(f"{n}" for n in range(6)), class_=BULK))
    lengths = world.ledger.queues.lengths
    assert len(side.submits()) < 3 and 0.1 < world.link.next_s(hands.s, lengths) <= 0.5
    world.accept(batch(*(f"{n}" for n in range(6)), class_=TRANSACTION))
    assert side.submits() and world.link.next_s(hands.s, lengths) > 3_600, "an answer wakes it"

"""What a link does when its operator says "too fast", by each policy: dialogues with operators made of octets.

Nothing here sleeps or opens a socket.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from appliance import clock
from appliance.engine import acts
from tests.support.engine_alone import batch
from tests.support.operator_side import Hands, recover, texts, world_of

THROTTLED, QUEUE_FULL = 0x58, 0x14


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    return Hands(monkeypatch)


def test_jasmin_425_a_throttled_link_pauses_whole_and_keeps_its_order(tmp_path: Path, hands: Hands) -> None:
    """Delaying only the one message gave 1, 2, 4, 3, 5; also when the answers come late and the wrong way round."""
    world, (side,) = world_of(tmp_path, window=4, enquire_s=3_600, response_s=600)
    world.accept(batch("1", "2", "3", "4", "5", "6"))
    s1, s2, s3, s4 = side.submits()
    side.answer(s1.sequence, "A1")
    side.answer(s4.sequence, "", THROTTLED)
    world.run()
    side.answer(s2.sequence, "", THROTTLED)
    world.run()
    side.answer(s3.sequence, "", QUEUE_FULL)
    world.run()
    assert side.submits() == [] and world.link.throttled == 3
    recover(world, hands)
    world.run()
    assert texts(side) == [b"2", b"3", b"4", b"5"]


def test_policy_delay_lets_only_that_message_wait(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, window=2, throttle_policy="delay", enquire_s=3_600, response_s=600)
    world.accept(batch("1", "2", "3"))
    s1, s2 = side.submits()
    side.answer(s1.sequence, "", THROTTLED)
    side.answer(s2.sequence, "A2")
    world.run()
    assert texts(side) == [b"3"]
    hands.on(0.9)
    world.run()
    assert side.submits() == []
    hands.on(0.2)
    world.run()
    (again,) = side.submits()
    assert again.short_message == b"1"
    side.answer(again.sequence, "", THROTTLED)
    world.run()
    hands.on(1.9)
    world.run()
    assert side.submits() == []
    hands.on(0.2)
    world.run()
    assert texts(side) == [b"1"]


def test_kannel_policy_stop_stops_all_submits_and_puts_the_message_first(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(
        tmp_path, window=3, throttle_policy="stop", throttle_pause_s=60, enquire_s=3_600, response_s=600
    )
    world.accept(batch("1", "2", "3", "4"))
    s1, s2, s3 = side.submits()
    side.answer(s1.sequence, "", THROTTLED)
    world.run()
    hands.on(30)
    side.answer(s2.sequence, "", THROTTLED)
    side.answer(s3.sequence, "A3")
    world.run()
    hands.on(59)
    world.link.tick(hands.s)
    world.run()
    assert side.submits() == [], "a minute from the last of them"
    hands.on(1.1)
    world.run()
    assert texts(side)[:1] == [b"1"]


def test_jasmin_796_a_throttled_message_keeps_its_receipt(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, enquire_s=3_600, response_s=600)
    b = batch("hello")
    world.accept(b)
    (submit,) = side.submits()
    side.answer(submit.sequence, "", THROTTLED)
    world.run()
    hands.on(1.1)
    world.run()
    (submit,) = side.submits()
    side.answer(submit.sequence, "A1")
    side.receipt("A1")
    world.run()
    assert world.status(b.ids[0]) == "delivered"


def test_a_throttled_message_can_be_cancelled_and_then_never_leaves(tmp_path: Path, hands: Hands) -> None:
    world, (side,) = world_of(tmp_path, enquire_s=3_600, response_s=600)
    b = batch("hello")
    world.accept(b)
    (submit,) = side.submits()
    assert acts.cancel(world.ledger, b.day, b.ids[0], "api:test", clock.now_ms()) == "not_cancellable"
    side.answer(submit.sequence, "", THROTTLED)
    world.run()
    assert acts.cancel(world.ledger, b.day, b.ids[0], "api:test", clock.now_ms()) == "cancelled"
    world.run()
    recover(world, hands, 10)
    world.run()
    assert side.submits() == [] and world.status(b.ids[0]) == "cancelled"


def test_a_storm_of_throttling_never_offers_a_message_more_than_once_a_second(tmp_path: Path, hands: Hands) -> None:
    for policy in ("pause", "delay", "stop"):
        world, sides = world_of(
            tmp_path / policy, binds=2, window=5, throttle_policy=policy, enquire_s=3_600, throttle_pause_s_max=1.0
        )
        world.accept(batch("1", "2", "3"))
        offered: dict[bytes, list[float]] = {}
        for _ in range(2_000):
            for side in sides:
                for submit in side.submits():
                    offered.setdefault(submit.short_message, []).append(hands.s)
                    side.answer(submit.sequence, "", THROTTLED)
            hands.on(0.01)
            world.link.tick(hands.s)
            world.run()
        for times in offered.values():
            assert all(b - a >= 0.99 for a, b in pairwise(times)), policy
        assert sum(map(len, offered.values())) > 5

"""A message that is under way when its customer asks to be left alone does not leave a second time."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.engine.answering import swept
from appliance.keys import blind_index
from appliance.message import BULK
from tests.support.engine_alone import INDEX_KEY, Time, World, batch

THROTTLED = 0x58
TO = "+393471234567"


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def stopped(world: World) -> None:
    world.ledger.stops.belongs = lambda class_, sender: ("marketing",) if class_ == BULK else ()
    assert swept(world.ledger, blind_index(INDEX_KEY, TO), frozenset({"marketing"}), "process:engine-0") == 0
    world.run()


@pytest.mark.parametrize("policy", ["pause", "delay"])
def test_put_off_by_the_operator_it_is_cancelled(tmp_path: Path, time: Time, policy: str) -> None:
    world = World(tmp_path, throttle_policy=policy)
    world.bind()
    b = batch("Offerta", class_=BULK, to=TO)
    world.accept(b)
    (left,) = world.submits()
    stopped(world)
    world.answer(left.sequence, "", THROTTLED)
    for _ in range(4):
        world.run()
        time.pass_(5)
    assert not world.submits()
    assert world.status(b.ids[0]) == "cancelled"


def test_without_an_answer_it_is_reported_and_not_sent_again(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path)
    world.ledger.policies = ("resend",) * 4
    world.bind()
    b = batch("Offerta", class_=BULK, to=TO)
    world.accept(b)
    assert len(world.submits()) == 1
    stopped(world)
    world.drop()
    world.run()
    world.bind()
    world.run()
    assert not world.submits()
    assert world.status(b.ids[0]) == "indeterminate"

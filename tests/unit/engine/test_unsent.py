"""A copy may have left: then nothing that this box decides alone makes its message final. A late receipt still tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.message import INDETERMINATE, OTP, STATUSES, Batch
from tests.support.engine_alone import Time, World, batch

TEXT = "Your code is 123456"
LONG = "Your statement: " + "x" * 400  # three segments
LIFE_MS = 20_000
TRY_LATER, REFUSED = 0x64, 0x0B


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def lost(world: World, text: str = TEXT, life_ms: int = LIFE_MS) -> Batch:
    """Submitted, and its bind went before the answer: it waits to be sent again."""
    world.bind()
    b = batch(text, class_=OTP, life_ms=life_ms)
    world.accept(b)
    assert world.submits()
    world.drop()
    world.run()
    assert world.status(b.ids[0]) == "queued"
    return b


def over(world: World, time: Time) -> None:
    """Its validity, and some beats more."""
    time.pass_(LIFE_MS / 1000 + 1)
    for _ in range(3):
        world.step()
        time.pass_(2)


def heard(world: World, time: Time) -> None:
    """The receipt of the copy whose answer was lost."""
    world.bind()
    world.receipt("A9", text=TEXT[:16])
    world.run()
    time.pass_(2)
    world.step()


@pytest.mark.parametrize("restarts", [False, True])
def test_its_validity_ends_before_it_is_sent_again(tmp_path: Path, time: Time, restarts: bool) -> None:
    world = World(tmp_path)
    b = lost(world)
    if restarts:
        world.crash()
        world = World(tmp_path)
        world.start()
    over(world, time)
    assert world.status(b.ids[0]) == "indeterminate"
    assert "not sent again, validity ended" in [detail for _, _, detail in world.found(b.ids[0]).events]
    assert world.ledger.doubts.messages == 1
    heard(world, time)
    assert world.status(b.ids[0]) == "delivered"
    assert world.ledger.doubts.messages == 0


@pytest.mark.parametrize("restarts", [False, True])
def test_of_a_long_one_only_what_had_left_is_in_doubt(tmp_path: Path, time: Time, restarts: bool) -> None:
    world = World(tmp_path, window=1)
    b = lost(world, LONG)
    if restarts:
        world.crash()
        world = World(tmp_path, window=1)
        world.start()
    over(world, time)
    assert world.status(b.ids[0]) == "indeterminate"
    assert [STATUSES[status] for _, status, *_ in parts(world, b)] == ["indeterminate", "expired", "expired"]
    assert world.ledger.doubts.messages == 1


def parts(world: World, b: Batch) -> list[tuple[int, int, str | None, int, int]]:
    partition = world.ledger.partitions[b.day]
    found = partition.by_id(b.ids[0])
    assert found is not None
    return partition.parts(found[0])


def test_one_that_never_left_has_expired_also_beside_a_doubt(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path, window=1)
    b = lost(world)
    never = batch("never left", class_=OTP, life_ms=LIFE_MS, to="+393470000000")
    world.accept(never)
    over(world, time)
    assert (world.status(b.ids[0]), world.status(never.ids[0])) == ("indeterminate", "expired")


@pytest.mark.parametrize("answer", [TRY_LATER, REFUSED])
def test_its_second_copy_is_not_taken(tmp_path: Path, time: Time, answer: int) -> None:
    """Put off until its validity ends, or refused, as by an operator that has the first one: the first may be with the customer."""
    world = World(tmp_path)
    b = lost(world)
    world.bind()
    world.run()
    (again,) = world.submits()
    world.answer(again.sequence, "", answer)
    world.run()
    world.drop()
    over(world, time)
    assert world.status(b.ids[0]) == "indeterminate"
    heard(world, time)
    assert world.status(b.ids[0]) == "delivered"


def test_put_off_too_often(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path)
    b = lost(world, life_ms=24 * 3_600_000)
    world.bind()
    world.run()
    for _ in range(20):
        for each in world.submits():
            world.answer(each.sequence, "", TRY_LATER)
        world.run()
        time.pass_(30)
        world.step()
    assert world.status(b.ids[0]) == "indeterminate"
    assert any(detail.startswith("not sent again, ") for _, _, detail in world.found(b.ids[0]).events)


def test_one_that_was_paged_in_is_counted_once(tmp_path: Path, time: Time) -> None:
    world = World(tmp_path)
    b = lost(world)
    assert world.ledger.statuses[INDETERMINATE] == 1
    world.crash()
    again = World(tmp_path)
    again.start()
    again.bind()
    again.run()
    assert again.submits()
    again.drop()
    again.run()
    assert again.status(b.ids[0]) == "queued" and again.ledger.statuses[INDETERMINATE] == 0

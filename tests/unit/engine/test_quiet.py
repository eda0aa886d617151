"""What a queue still holds when it becomes quiet where its recipients live waits for the morning; what an exempt class sends does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance import clock
from appliance.consent import Quiet
from appliance.errors import Error
from appliance.message import CLASSES
from appliance.settings import QuietHours
from appliance.store import OperationalError, Partition
from tests.support.engine_alone import Time, World, batch

BULK, OTP = CLASSES.index("bulk"), CLASSES.index("otp")
ROW = QuietHours("night", quiet=("21:00-08:00",), timezones=("UTC",))
EVENING_MS = int(datetime(2026, 11, 27, 20, 59, 59, tzinfo=UTC).timestamp() * 1000)
HOUR_S = 3_600


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time(monkeypatch)
    made.ms = EVENING_MS
    return made


def quiet(world: World, row: QuietHours = ROW) -> None:
    world.ledger.quiet = Quiet([row], lambda class_, sender: ("",))


def statuses(world: World, message_id: bytes) -> list[tuple[str, str]]:
    return [(status, detail) for _, status, detail in world.found(message_id).events]


def test_what_waits_when_the_night_begins_leaves_in_the_morning(time: Time, tmp_path: Path) -> None:
    world = World(tmp_path)
    quiet(world)
    offers, code = batch("one", "two", class_=BULK, life_ms=24 * HOUR_S * 1000), batch("123456", class_=OTP)
    world.accept(offers)
    world.accept(code)
    time.pass_(2)
    world.bind()
    world.run()
    assert [s.short_message for s in world.submits()] == [b"123456"], "only the code leaves at night"
    assert world.found(offers.ids[0]).status == 1  # scheduled
    assert ("scheduled", "2026-11-28T08:00:00.000Z quiet hours: night") in statuses(world, offers.ids[0])

    world.crash()
    again = World(tmp_path)
    quiet(again)
    again.start()
    again.bind()
    time.pass_(10 * HOUR_S)
    again.step()
    assert not again.submits()
    time.pass_(HOUR_S)
    again.step()
    again.step()
    assert [s.short_message for s in again.submits()] == [b"one", b"two"]
    again.crash()


def test_its_time_comes_and_it_is_quiet_again(time: Time, tmp_path: Path) -> None:
    """The engine was away in the hours that it waited for: due and held in one beat."""
    world = World(tmp_path)
    quiet(world)
    offer = batch("one", class_=BULK, life_ms=100 * HOUR_S * 1000)
    world.accept(offer)
    world.bind()
    time.pass_(2)
    world.step()
    time.pass_(24 * HOUR_S)
    world.step()
    world.step()
    assert not world.submits() and len(statuses(world, offer.ids[0])) > 4
    time.pass_(12 * HOUR_S)
    world.step()
    world.step()
    assert [s.short_message for s in world.submits()] == [b"one"]
    world.crash()


def test_a_validity_that_ends_before_the_morning_ends_it_now(time: Time, world: World) -> None:
    quiet(world)
    offer = batch("one", class_=BULK, life_ms=HOUR_S * 1000)
    world.accept(offer)
    time.pass_(2)
    world.bind()
    world.run()
    assert not world.submits()
    found = world.found(offer.ids[0])
    assert (found.error, statuses(world, offer.ids[0])[-1][0]) == ("quiet hours: night", "expired")


def test_a_disk_that_fails_forgets_it_with_its_batch(time: Time, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(world, replace(ROW, quiet=("00:00-24:00",)))
    world.bind()
    partition = world.ledger.partition(clock.day_of(clock.now_ms()))
    commit = type(partition).commit
    failing = [OperationalError("full")] * 2  # the batch's, and what is put in its place

    def full(self: Partition) -> None:
        if failing:
            raise failing.pop()
        commit(self)

    monkeypatch.setattr(type(partition), "commit", full)
    offer = batch("one", class_=BULK, life_ms=400 * HOUR_S * 1000)
    with pytest.raises(Error, match="store_full"):
        world.accept(offer)
    assert not failing
    world.run()
    assert partition.conn.execute("SELECT count(*) FROM schedule").fetchone() == (0,)
    assert world.ledger.statuses[1] == 0


def test_the_rules_of_a_batch_are_kept_once_for_all_that_follow(world: World) -> None:
    first, second, third = batch("one"), batch("two"), batch("three")
    first.basis, second.basis, third.basis = "policy=a consent=1", "policy=a consent=1", "policy=a consent=2"
    for each in (first, second, third):
        world.accept(each)
    day = clock.day_of(clock.now_ms())
    rows = world.ledger.partition(day).conn.execute("SELECT text FROM basis ORDER BY seq").fetchall()
    assert rows == [("policy=a consent=1",), ("policy=a consent=2",)]
    assert [world.found(b.ids[0]).basis for b in (first, second, third)] == [rows[0][0], rows[0][0], rows[1][0]]

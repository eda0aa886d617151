"""Steps of the wall clock: noticed while the engine runs and over a restart; a slewed clock and a process that stood still are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance import clock
from appliance.engine.steps import STEADY, Steps, StepWatch
from tests.support.engine_alone import Time, World


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def started(folder: Path, boot: str = "one") -> tuple[World, StepWatch]:
    world = World(folder)
    watch = StepWatch(world.ledger, boot)
    watch.recover(*clock.both())
    return world, watch


def look(world: World, watch: StepWatch) -> Steps:
    watch.look(*clock.both())
    world.run()
    return world.ledger.steps


def test_a_clock_that_nobody_sets_and_one_that_is_slewed_are_steady(tmp_path: Path, time: Time) -> None:
    world, watch = started(tmp_path)
    for _ in range(5):
        time.pass_(600.0)  # also a process that stood still
        time.ms += 300
        assert look(world, watch) == STEADY


@pytest.mark.parametrize("by_ms", [-3_600_000, 3_600_000])
def test_each_step_is_added_up_and_a_restart_knows_of_them(tmp_path: Path, time: Time, by_ms: int) -> None:
    world, watch = started(tmp_path)
    look(world, watch)
    latest = time.ms
    time.ms += by_ms
    latest = max(latest, time.ms)
    assert look(world, watch) == Steps(latest, 3_600_000)
    world.crash()
    world, watch = started(tmp_path)
    assert world.ledger.steps == Steps(latest, 3_600_000)
    time.ms += 60_000
    assert look(world, watch).by_ms == 3_660_000


def test_a_step_while_no_engine_ran_is_seen_until_the_machine_boots(tmp_path: Path, time: Time) -> None:
    world, watch = started(tmp_path)
    look(world, watch)
    world.crash()
    time.ms -= 600_000
    world, watch = started(tmp_path)
    assert world.ledger.steps.by_ms == 600_000
    world.crash()
    time.s = 5.0  # booted: the clock that nobody sets begins anew
    world, _ = started(tmp_path, "two")
    assert world.ledger.steps == STEADY


def test_what_is_long_over_is_forgotten(tmp_path: Path, time: Time) -> None:
    world, watch = started(tmp_path)
    look(world, watch)
    time.ms += 5_000
    assert look(world, watch).by_ms == 5_000
    time.pass_(9 * 86_400)
    assert look(world, watch) == STEADY

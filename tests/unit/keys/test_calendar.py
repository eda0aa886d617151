"""The day by which something is erased: a clock that goes far ahead needs a time source or a person; one that goes back erases nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance import clock
from appliance.clock import DAY_MS
from appliance.keys.calendar import NAME, Calendar, judged

DAY = 20_000
HOUR_MS = 3_600_000


class Clocks:
    """The wall clock, the one that nobody sets, and what the kernel says."""

    def __init__(self) -> None:
        self.ms = DAY * DAY_MS + 8 * HOUR_MS
        self.s = 100.0
        self.kernel_ms: int | None = None
        self.told: list[tuple[str, dict[str, int]]] = []

    def pass_(self, days: float) -> None:
        self.s += days * 86_400
        self.ms += int(days * DAY_MS)
        if self.kernel_ms is not None:
            self.kernel_ms = self.ms

    def calendar(self, folder: Path, newest_day: int | None = DAY) -> Calendar:
        return Calendar(
            folder, lambda: newest_day, lambda what, **d: self.told.append((what, d)), lambda: self.ms, lambda: self.s,
            lambda: self.kernel_ms,
        )  # fmt: skip


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def test_time_passes(clocks: Clocks, tmp_path: Path) -> None:
    calendar = clocks.calendar(tmp_path)
    for n in range(40):
        assert calendar.look() == DAY + n
        clocks.pass_(1)
    assert not calendar.doubted and not clocks.told


@pytest.mark.parametrize("by_days", [2, 31, 3_650])
def test_a_clock_that_went_ahead_is_told_once_and_not_followed(clocks: Clocks, tmp_path: Path, by_days: int) -> None:
    calendar = clocks.calendar(tmp_path)
    calendar.look()
    clocks.ms += by_days * DAY_MS
    assert calendar.look() == calendar.look() == DAY
    assert clocks.told == [("clock.doubted", {"ahead_days": by_days})]
    assert calendar.why.startswith(f"clock_doubted: the clock of this box went ahead by {by_days} days")
    clocks.pass_(3)
    assert calendar.look() == DAY + 3, "time passes all the same"


def test_it_is_set_back_and_all_is_well(clocks: Clocks, tmp_path: Path) -> None:
    calendar = clocks.calendar(tmp_path)
    calendar.look()
    clocks.ms += 400 * DAY_MS
    calendar.look()
    clocks.ms -= 400 * DAY_MS
    assert calendar.look() == DAY
    assert not calendar.why


def test_a_person_confirms_it(clocks: Clocks, tmp_path: Path) -> None:
    calendar = clocks.calendar(tmp_path)
    calendar.look()
    clocks.ms += 40 * DAY_MS
    calendar.look()
    assert calendar.confirm() == DAY + 40
    assert calendar.look() == DAY + 40 and not calendar.why
    assert clocks.calendar(tmp_path).look() == DAY + 40, "also after a restart"


def test_a_time_source_confirms_it_unless_its_time_is_another(clocks: Clocks, tmp_path: Path) -> None:
    calendar = clocks.calendar(tmp_path)
    calendar.look()
    clocks.kernel_ms = clocks.ms
    clocks.ms += 40 * DAY_MS
    assert calendar.look() == DAY and calendar.doubted
    clocks.kernel_ms = clocks.ms
    assert calendar.look() == DAY + 40 and not calendar.doubted


def test_leaps_of_less_than_a_day_do_not_add_up(clocks: Clocks, tmp_path: Path) -> None:
    calendar = clocks.calendar(tmp_path)
    calendar.look()
    for _ in range(40):
        clocks.ms += 20 * HOUR_MS
        clocks.s += 60
        calendar.look()
    assert calendar.look() == DAY and calendar.doubted


def test_a_box_that_was_off_for_a_night_goes_on_and_one_in_a_store_room_asks(clocks: Clocks, tmp_path: Path) -> None:
    clocks.calendar(tmp_path).look()
    clocks.ms += 14 * HOUR_MS
    clocks.s = 3.0
    calendar = clocks.calendar(tmp_path)
    assert calendar.look() == DAY and not calendar.doubted
    clocks.ms += 90 * DAY_MS
    calendar = clocks.calendar(tmp_path)
    assert calendar.look() == DAY and calendar.doubted


def test_a_box_without_a_calendar_begins_with_its_newest_key(clocks: Clocks, tmp_path: Path) -> None:
    clocks.ms += 60 * DAY_MS
    assert clocks.calendar(tmp_path).look() == DAY + 1
    assert clocks.told
    assert clocks.calendar(tmp_path / "new", None).look() == DAY + 60


def test_a_file_that_says_nothing_is_as_none(clocks: Clocks, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("soon", encoding="ascii")
    assert clocks.calendar(tmp_path).look() == DAY
    assert not clocks.told


def test_a_clock_set_back_erases_nothing_more(clocks: Clocks, tmp_path: Path) -> None:
    calendar = clocks.calendar(tmp_path)
    calendar.look()
    clocks.ms -= 10 * DAY_MS
    assert calendar.look() == DAY
    assert judged(DAY * DAY_MS, 0, 5, False) == (DAY * DAY_MS, False)


def test_what_the_kernel_says_is_its_own_time_or_nothing() -> None:
    told = clock.synchronised_ms()
    assert told is None or abs(told - clock.now_ms()) < 60_000

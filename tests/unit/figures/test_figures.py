"""Figures are kept until a day changes, are counted in turn, and say no more than was counted."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from appliance.clock import DAY_MS
from appliance.figures import FiguresBook, FiguresWatch, failed, percentile, together, within
from appliance.figures.book import packed, unpacked
from appliance.message import STATUSES
from appliance.settings import Settings, parse
from tests.support.box import fill

NOON = 20_780 * DAY_MS + DAY_MS // 2


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that is filled once."""
    home = tmp_path_factory.mktemp("filled")
    fill(parse({}, home, "test").store, at_ms=NOON)
    return home


@pytest.fixture
def settings(filled: Path, tmp_path: Path) -> Settings:
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    return parse({}, tmp_path, "test")


def test_a_day_is_counted_once_until_it_changes(settings: Settings) -> None:
    times = iter(range(NOON, NOON + 1_000))
    book = FiguresBook(settings, lambda: next(times))
    (day,) = book.readers().days()
    assert book.known(day) is None and book.stale(day)
    first = book.day(day)
    assert book.day(day) == first == book.known(day) and not book.stale(day)
    file = next(settings.store.glob("*.db"))
    file.touch()
    assert book.stale(day) and book.day(day).through_ms > first.through_ms
    assert book.day(day).counted == first.counted == unpacked(packed(first.counted))
    for each in settings.store.glob("messages-*"):
        each.unlink()
    assert book.day(day).counted == first.counted, "what was erased keeps its counts"
    assert book.day(day - 1).counted.messages == Counter()


def test_sums_of_every_cut_are_the_same(settings: Settings) -> None:
    book = FiguresBook(settings, lambda: NOON)
    figures = book.day(book.readers().days()[0])
    for cut in (("caller",), ("class",), ("link",), ("country",), ("link", "class", "caller")):
        rows = figures.by(*cut).values()
        assert sum(row["messages"] for row in rows) == 130
        assert sum(row["segments"] for row in rows) == sum(figures.counted.segments.values())
    statuses = figures.statuses()
    assert sum(statuses.values()) == 130 and list(statuses) == list(STATUSES)
    assert failed(statuses) == statuses["failed"] > 0
    assert sum(figures.statuses(**{"class": n})["delivered"] for n in range(4)) == statuses["delivered"]
    twice = together([figures, figures])
    assert twice.statuses()["delivered"] == 2 * statuses["delivered"]
    assert figures.latencies()[0]["delivered_ms"] == {50: 840, 95: 840, 99: 840}
    hours = figures.hours(book.readers().days()[0] * 24, book.readers().days()[0] * 24 + 24)
    assert sum(row["messages"] for row in hours) == 130
    assert sum(row["delivered"] + row["failed"] + row["open"] for row in hours) == 130


def test_percentiles_and_shares() -> None:
    found = {10: 50, 20: 49, 500: 1}
    assert [percentile(found, of) for of in (50, 99, 99.5, 100)] == [10, 20, 500, 500]
    assert percentile({}, 50) is None and within(found, 20) == 99 and within(found, 9) == 0


def test_the_watch_counts_what_was_counted_longest_ago(settings: Settings) -> None:
    now = [NOON]
    book = FiguresBook(settings, lambda: now[0])
    watch = FiguresWatch(book, lambda: now[0])
    day = book.readers().days()[-1]
    file = next(settings.store.glob("*.db"))
    other = file.with_name(file.name.replace(file.stem[-10:], "2000-01-01"))
    assert watch.due(now[0]) == day and not other.exists()
    assert watch.step() >= 5 and watch.due(now[0]) is None
    file.touch()
    assert watch.due(now[0]) == day
    now[0] += DAY_MS
    book.day(day)
    file.touch()
    assert watch.due(now[0]) is None, "a day before today is not counted more often than every ten minutes"
    now[0] += 600_001
    assert watch.due(now[0]) == day

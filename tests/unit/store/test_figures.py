"""Figures of a day agree with a count of its messages one by one, whether they are rows or in batches."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.message import DELIVERED, STATUSES
from appliance.store import Reader, Readers
from appliance.store.figures import step
from tests.support.box import fill
from tests.support.engine_alone import World, batch

NOON = 20_780 * 86_400_000 + 43_200_000


def one_by_one(reader: Reader, day: int) -> tuple[Counter[tuple[int, ...]], int, int]:
    """(by caller, class, country and status; segments written; answered), read the slow way."""
    found, _ = reader.search(limit=10_000)
    whole = [reader.message(f.id) for f in found]
    by: Counter[tuple[int, ...]] = Counter((m.caller, m.class_, m.calling_code, m.status) for m in whole if m)
    parts = [p for m in whole if m for p in m.parts]
    return by, len(parts), sum(p.answered_ms is not None for p in parts)


def test_rows(tmp_path: Path) -> None:
    fill(tmp_path, at_ms=NOON)
    (day,) = Readers({0: tmp_path}).days()
    reader = Reader(tmp_path)
    counted = reader.counted(day)
    by, segments, answered = one_by_one(reader, day)
    assert Counter[tuple[int, ...]]() + _without_link(counted.messages) == by
    assert (sum(counted.segments.values()), sum(counted.answered.values())) == (segments, answered)
    assert segments > answered > 200
    assert set(counted.sent_ms) == {(class_, "simulated", 40) for class_ in range(4)}
    assert {k[2] for k in counted.delivered_ms} == {840}
    delivered = sum(n for key, n in counted.messages.items() if key[4] == DELIVERED)
    assert sum(counted.delivered_ms.values()) == delivered == reader.totals(day)["delivered"]
    assert sum(counted.hours.values()) == 130


def _without_link(messages: Counter[tuple[int, int, str, int, int]]) -> Counter[tuple[int, ...]]:
    out: Counter[tuple[int, ...]] = Counter()
    for (caller, class_, _, code, status), n in messages.items():
        out[caller, class_, code, status] += n
    return out


def test_batches_with_what_a_beat_did_and_what_was_unfolded(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.bind()
    b = batch("one", "two", "three", "four")
    world.accept(b)
    one, two, three, _ = world.submits()
    for submit, operator_id in ((one, "A"), (two, "B")):
        world.answer(submit.sequence, operator_id)
    world.answer(three.sequence, "", 0x0B)  # refused: it becomes rows
    world.run()
    world.receipt("A")
    world.run()
    world.accept(batch("five"))
    world.crash()
    reader = Reader(world.folder)
    counted = reader.counted(b.day)
    by, segments, answered = one_by_one(reader, b.day)
    assert _without_link(counted.messages) == by and sum(by.values()) == 5
    assert (sum(counted.segments.values()), sum(counted.answered.values())) == (segments, answered)
    by_status = Counter[str]()
    for key, n in counted.messages.items():
        by_status[STATUSES[key[4]]] += n
    assert (
        by_status == reader.totals(b.day) and by_status["delivered"] == by_status["rejected"] == by_status["sent"] == 1
    )
    seen = [index for index, _, _ in reader.customers(b.day, 0, 1 << 62)]
    assert len(seen) == 5 and len(set(seen)) < 5 and all(len(index) == 16 for index in seen)


def test_a_time_takes_what_was_accepted_in_it(tmp_path: Path) -> None:
    ids = fill(tmp_path, at_ms=NOON)
    readers = Readers({0: tmp_path, 1: tmp_path / "none"})
    (day,) = readers.days()
    first = readers.message(ids[9])
    last = readers.message(ids[19])
    assert first and last
    counted = readers.counted(day, first.accepted_ms, last.accepted_ms)
    assert sum(counted.messages.values()) == 10
    assert len(list(readers.customers(day, first.accepted_ms, last.accepted_ms))) == 10
    assert readers.counted(day + 1).messages == Counter() and readers.stamp(day + 1) == "" != readers.stamp(day)


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=-5, max_value=10**9))
def test_a_step_is_never_shorter_than_what_it_holds(ms: int) -> None:
    assert step(ms) >= ms and step(step(ms)) == step(ms)
    assert step(ms) - ms <= max(10, abs(ms) // 10, 3_600_000 if ms > 86_400_000 else 0)


@pytest.mark.parametrize("ms", [1_000, 5_000, 60_000, 599_000, 120_000, 3_600_000])
def test_whole_seconds_and_minutes_are_exact(ms: int) -> None:
    assert step(ms) == ms < step(ms + 1)

"""Searches over the stores of several engines: one order, no message twice, none left out, whatever the size of a page."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance import clock
from appliance.errors import Error
from appliance.message import new_ids
from appliance.store import Partition, Readers, Work, link_numbers

DAY = 20_700
AT = DAY * clock.DAY_MS + 1_000


def put(folder: Path, shard: int, times: list[int]) -> list[bytes]:
    """Messages accepted and customers' messages heard at these ms of two days, in the order of an engine."""
    ids = []
    by_day: dict[int, list[int]] = {}
    for at in sorted(times):
        by_day.setdefault(clock.day_of(at), []).append(at)
    for day, some in by_day.items():
        partition = Partition(folder, day)
        link_numbers(partition, ["op"])
        work = Work()
        for seq, at in enumerate(some, partition.last_seq + 1):
            (message_id,) = new_ids(1, at, shard)
            ids.append(message_id)
            work.messages.append(
                (seq, message_id, 7, 3, 0, 1, "BANK", 39, b"i" * 16, b"n", b"c", 1, at, 0, at + 1_000_000, 0)
            )
            work.progress_new.append((seq, 2, at))
            work.heard.append((message_id, at, 1, b"i" * 16, b"n", "12345", b"h"))
        partition.write(work)
        partition.commit()
        partition.close()
    return ids


def folders(base: Path, count: int) -> dict[int, Path]:
    return {0: base / "store", **{n: base / "store" / f"shard-{n}" for n in range(1, count)}}


TIMES = st.lists(st.integers(AT, AT + clock.DAY_MS + 50_000_000), max_size=12)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=st.lists(TIMES, min_size=1, max_size=3), limit=st.integers(1, 7))
def test_pages_show_all_in_order(tmp_path_factory: pytest.TempPathFactory, times: list[list[int]], limit: int) -> None:
    where = folders(tmp_path_factory.mktemp("stores"), len(times))
    wanted = {i for shard, some in enumerate(times) for i in put(where[shard], shard, some)}
    readers = Readers(where)
    shown, cursor = [], None
    while True:
        rows, cursor = readers.search(limit=limit, cursor=cursor, class_=3)
        assert len(rows) <= limit
        shown += rows
        if cursor is None:
            break
    assert len(shown) == len({row.id for row in shown}) and {row.id for row in shown} == wanted
    order = [(row.day, row.accepted_ms) for row in shown]
    assert order == sorted(order, reverse=True)
    for row in shown:
        found = readers.message(row.id)
        assert found is not None and found.id == row.id

    heard, cursor = [], None
    while True:
        page, following, cursor = readers.heard(limit, cursor, lambda _: True, 100)
        heard += page
        if following is None:
            break
    assert sorted(row.id for row in heard) == sorted(wanted)
    newest, down = readers.heard_newest(limit)
    while down is not None:
        page, down = readers.heard_newest(limit, down)
        newest += page
    assert [row.at_ms for row in newest] == sorted((row.at_ms for row in heard), reverse=True)
    assert {row.id for row in newest} == wanted and len(newest) == len(wanted)
    assert readers.heard(limit, cursor, lambda _: True, 100)[0] == [], "the last cursor goes on after all of it"
    assert sum(sum(readers.totals(day).values()) for day in (DAY, DAY + 1)) == len(wanted)
    readers.close()


def test_a_page_of_one_store_is_that_stores(tmp_path: Path) -> None:
    put(tmp_path, 0, [AT, AT + 1, AT + 2])
    alone, several = Readers({0: tmp_path}), Readers({0: tmp_path, 1: tmp_path / "none"})
    _, cursor = alone.search(limit=1)
    assert cursor is not None
    rows, _ = several.search(limit=1, cursor=cursor)
    assert rows[0].accepted_ms == AT + 1, "a cursor of the time of one engine still counts"


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "MT1hYSwy", "é"])
def test_a_cursor_that_nobody_gave(tmp_path: Path, cursor: str) -> None:
    with pytest.raises(Error, match="cursor"):
        Readers(folders(tmp_path, 2)).search(cursor=cursor)

"""Searching many days: each file is opened once, and what was erased since is gone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from appliance import clock
from appliance.errors import Error
from appliance.keys import blind_index
from appliance.message import new_ids
from appliance.store import Reader, partition_path
from appliance.store import reader as searching
from appliance.store.reader import cursor_text
from tests.support.engine_alone import INDEX_KEY, World, batch

DAYS = 12
TO = "+393471234567"


@pytest.fixture
def store(tmp_path: Path) -> tuple[Path, int]:
    """The same day twelve times: three messages to a number in one batch, one in another, one to somebody else."""
    world = World(tmp_path)
    b = batch("one", "two", "three")
    for each in (b, batch("four"), batch("five", to="+393470000000")):
        world.accept(each)
    world.crash()
    for day in range(b.day - DAYS + 1, b.day):
        shutil.copyfile(partition_path(world.folder, b.day), partition_path(world.folder, day))
    return world.folder, b.day


def test_each_day_is_opened_once(store: tuple[Path, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """To open a file costs more than to find a number in it."""
    opened: list[Path] = []
    open_store = searching.open_store

    def counted(path: Path, read_only: bool = False) -> Any:
        opened.append(path)
        return open_store(path, read_only)

    monkeypatch.setattr(searching, "open_store", counted)
    reader = Reader(store[0])
    for _ in range(3):
        rows, cursor = reader.search(number_index=blind_index(INDEX_KEY, TO), limit=200)
        assert (len(rows), cursor) == (4 * DAYS, None)
        assert [row.day for row in rows] == sorted((row.day for row in rows), reverse=True)
    assert len(opened) == DAYS
    partition_path(*store).unlink()
    rows, _ = reader.search(number_index=blind_index(INDEX_KEY, TO), limit=200)
    assert len(rows) == 4 * (DAYS - 1)
    reader.close()


def test_pages_over_days_and_batches_have_each_message_once(store: tuple[Path, int]) -> None:
    reader = Reader(store[0])
    seen: list[tuple[int, int]] = []
    cursor: str | None = ""
    while cursor is not None:
        rows, cursor = reader.search(number_index=blind_index(INDEX_KEY, TO), limit=5, cursor=cursor or None)
        seen += [(row.day, row.seq) for row in rows]
    assert len(seen) == len(set(seen)) == 4 * DAYS
    reader.close()


def spoil(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[4_096:] = b"\xa5" * (len(octets) - 4_096)
    path.write_bytes(octets)


def test_a_day_that_cannot_be_read_is_named_and_the_others_are_found(store: tuple[Path, int]) -> None:
    """No page says that it is all there is when a day is missing from it."""
    folder, last = store
    spoil(partition_path(folder, last - 3))
    reader = Reader(folder)
    index = blind_index(INDEX_KEY, TO)
    rows, cursor = reader.search(number_index=index, limit=11)
    assert len(rows) == 11 and cursor is not None
    with pytest.raises(Error) as raised:
        reader.search(number_index=index, limit=12, cursor=cursor)
    assert raised.value.code == "store_damaged" and clock.day_name(last - 3) in raised.value.message
    reader.close()


def test_nothing_is_counted_heard_or_held_past_a_day_that_cannot_be_read(store: tuple[Path, int]) -> None:
    folder, last = store
    spoil(partition_path(folder, last - 3))
    reader = Reader(folder)
    assert sum(reader.totals(last - 2).values()) == 5
    unknown = new_ids(1, (last - 3) * clock.DAY_MS + 1)[0]
    for ask in (
        lambda: reader.totals(last - 3),
        reader.held,
        lambda: reader.heard(10, None, lambda _: True, 1_000),
        lambda: reader.heard_one(unknown),
    ):
        with pytest.raises(Error) as raised:
            ask()
        assert raised.value.code == "store_damaged" and clock.day_name(last - 3) in raised.value.message
    later = cursor_text(last - 2, 0)
    assert reader.heard(10, later, lambda _: True, 1_000) == ([], None, later)
    assert reader.heard_one(new_ids(1, (last - 2) * clock.DAY_MS + 1)[0]) is None
    reader.close()

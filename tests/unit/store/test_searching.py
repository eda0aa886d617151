"""A search finds what a look at every message finds: by status, class, link and time, in rows and batches, with tallies, moves or neither, also in pieces."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from appliance.message import DELIVERED, FAILED, QUEUED, SENT, STATUSES, UNDELIVERED, new_ids
from appliance.store import (
    ODD,
    SUBMITTED,
    Columns,
    Found,
    Partition,
    Reader,
    Readers,
    Tally,
    Work,
    batch_row,
    link_numbers,
)
from appliance.store.batches import Moves
from appliance.store.reader import cursor_of

DAY = 20_779
AT = DAY * 86_400_000
OVER = {DELIVERED, UNDELIVERED, FAILED}


def columns(ids: list[bytes], at_ms: int, class_: int) -> Columns:
    n = len(ids)
    sealed = [b"n" * 40] * n, [b"c"] * n
    return Columns(
        at_ms, 1, b"".join(ids), [7] * n, [class_] * n, [0] * n, ["BANK"] * n, [39] * n, *sealed, [at_ms] * n, [0] * n
    )


def tallied(day: int, first: int, ids: list[bytes], statuses: list[int], link: int) -> Tally:
    tally = Tally.fresh(day, first, b"".join(ids))
    for at, status in enumerate(statuses):
        tally.statuses[at] = status
        if status != QUEUED:
            tally.submitted[at], tally.links[at] = AT + 1, link
        if status not in (QUEUED, SUBMITTED):
            tally.answered[at] = AT + 2
    tally.open = sum(status not in OVER for status in statuses)
    return tally


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of 40 batches of ten and a row each: most delivered, few failed, in the newest day some without a tally and some that only moves tell of."""
    dice, folder = random.Random(7), tmp_path_factory.mktemp("store")
    for day in (DAY, DAY + 1, DAY + 2):
        partition = Partition(folder, day)
        numbers = link_numbers(partition, ["north", "south", "spare"])
        work, began = Work(), (day - DAY) * 86_400_000 + AT
        for n in range(40):
            first, at_ms, link = 1 + 11 * n, began + 1_800_000 * n, numbers[dice.choice(["north", "south"])]
            ids = new_ids(11, at_ms)
            work.batches.append(batch_row(first, columns(ids[:10], at_ms, n % 3), [b"%016d" % n] * 10))
            row = (first + 10, ids[10], 7, 3, 0, 1, "BANK", 39, b"i" * 16, b"n", b"c", 1, at_ms, 0, at_ms + 9, 0)
            work.messages.append(row)
            work.progress_new.append((first + 10, dice.choice([QUEUED, DELIVERED, FAILED]), at_ms))
            live = day == DAY + 2
            usual = [DELIVERED] * 30 + [UNDELIVERED, *([QUEUED, SUBMITTED, SENT] if live or n == 3 else [])]
            told = [dice.choice(usual) for _ in range(10)]
            if live and n % 4 == 1:
                continue  # nothing has left
            if live and n % 4 == 2:  # only moves tell of it
                moves = Moves()
                moves.at_ms, moves.over, moves.over_statuses = (
                    AT + 3,
                    [first, first + 1],
                    bytearray([FAILED, DELIVERED]),
                )
                moves.left = {link: [first + 2]}
                work.moves.join(moves)
                continue
            if n == 17 and day == DAY:
                told[3] = FAILED
            work.tallies[first] = tallied(day, first, ids[:10], told, link)
        partition.write(work)
        partition.commit()
        partition.close()
    return folder


def every(reader: Reader) -> list[Found]:
    rows, cursor = reader.search(limit=10_000)
    assert cursor is None and len(rows) == 3 * 40 * 11
    return rows


def paged(reader: Reader | Readers, **asked: Any) -> list[Found]:
    found: list[Found] = []
    cursor: str | None = None
    for _ in range(10_000):
        rows, cursor = reader.search(cursor=cursor, **asked)
        found += rows
        if cursor is None:
            return found
    raise AssertionError("no end")


@pytest.mark.parametrize("limit", [3, 1_000])
def test_each_search_finds_what_a_look_at_all_finds(store: Path, limit: int) -> None:
    reader = Reader(store)
    all_of_them = every(reader)
    assert {found.status for found in all_of_them} == {QUEUED, SENT, *OVER}
    for status in range(11):
        wanted = [found.id for found in all_of_them if found.status == status]
        assert [found.id for found in paged(reader, status=status, limit=limit)] == wanted
    for link in ("north", "south", "spare", "nowhere"):
        wanted = [found.id for found in all_of_them if found.link == link]
        assert [found.id for found in paged(reader, link=link, limit=limit)] == wanted
    for day in (DAY, DAY + 1, DAY + 2):
        counted = Counter(STATUSES[found.status] for found in all_of_them if found.day == day)
        assert reader.totals(day) == counted
    from_ms, to_ms = AT + 40_000_000, AT + 140_000_000
    for class_ in (None, 0, 1, 3):
        wanted = [
            found.id
            for found in all_of_them
            if from_ms <= found.accepted_ms < to_ms and class_ in (None, found.class_) and found.status == UNDELIVERED
        ]
        asked = {"class_": class_, "status": UNDELIVERED, "from_ms": from_ms, "to_ms": to_ms}
        assert [found.id for found in paged(reader, **asked, limit=limit)] == wanted
    reader.close()


def test_without_patience_a_search_comes_in_pieces_and_leaves_nothing_out(store: Path) -> None:
    """Each goes on by a batch at least, and says to where it looked."""
    reader = Reader(store)
    for asked in ({"status": FAILED}, {"link": "south"}, {"class_": 2}, {"link": "spare"}):
        whole = [found.id for found in paged(reader, **asked)]
        assert [found.id for found in paged(reader, **asked, patience_s=-1.0)] == whole
    rows, cursor = reader.search(link="spare", patience_s=-1.0)
    assert not rows and cursor_of(cursor) is not None
    several = Readers({0: store, 1: store / "none"})
    assert [found.id for found in paged(several, link="south", patience_s=-1.0)] == [
        found.id for found in paged(reader, link="south")
    ]
    reader.close()


def test_of_messages_that_failed_no_other_tally_is_read(store: Path) -> None:
    """Of fifty million messages nearly all were delivered."""
    reader = Reader(store)
    reader.search(limit=1)
    conn = reader._open[DAY + 2]
    sql = f"EXPLAIN QUERY PLAN SELECT first FROM tally WHERE instr(statuses,x'{FAILED:02x}') AND first<?"
    assert "INDEX tally_end_6" in str(conn.execute(sql, (9,)).fetchall())
    assert FAILED == 6 and ODD not in OVER
    reader.close()


def test_a_file_of_before_there_was_the_index_is_searched_too(store: Path, tmp_path: Path) -> None:
    before = [found.id for found in paged(Reader(store), status=FAILED)]
    shutil.copytree(store, tmp_path / "store")
    partition = Partition(tmp_path / "store", DAY)
    for status in range(5, 10):
        partition.conn.execute(f"DROP INDEX tally_end_{status}")
    partition.close()
    assert [found.id for found in paged(Reader(tmp_path / "store"), status=FAILED)] == before

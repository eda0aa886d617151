"""Batches as they are stored: a tally says what moves say, an index built behind loses nothing, files of older schemas are read."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlite_utils

from appliance.message import DELIVERED, QUEUED, SENT, UNDELIVERED, new_ids
from appliance.store import (
    NO_ID,
    ODD,
    SUBMITTED,
    Columns,
    Partition,
    Reader,
    Tally,
    Work,
    batch_row,
    doubts,
    open_store,
)
from appliance.store.batches import Moves, apply, decode_columns
from appliance.store.behind import (
    DIGEST_OCTETS,
    GATHERED_MIN,
    HEAPS,
    Behind,
    Ended,
    Numbers,
    ended_entry,
    is_in,
    number_entry,
    numbers_in,
)
from appliance.store.folder import partition_path
from appliance.store.schema import MIGRATIONS

DAY = 20_779
AT = DAY * 86_400_000


def columns(ids: list[bytes]) -> Columns:
    n = len(ids)
    sealed = [b"n" * 40] * n, [b"c%d" % k for k in range(n)]
    return Columns(AT, 1, b"".join(ids), [7] * n, [3] * n, [0] * n, ["BANK"] * n, [39] * n, *sealed, [AT] * n, [0] * n)


def test_moves_do_to_a_tally_what_was_done() -> None:
    ids = new_ids(4, AT)
    tally = Tally.fresh(DAY, 11, b"".join([*ids[:3], NO_ID]))
    assert list(tally.statuses) == [QUEUED] * 3 + [ODD] and tally.open == 3
    first, second = Moves(), Moves()
    first.left = {2: [11, 12, 13]}
    second.taken, second.taken_ids = {2: [11, 12]}, {2: ["a", "b"]}
    second.over, second.over_statuses, second.errors = [12], bytearray([UNDELIVERED]), {12: "why"}
    first.at_ms, second.at_ms = AT + 1, AT + 2
    assert first.row(1)[:3] == (1, 11, 13) and second.row(2)[:3] == (2, 11, 12)
    apply(tally, first.row(1)[3])
    apply(tally, second.row(2)[3])
    assert list(tally.statuses) == [SENT, UNDELIVERED, SUBMITTED, ODD] and tally.open == 2
    again = Tally.read(DAY, 11, *tally.row(2)[3:])
    assert all(getattr(again, name) == getattr(tally, name) for name in Tally.__slots__)
    assert again.segment(1) == (12 << 8 | 1, UNDELIVERED, 2, AT + 1, AT + 2, "b", AT + 2, "why")
    assert again.progress(2, AT) == (QUEUED, None, AT, None, None)


def test_the_row_of_a_batch_says_when_its_ids_are_of() -> None:
    ids = [*new_ids(1, AT + 5), NO_ID, *new_ids(1, AT + 2)]
    row = batch_row(9, columns(ids), [b"i" * 16, NO_ID, b"j" * 16])
    assert row[:6] == (9, 11, 2, 1 << 3, AT + 2, AT + 5)
    assert decode_columns(row[7]).id(2) == ids[2]


def placed(partition: Partition, index: Behind) -> None:
    for _ in range(HEAPS + 1):
        partition.begin()
        done = index.place(partition.conn.cursor(), 1)
        partition.conn.execute("COMMIT")
        index.committed()
        if done:
            return


def digests(partition: Partition) -> list[bytes]:
    rows = [row for (row,) in partition.conn.execute("SELECT digests FROM ended")]
    return [row[at : at + DIGEST_OCTETS] for row in rows for at in range(0, len(row), DIGEST_OCTETS)]


@pytest.mark.parametrize("kind", [Numbers, Ended])
def test_an_index_built_behind_is_complete_also_after_a_rollback(tmp_path: Path, kind: type[Behind]) -> None:
    partition = Partition(tmp_path, DAY)
    index = kind("mark", 0)
    indexes = {n: bytes([n % 251, n % 7]) * 8 for n in range(1, 4_000)}
    if kind is Numbers:
        entries = [number_entry(each, n) for n, each in indexes.items()]
    else:
        entries = [ended_entry(n % 2, str(n)) for n in indexes]
    index.gather(entries, 2_999)
    partition.begin()
    cursor = partition.conn.cursor()
    assert not index.place(cursor, 5_000), "not before there is enough"
    for _ in range(3):
        index.place(cursor, 1)
    assert index.upto == 0 and entries[0] in index and entries[5] in index.heap(entries[5][0])
    partition.conn.execute("COMMIT")
    index.committed()
    partition.begin()
    for _ in range(3):
        index.place(cursor, 1)
    partition.conn.execute("ROLLBACK")
    index.again()
    placed(partition, index)
    assert index.upto == 2_999 and not index
    if kind is Ended:
        assert sorted(digests(partition)) == sorted(entries), "each once"
    else:
        rows = [row for (row,) in partition.conn.execute("SELECT entries FROM number")]
        for n in (1, 77, 2_998):
            same = [k for k, each in indexes.items() if each == indexes[n]]
            assert sorted(k for row in rows for k in numbers_in(row, indexes[n])) == same


def test_an_index_is_put_in_place_piece_by_piece_while_more_is_gathered(tmp_path: Path) -> None:
    partition = Partition(tmp_path, DAY)
    index = Ended("mark", 0)
    cursor = partition.conn.cursor()
    most = n = 0
    partition.begin()
    while not index.upto:
        index.gather([ended_entry(1, str(n + k)) for k in range(1_000)], n + 1_000)
        n += 1_000
        before = len(digests(partition))
        index.place(cursor, GATHERED_MIN // 16)
        most = max(most, len(digests(partition)) - before)
    assert most < GATHERED_MIN // 64, "a beat never pays for all of it"
    partition.rollback()


def test_what_was_not_put_in_place_is_gathered_again_at_the_next_start(tmp_path: Path) -> None:
    partition = Partition(tmp_path, DAY)
    ids = new_ids(3, AT)
    work = Work()
    work.batches.append(batch_row(1, columns(ids), [b"i" * 16, b"j" * 16, b"i" * 16]))
    partition.write(work)
    partition.commit()
    assert partition.batched_to(b"i" * 16) == [1, 3]
    partition.close()
    again = Partition(tmp_path, DAY)
    assert again.behind(1) and again.batched_to(b"i" * 16) == [1, 3] and again.last_seq == 3
    assert [f.seq for f in Reader(tmp_path).search(number_index=b"i" * 16)[0]] == [3, 1]


def test_totals_count_rows_and_batches(tmp_path: Path) -> None:
    partition = Partition(tmp_path, DAY)
    ids = new_ids(5, AT)
    work = Work()
    work.batches.append(batch_row(1, columns(ids[:3]), [b"i" * 16] * 3))
    work.batches.append(batch_row(4, columns(ids[3:4]), [b"i" * 16]))
    work.messages.append((5, ids[4], 7, 0, 0, 1, "B", 39, b"", b"", b"", 1, AT, 0, AT, 0))
    work.progress_new.append((5, SENT, AT))
    work.moves.left = {1: [1, 2]}
    partition.write(work)
    partition.commit()
    work = Work()
    work.moves.taken, work.moves.taken_ids = {1: [1]}, {1: ["a"]}
    partition.write(work)
    partition.commit()
    assert partition.totals() == {QUEUED: 3, SENT: 2}
    assert Reader(tmp_path).totals(DAY) == {"queued": 3, "sent": 2}
    assert partition.waiting_counts(0) == [(3, 2)], "what is under way does not wait"
    work = Work()
    work.moves.over, work.moves.over_statuses = [1], bytearray([DELIVERED])
    partition.write(work)
    partition.commit()
    assert partition.totals() == {QUEUED: 3, SENT: 1, DELIVERED: 1}


@pytest.mark.parametrize("opened", [False, True])
def test_a_file_of_the_schema_before_is_read_and_goes_on(tmp_path: Path, opened: bool) -> None:
    conn = open_store(partition_path(tmp_path, DAY))
    MIGRATIONS.apply(sqlite_utils.Database(conn), stop_before="sixth")
    (mid,) = new_ids(1, AT)
    row = (1, mid, 7, 0, 0, 1, "B", 39, b"i" * 16, b"n", b"c", 1, AT, 0, AT, 0)
    conn.execute(f"INSERT INTO message VALUES({','.join('?' * 16)})", row)
    conn.execute("INSERT INTO progress(seq,status,changed_ms) VALUES(1,2,?)", (AT,))
    conn.close()
    if opened:
        partition = Partition(tmp_path, DAY)
        assert partition.last_seq == 1 and [r[0][0] for r in partition.waiting(0, 0, 9, lambda first: None)] == [1]
    reader = Reader(tmp_path)
    found = reader.message(mid)
    assert found is not None and found.status == QUEUED
    assert [f.id for f in reader.search(number_index=b"i" * 16)[0]] == [mid]
    assert reader.totals(DAY) == {"queued": 1}


def test_a_digest_is_found_only_where_one_begins() -> None:
    one, two = bytes(range(8)), bytes(range(4, 12))
    row = one + b"x" * 4 + two[:4] + two[4:] + b"y" * 4 + two
    assert is_in(one + two, two) and is_in(row, two) and not is_in(row[:-8], two) and not is_in(b"", one)


def test_digests_written_singly_are_found_in_pieces(tmp_path: Path) -> None:
    conn = open_store(partition_path(tmp_path, DAY))
    MIGRATIONS.apply(sqlite_utils.Database(conn), stop_before="ended_in_pieces")
    conn.execute("BEGIN")
    conn.executemany("INSERT INTO ended VALUES(?)", [(ended_entry(1, str(n)),) for n in range(3_000)])
    conn.execute("COMMIT")
    conn.close()
    for _ in range(2):
        partition = Partition(tmp_path, DAY)
        assert len(digests(partition)) == 3_000
        assert partition.was_ended(1, "7") and partition.was_ended(1, "2999") and not partition.was_ended(2, "7")
        partition.close()


def test_a_receipt_that_stood_for_a_segment_is_known_after_a_restart(tmp_path: Path) -> None:
    partition = Partition(tmp_path, DAY)
    work = Work()
    work.spent += [doubts.spent(1, "said in words"), doubts.spent(1, "and once more")]
    partition.write(work)
    partition.commit()
    partition.close()
    again = Partition(tmp_path, DAY)
    assert again.was_ended(1, "said in words") and again.was_ended(1, "and once more") and not again.was_ended(2, "x")
    again.close()

"""A day's partition: what was written is found, in the right place, with its times in order; foreign files are refused."""

import os
import sqlite3
from pathlib import Path

import pytest

from appliance.errors import Error
from appliance.message import DELIVERED, QUEUED, SCHEDULED, SENT, STATUSES, new_ids
from appliance.store import SUBMITTED, Partition, Reader, Work, link_numbers, open_store, partition_days
from appliance.store.opening import check_version

DAY = 20_779
AT = DAY * 86_400_000


def written(folder: Path, count: int = 10, status: int = QUEUED) -> tuple[Partition, list[bytes]]:
    partition = Partition(folder, DAY)
    link_numbers(partition, ["tim", "vodafone"])
    ids = new_ids(count, AT)
    work = Work()
    for seq, mid in enumerate(ids, 1):
        index = bytes([seq % 3]) * 16
        sealed = (b"n" * 40, b"c" * 60)
        work.messages.append((seq, mid, 7, seq % 4, 0, 1, "BANK", 39, index, *sealed, 1, AT + seq, 0, AT + 10**6, 0))
        work.progress_new.append((seq, status, AT + seq))
    partition.write(work)
    partition.commit()
    return partition, ids


def test_search_pages_newest_first_without_gap_or_repeat(tmp_path: Path) -> None:
    _, ids = written(tmp_path, 25)
    reader, seen, cursor = Reader(tmp_path), [], None
    while True:
        page, cursor = reader.search(limit=4, cursor=cursor)
        seen += [found.id for found in page]
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_search_by_each_filter(tmp_path: Path) -> None:
    written(tmp_path, 12)
    reader = Reader(tmp_path)
    assert {f.class_ for f in reader.search(class_=1)[0]} == {1}
    assert len(reader.search(number_index=bytes([1]) * 16)[0]) == 4
    assert reader.search(callers=[8])[0] == []
    assert len(reader.search(callers=[7], limit=50)[0]) == 12
    assert [f.seq for f in reader.search(from_ms=AT + 3, to_ms=AT + 5)[0]] == [4, 3]
    assert reader.search(status=DELIVERED)[0] == []


@pytest.mark.parametrize("cursor", ["", "!", "AAAA", "MS4x.", "é", "MjA3Nzku", "-1.-1"])
def test_a_made_up_cursor_is_refused(tmp_path: Path, cursor: str) -> None:
    written(tmp_path, 2)
    with pytest.raises(Error) as caught:
        Reader(tmp_path).search(cursor=cursor)
    assert caught.value.code == "invalid"


def test_a_life_has_its_events_in_order(tmp_path: Path) -> None:
    partition, ids = written(tmp_path, 1)
    key = 1 << 8 | 1
    for work_row in (
        ("intents", (key, 1, AT + 10)),
        ("answers", (SENT, AT + 20, "ABC", None, key)),
        ("sent_progress", (SENT, 1, AT + 20, AT + 20, None, 1)),
        ("receipts", (DELIVERED, AT + 30, None, key)),
        ("progress", (DELIVERED, 1, AT + 30, None, 1)),
    ):
        work = Work()
        getattr(work, work_row[0]).append(work_row[1])
        partition.write(work)
        partition.commit()
    found = Reader(tmp_path).message(ids[0])
    assert found is not None
    assert [e[1] for e in found.events] == ["accepted", "queued", "sent", "delivered"]
    assert [e[0] for e in found.events] == sorted(e[0] for e in found.events)
    assert found.link == "tim" and STATUSES[found.status] == "delivered"
    assert found.parts[0].submitted_ms == AT + 10 and found.parts[0].receipted_ms == AT + 30
    assert found.parts[0].operator_id == "ABC"
    assert partition.find_operator_id(1, "ABC") == (DAY, key, DELIVERED, 1, False, DELIVERED)
    assert partition.find_operator_id(2, "ABC") is None  # another link's id is another id


def test_a_crash_between_intention_and_answer_is_found(tmp_path: Path) -> None:
    partition, _ = written(tmp_path, 3)
    work = Work()
    work.intents += [(2 << 8 | 1, 1, AT), (3 << 8 | 1, 1, AT)]
    work.answers.append((SENT, AT, "X", None, 3 << 8 | 1))
    partition.write(work)
    partition.commit()
    partition.close()
    again = Partition(tmp_path, DAY)
    assert [row[0] >> 8 for row in again.interrupted(0)] == [2]
    assert again.interrupted(3) == []
    assert again.parts(2) == [(1, SUBMITTED, None, 1, 0)]
    assert again.last_seq == 3


def test_what_was_not_committed_is_not_there(tmp_path: Path) -> None:
    partition, _ = written(tmp_path, 3)
    work = Work()
    work.progress.append((DELIVERED, 1, AT, None, 1))
    partition.write(work)
    partition.rollback()
    assert partition.by_id(Reader(tmp_path).search()[0][2].id)[1] == QUEUED  # type: ignore[index]


def test_due_in_order_of_time(tmp_path: Path) -> None:
    partition, _ = written(tmp_path, 3, SCHEDULED)
    work = Work()
    work.schedule += [(1, AT + 300, 3), (2, AT + 100, 3), (3, AT + 200, 3)]
    partition.write(work)
    partition.commit()
    assert partition.due(AT + 50, 3, 10) == []
    assert partition.due(AT + 250, 3, 10) == [2, 3]
    assert partition.has_schedule()


def test_two_messages_with_one_id_are_our_own_mistake(tmp_path: Path) -> None:
    partition, ids = written(tmp_path, 1)
    work = Work()
    work.messages.append((2, ids[0], 7, 0, 0, 1, "B", 39, b"", b"", b"", 1, AT, 0, AT, 0))
    with pytest.raises(Exception, match="UNIQUE"):
        partition.write(work)


def test_an_old_sqlite_is_refused() -> None:
    with pytest.raises(Error) as caught:
        check_version((3, 51, 2))
    assert caught.value.code == "sqlite_too_old"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "messages-2026-11-22.db"
    path.write_bytes(os.urandom(8192))
    with pytest.raises(Error) as caught:
        open_store(path)
    assert caught.value.code == "store_damaged"


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    partition, _ = written(tmp_path, 1)
    assert partition.path.stat().st_mode & 0o077 == 0


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    partition, _ = written(tmp_path, 1)
    conn = open_store(partition.path, read_only=True)
    with pytest.raises(Exception, match=r"readonly|query_only|attempt to write"):
        conn.execute("DELETE FROM message")


def test_tables_are_strict(tmp_path: Path) -> None:
    partition, _ = written(tmp_path, 1)
    partition.close()
    plain = sqlite3.connect(partition.path)
    tables = plain.execute("SELECT name, strict FROM pragma_table_list WHERE schema='main' AND type='table'").fetchall()
    assert all(strict for name, strict in tables if not name.startswith(("sqlite_", "_sqlite")))


def test_days_of_a_folder_with_other_files(tmp_path: Path) -> None:
    written(tmp_path, 1)
    (tmp_path / "messages-junk.db").write_bytes(b"")
    assert partition_days(tmp_path) == [DAY]

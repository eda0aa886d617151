"""A store's log is moved into its file beside the writer, whose commits then begin the log anew; and once for so many commits, not for each."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from appliance.errors import Error
from appliance.store import Checkpointer, checkpointing, empty_log, leave_to_checkpointer, log_emptied, open_store
from appliance.store.checkpointing import EACH_S, empties


def written(path: Path, rounds: int, checkpointer: Checkpointer | None) -> tuple[int, int]:
    """Octets of the file and of its log after so many commits of 40 KiB, with a round of the checkpointer after every tenth."""
    conn = open_store(path)
    leave_to_checkpointer(conn)
    conn.execute("CREATE TABLE t (b BLOB)")
    for n in range(rounds):
        conn.execute("INSERT INTO t VALUES (randomblob(40960))")
        if checkpointer is not None and n % 10 == 9:
            checkpointer.round()
    sizes = path.stat().st_size, path.with_name(path.name + "-wal").stat().st_size
    assert conn.execute("SELECT count(*) FROM t").fetchone() == (rounds,)
    conn.close()
    return sizes


def test_the_log_is_moved_into_the_file_and_begun_anew(tmp_path: Path) -> None:
    alone, left = written(tmp_path / "alone.db", 100, None)
    assert alone < 40_960 and left > 100 * 40_960, "the writer itself does not do it"
    checkpointer = Checkpointer(tmp_path / "beside.db")
    moved, log = written(tmp_path / "beside.db", 100, checkpointer)
    assert moved > 90 * 40_960 and log < 20 * 40_960
    checkpointer.close()


def test_rounds_are_apart_and_one_that_cannot_be_made_harms_nobody(tmp_path: Path) -> None:
    rounds = []

    class Counted(Checkpointer):
        def round(self) -> None:
            rounds.append(1)
            super().round()

    async def looked() -> None:
        checkpointer = Counted(tmp_path / "no folder" / "none.db")
        (tmp_path / "no folder").write_text("in its place")
        for now_s in (0.0, EACH_S / 2, EACH_S, EACH_S * 2.5):
            checkpointer.look(now_s)
            await asyncio.wait([checkpointer._under_way])  # type: ignore[list-item]
        checkpointer.close()

    asyncio.run(looked())
    assert len(rounds) == 3


def test_the_log_is_empty_in_the_end_although_another_moves_it(tmp_path: Path) -> None:
    """A thread moves the log again and again, as the gateway does, while somebody is erased."""
    path, stop = tmp_path / "one.db", threading.Event()
    conn, checkpointer = open_store(path), Checkpointer(path)
    conn.execute("CREATE TABLE t (b BLOB)")

    def moves() -> None:
        while not stop.is_set():
            checkpointer.round()

    thread = threading.Thread(target=moves)
    thread.start()
    try:
        for _ in range(20):
            conn.execute("INSERT INTO t VALUES (randomblob(40960))")
            empty_log(conn)
            assert path.with_name("one.db-wal").stat().st_size == 0
    finally:
        stop.set()
        thread.join(30)
        checkpointer.close()
        conn.close()


def test_who_erased_hears_that_a_reader_kept_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be said that all is erased, and the log had it."""
    monkeypatch.setattr(checkpointing, "PAUSE_S", 0.0)
    path = tmp_path / "one.db"
    conn, reader = open_store(path), open_store(path)
    conn.execute("CREATE TABLE t (b BLOB)")
    conn.execute("INSERT INTO t VALUES (x'00')")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM t").fetchall()
    conn.execute("DELETE FROM t")
    assert not empties(conn)
    for busy in (lambda: empty_log(conn), lambda: asyncio.run(log_emptied(lambda: empties(conn)))):
        with pytest.raises(Error) as e:
            busy()
        assert e.value.code == "store_busy"
    reader.execute("COMMIT")
    empty_log(conn)
    asyncio.run(log_emptied(lambda: empties(conn)))
    assert path.with_name("one.db-wal").stat().st_size == 0
    conn.close()
    reader.close()

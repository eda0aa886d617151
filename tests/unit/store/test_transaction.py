"""A transaction is whole or not at all, and whatever stopped it leaves none open."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.store import Connection, DatabaseError, open_store, transaction


def opened(path: Path) -> Connection:
    conn = open_store(path / "one.db")
    conn.execute("CREATE TABLE t (b BLOB)")
    return conn


def count(conn: Connection) -> int:
    return int(conn.execute("SELECT count(*) FROM t").fetchone()[0])


def test_what_is_raised_undoes_what_was_written(tmp_path: Path) -> None:
    conn = opened(tmp_path)
    with pytest.raises(LookupError), transaction(conn):
        conn.execute("INSERT INTO t VALUES (x'00')")
        raise LookupError
    assert not conn.in_transaction and count(conn) == 0
    conn.close()


def test_one_within_another_is_part_of_it(tmp_path: Path) -> None:
    conn = opened(tmp_path)
    with pytest.raises(LookupError), transaction(conn):
        with transaction(conn):
            conn.execute("INSERT INTO t VALUES (x'00')")
        assert conn.in_transaction
        raise LookupError
    assert count(conn) == 0
    with transaction(conn), transaction(conn):
        conn.execute("INSERT INTO t VALUES (x'00')")
    assert not conn.in_transaction and count(conn) == 1
    conn.close()


def test_a_full_disk_leaves_none_open(tmp_path: Path) -> None:
    """Else the next one could not begin, and the store would be closed until its process is started anew."""
    conn = opened(tmp_path)
    pages = conn.execute("PRAGMA page_count").fetchone()[0]
    conn.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(DatabaseError), transaction(conn):
        conn.execute("INSERT INTO t VALUES (zeroblob(1000000))")
    assert not conn.in_transaction
    conn.execute(f"PRAGMA max_page_count={pages + 1_000}")
    with transaction(conn):
        conn.execute("INSERT INTO t VALUES (zeroblob(1000000))")
    assert count(conn) == 1
    conn.close()


def test_a_commit_that_fails_leaves_none_open(tmp_path: Path) -> None:
    conn = opened(tmp_path)
    conn.execute("PRAGMA foreign_keys=ON")
    conn.execute("CREATE TABLE owner (id INTEGER PRIMARY KEY)")
    conn.execute("CREATE TABLE owned (id INTEGER REFERENCES owner(id) DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(DatabaseError), transaction(conn):
        conn.execute("INSERT INTO owned VALUES (7)")
    assert not conn.in_transaction
    assert conn.execute("SELECT count(*) FROM owned").fetchone() == (0,)
    conn.close()

"""A new store that several open at once: each finds it whole, and none is refused."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from appliance.errors import Error
from appliance.store import migrate, open_store

STEPS = Migrations("together")


@STEPS()
def first(db: Database) -> None:
    db.execute("CREATE TABLE one (n INTEGER PRIMARY KEY) STRICT")


@STEPS()
def second(db: Database) -> None:
    db.execute("CREATE TABLE two (n INTEGER PRIMARY KEY) STRICT")
    db.execute("INSERT INTO one VALUES (1)")


def test_all_who_open_a_new_store_at_once_find_it_whole(tmp_path: Path) -> None:
    """Without taking turns two see the same tables missing, and one is told that they are there already."""
    for round_ in range(8):
        gate, found, refused = threading.Barrier(4), list[object](), list[Error]()

        def opened(path: Path, gate: threading.Barrier, found: list[object], refused: list[Error]) -> None:
            gate.wait(60)
            try:
                conn = open_store(path)
                migrate(conn, STEPS)
                found.append(conn.execute("SELECT (SELECT count(*) FROM one), (SELECT count(*) FROM two)").fetchone())
                conn.close()
            except Error as e:
                refused.append(e)

        given = (tmp_path / f"{round_}.db", gate, found, refused)
        threads = [threading.Thread(target=opened, args=given) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert (found, refused) == ([(1, 0)] * 4, [])


def test_a_step_that_fails_leaves_nothing_of_those_before_it(tmp_path: Path) -> None:
    steps = Migrations("torn")
    steps(name="first")(first)

    @steps()
    def wrong(db: Database) -> None:
        db.execute("CREATE TABLE one (n INTEGER PRIMARY KEY) STRICT")

    conn = open_store(tmp_path / "torn.db")
    with pytest.raises(Error):
        migrate(conn, steps)
    assert not conn.in_transaction
    assert conn.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    conn.close()


def test_a_disk_that_fills_while_a_store_is_made_is_called_full(tmp_path: Path) -> None:
    """SQLite ends the transaction by itself then, and what comes after must not hide why."""
    steps = Migrations("large")

    @steps()
    def large(db: Database) -> None:
        db.execute("CREATE TABLE one (a BLOB) STRICT")
        db.execute("INSERT INTO one VALUES (zeroblob(4000000))")

    conn = open_store(tmp_path / "full.db")
    conn.execute("PRAGMA max_page_count=20")
    with pytest.raises(Error) as raised:
        migrate(conn, steps)
    assert raised.value.code == "store_full" and not conn.in_transaction
    conn.close()

"""Parts of long messages that wait for the others: the door's own store and every statement on it.

A part is on disk before it is answered, so a system whose window is one can send a long message, and a crash between two of its
parts loses none. Trusted for what waits, not for what it says: who can change this file can drop or repeat a waiting part, and
learns how many wait and when they came. Numbers and texts are sealed under the day's key, bound to their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from sqlite_utils import Database, Migrations

from appliance.store import empty_log, migrate, open_store, run_script, transaction

MIGRATIONS: Final = Migrations("casemate.door_parts")

_SCHEMA: Final = """
CREATE TABLE whole (                   -- one long message, until the engine has it
    id BLOB PRIMARY KEY,               -- the message's, given with its first part
    mac BLOB UNIQUE,                   -- keyed, of account, addresses, reference, total; NULL: takes no more parts
    account INTEGER NOT NULL,
    total INTEGER NOT NULL,
    first_ms INTEGER NOT NULL          -- when its first part came
) STRICT, WITHOUT ROWID;
CREATE INDEX whole_first ON whole(first_ms);
CREATE TABLE part (
    id BLOB NOT NULL REFERENCES whole(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    mac BLOB NOT NULL,                 -- keyed, of everything in it: the same part again is known by it
    key_id INTEGER NOT NULL,
    sealed BLOB NOT NULL,              -- the submission (AAD "d" + mac)
    PRIMARY KEY (id, number)
) STRICT, WITHOUT ROWID;
"""


@MIGRATIONS(name="0001 wholes and parts")
def _first(db: Database) -> None:
    run_script(db, _SCHEMA)


class NewPart(NamedTuple):
    """A part on its way to the disk. `id` is what its message is called if it is the first of it."""

    id: bytes
    whole_mac: bytes
    account: int
    total: int
    number: int
    mac: bytes
    key_id: int
    sealed: bytes


class Waiting(NamedTuple):
    """A message of which parts are on disk: (number, mac, key_id, sealed), in order."""

    id: bytes
    account: int
    total: int
    first_ms: int
    parts: list[tuple[int, bytes, int, bytes]]


class Parts:
    """The store, used by one thread at a time. Every method that writes returns after the commit."""

    def __init__(self, path: Path) -> None:
        self._conn = open_store(path)
        migrate(self._conn, MIGRATIONS)
        self._conn.execute("PRAGMA secure_delete=ON")

    def close(self) -> None:
        self._conn.close()

    def keep(self, parts: Sequence[NewPart], now_ms: int) -> list[tuple[bytes, bool]]:
        """Which message each part belongs to, and whether it made that whole; all in one commit.

        The same part again keeps its place. Another text under the same number begins a new message: its sender has come
        round to the same reference, and the old one will never be whole.
        """
        with transaction(self._conn):
            return [self._keep(part, now_ms) for part in parts]

    def _keep(self, part: NewPart, now_ms: int) -> tuple[bytes, bool]:
        execute = self._conn.execute
        row = execute(
            "SELECT w.id,p.mac FROM whole w LEFT JOIN part p ON p.id=w.id AND p.number=? WHERE w.mac=?",
            (part.number, part.whole_mac),
        ).fetchone()
        if row is not None and row[1] == part.mac:
            return bytes(row[0]), False
        if row is not None and row[1] is not None:
            execute("UPDATE whole SET mac=NULL WHERE id=?", (row[0],))
            row = None
        if row is None:
            execute("INSERT INTO whole VALUES (?,?,?,?,?)", (part.id, part.whole_mac, part.account, part.total, now_ms))
        message_id = part.id if row is None else bytes(row[0])
        execute("INSERT INTO part VALUES (?,?,?,?,?)", (message_id, part.number, part.mac, part.key_id, part.sealed))
        (count,) = execute("SELECT count(*) FROM part WHERE id=?", (message_id,)).fetchone()
        if count == part.total:
            execute("UPDATE whole SET mac=NULL WHERE id=?", (message_id,))
        return message_id, count == part.total

    def read(self, message_id: bytes) -> Waiting | None:
        row = self._conn.execute("SELECT id,account,total,first_ms FROM whole WHERE id=?", (message_id,)).fetchone()
        if row is None:
            return None
        parts = self._conn.execute(
            "SELECT number,mac,key_id,sealed FROM part WHERE id=? ORDER BY number", (message_id,)
        )
        return Waiting(row[0], row[1], row[2], row[3], parts.fetchall())

    def whole(self) -> list[bytes]:
        """Messages that are whole and still here: the engine has them not, or it was not heard that it has."""
        rows = self._conn.execute(
            "SELECT w.id FROM whole w WHERE (SELECT count(*) FROM part p WHERE p.id=w.id)=w.total ORDER BY w.first_ms"
        )
        return [row[0] for row in rows]

    def late(self, before_ms: int) -> list[bytes]:
        """Messages begun before that, and still not whole."""
        rows = self._conn.execute(
            "SELECT w.id FROM whole w WHERE w.first_ms<? AND (SELECT count(*) FROM part p WHERE p.id=w.id)<w.total",
            (before_ms,),
        )
        return [row[0] for row in rows]

    def ids(self) -> list[bytes]:
        """Every message of which parts are here."""
        return [row[0] for row in self._conn.execute("SELECT id FROM whole").fetchall()]

    def under(self, key_id: int) -> list[tuple[bytes, int, bytes, bytes]]:
        """(id, number, mac, sealed) of parts that are sealed under a key."""
        sql = "SELECT id,number,mac,sealed FROM part WHERE key_id=?"
        return list(self._conn.execute(sql, (key_id,)).fetchall())

    def reseal(self, rows: Sequence[tuple[bytes, int, bytes, int]]) -> None:
        """(sealed anew, its key, id, number) of parts; one that is gone meanwhile is gone."""
        with transaction(self._conn):
            self._conn.executemany("UPDATE part SET sealed=?,key_id=? WHERE id=? AND number=?", rows)

    def scrub(self) -> None:
        """Empties the write-ahead log into the file: what was erased is then in neither. Raises Error `store_busy`."""
        empty_log(self._conn)

    def drop(self, message_ids: Sequence[bytes]) -> None:
        """Forgets messages that somebody else has on disk now."""
        with transaction(self._conn):
            self._conn.executemany("DELETE FROM whole WHERE id=?", [(i,) for i in message_ids])

    def counts(self) -> dict[int, int]:
        """Account -> its parts that wait."""
        rows = self._conn.execute("SELECT w.account,count(*) FROM part p JOIN whole w ON w.id=p.id GROUP BY w.account")
        return dict(rows.fetchall())

    def count(self) -> int:
        """Parts that wait."""
        return int(self._conn.execute("SELECT count(*) FROM part").fetchone()[0])

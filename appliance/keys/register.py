"""The key store: every data key wrapped by the HSM's key-encryption key, in `home/keys/keys.db`. Never holds a key in clear.

Trust: not trusted. Each row carries an HMAC made in the HSM over all its columns, and the wrapping binds key, number, day and
purpose. Who reads it gains the days on which keys were made. Who changes it can make keys unusable (`key_refused`) or, by
deleting rows or putting an old copy back, unfindable, which is what destroying them means: with the store goes the clear text
of everything sealed. He cannot read anything, nor have a key of his own choice used. Keep its backups as short-lived as the
messages: a destroyed key that a backup still holds is not destroyed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from appliance.audit import Outbox
from appliance.errors import Error
from appliance.store import Connection, DatabaseError, OperationalError, migrate, open_store

ACTIVE: Final = "active"
DESTROYED: Final = "destroyed"
SEALING: Final = "message"  # the purpose of a day's key

MIGRATIONS = Migrations("keys")

FIRST: Final = (
    """
CREATE TABLE wrapped_key(
  key_id INTEGER PRIMARY KEY AUTOINCREMENT,
  day INTEGER NOT NULL,
  purpose TEXT NOT NULL,
  mechanism TEXT NOT NULL,
  wrapped BLOB NOT NULL,
  record_mac BLOB NOT NULL CHECK (length(record_mac) = 32),
  state TEXT NOT NULL CHECK (state IN ('active', 'destroyed')),
  created_ms INTEGER NOT NULL
) STRICT""",
    "CREATE UNIQUE INDEX one_key_a_day ON wrapped_key(day, purpose)",
    """
CREATE TABLE token(
  one INTEGER PRIMARY KEY CHECK (one = 1),
  public_key BLOB NOT NULL,
  serial TEXT NOT NULL
) STRICT""",
)


@MIGRATIONS()
def first(db: Database) -> None:
    for statement in FIRST:
        db.execute(statement)


class Row(NamedTuple):
    """One wrapped key as stored."""

    key_id: int
    day: int
    purpose: str
    mechanism: str
    wrapped: bytes
    record_mac: bytes
    state: str
    created_ms: int

    def __repr__(self) -> str:
        return f"<wrapped key {self.key_id}>"


_COLUMNS: Final = ", ".join(Row._fields)


class Register:
    """The one connection to the key store; used by the `keys` process alone."""

    def __init__(self, path: Path) -> None:
        self._conn: Connection = open_store(path)
        migrate(self._conn, MIGRATIONS)
        Outbox.create(self._conn)
        self.outbox = Outbox(self._conn, "keys")

    def by_id(self, key_id: int) -> Row | None:
        return self._row("key_id = ?", (key_id,))

    def by_day(self, day: int, purpose: str = SEALING) -> Row | None:
        return self._row("day = ? AND purpose = ?", (day, purpose))

    def rows(self) -> list[Row]:
        """All of them, oldest day first."""
        return [Row(*r) for r in self._conn.execute(f"SELECT {_COLUMNS} FROM wrapped_key ORDER BY day, key_id")]  # noqa: S608 # our own column names

    def next_id(self) -> int:
        """The number of the next key; a number is never used twice, even after its row is gone."""
        row = self._conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'wrapped_key'").fetchone()
        return 1 if row is None else int(row[0]) + 1

    def token(self) -> bytes | None:
        """Public audit key of the token that holds the key-encryption key; None before the first run."""
        row = self._conn.execute("SELECT public_key FROM token").fetchone()
        return None if row is None else bytes(row[0])

    def remember_token(self, public_key: bytes, serial: str) -> None:
        self._write(lambda: self._conn.execute("INSERT INTO token VALUES (1, ?, ?)", (public_key, serial)))

    def add(self, row: Row, entries: list[dict[str, Any]]) -> None:
        """Stores a new key and what the audit log is told of it, in one transaction."""
        marks = ", ".join("?" * len(Row._fields))

        def write() -> None:
            self._conn.execute(f"INSERT INTO wrapped_key ({_COLUMNS}) VALUES ({marks})", tuple(row))  # noqa: S608 # our own column names
            self.outbox.put(entries)

        self._write(write)

    def record(self, entries: list[dict[str, Any]]) -> None:
        """Makes audit entries durable; the auditor gets them later."""
        self._write(lambda: self.outbox.put(entries))

    def close(self) -> None:
        self._conn.close()

    def _row(self, where: str, values: tuple[Any, ...]) -> Row | None:
        found = self._conn.execute(f"SELECT {_COLUMNS} FROM wrapped_key WHERE {where}", values).fetchone()  # noqa: S608 # `where` is one of two texts above
        return None if found is None else Row(*found)

    def _write(self, write: Any) -> None:
        try:
            self._conn.execute("BEGIN IMMEDIATE")
            try:
                write()
            except BaseException:
                self._conn.execute("ROLLBACK")
                raise
            self._conn.execute("COMMIT")
        except OperationalError as e:
            if self._conn.in_transaction:
                self._conn.execute("ROLLBACK")
            raise Error("store_full", f"the key store cannot be written: {e}", "check free space") from None
        except DatabaseError as e:
            raise Error("store_damaged", f"the key store is damaged: {e}", "restore it from a backup") from None

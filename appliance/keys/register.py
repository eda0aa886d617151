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
from appliance.store import Connection, DatabaseError, OperationalError, empties, migrate, open_store, transaction

from .approvals import Approval
from .life import DAILY

FORM: Final = 2  # of a record: what its HMAC is made over
_LIVE: Final = "('pre-active', 'active', 'deactivated')"

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


#: Tenant keys over the daily ones, states with their dates, roots, legal holds. Rows of the first form keep their HMAC until taken over.
SECOND: Final = (
    """
CREATE TABLE key_record(
  key_id INTEGER PRIMARY KEY AUTOINCREMENT,
  day INTEGER NOT NULL,
  purpose TEXT NOT NULL,
  parent INTEGER NOT NULL,
  root INTEGER NOT NULL,
  mechanism TEXT NOT NULL,
  wrapped BLOB NOT NULL,
  record_mac BLOB NOT NULL CHECK (length(record_mac) = 32),
  state TEXT NOT NULL CHECK (state IN ('pre-active', 'active', 'deactivated', 'compromised', 'destroyed')),
  created_ms INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL,
  form INTEGER NOT NULL CHECK (form IN (1, 2)),
  CHECK (state != 'destroyed' OR wrapped = x'')
) STRICT""",
    """
INSERT INTO key_record SELECT key_id, day, purpose, 0, 1, mechanism, CASE state WHEN 'destroyed' THEN x'' ELSE wrapped END, record_mac,
  state, created_ms, created_ms, 1 FROM wrapped_key""",
    "INSERT INTO sqlite_sequence SELECT 'key_record', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'key_record')",
    """
UPDATE sqlite_sequence SET seq = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'wrapped_key'), 0) WHERE name = 'key_record'""",
    "DROP TABLE wrapped_key",
    "DELETE FROM sqlite_sequence WHERE name = 'wrapped_key'",
    f"CREATE UNIQUE INDEX one_key_a_day ON key_record(day, purpose) WHERE state IN {_LIVE}",
    """
CREATE TABLE root(
  version INTEGER PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('pre-active', 'active', 'deactivated', 'compromised', 'destroyed')),
  created_ms INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL
) STRICT""",
    "INSERT INTO root SELECT 1, 'active', coalesce((SELECT min(created_ms) FROM key_record), 0), 0",
    """
CREATE TABLE hold(
  hold_id INTEGER PRIMARY KEY AUTOINCREMENT,
  first_day INTEGER NOT NULL,
  last_day INTEGER NOT NULL CHECK (last_day >= first_day),
  reason TEXT NOT NULL,
  who TEXT NOT NULL,
  from_ms INTEGER NOT NULL,
  lifted_ms INTEGER
) STRICT""",
)


@MIGRATIONS()
def second(db: Database) -> None:
    for statement in SECOND:
        db.execute(statement)


#: Requests that two people decide.
THIRD: Final = """
CREATE TABLE approval(
  approval_id INTEGER PRIMARY KEY,
  act TEXT NOT NULL,
  on_number INTEGER NOT NULL,
  reason TEXT NOT NULL,
  asked_by TEXT NOT NULL,
  asked_ms INTEGER NOT NULL,
  decided_by TEXT NOT NULL,
  decided_ms INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('asked', 'approved', 'refused', 'expired', 'used')),
  CHECK (decided_by != asked_by OR state = 'refused')
) STRICT"""


@MIGRATIONS()
def third(db: Database) -> None:
    db.execute(THIRD)


class Row(NamedTuple):
    """One wrapped key as stored. `parent` is the key that wraps it, 0: the root of version `root`. A destroyed key's `wrapped` is empty."""

    key_id: int
    day: int
    purpose: str
    parent: int
    root: int
    mechanism: str
    wrapped: bytes
    record_mac: bytes
    state: str
    created_ms: int
    changed_ms: int
    form: int = FORM

    def __repr__(self) -> str:
        return f"<wrapped key {self.key_id}>"


class Hold(NamedTuple):
    """A legal hold: days whose keys are not destroyed and whose messages are not erased until it is lifted."""

    hold_id: int
    first_day: int
    last_day: int
    reason: str
    who: str
    from_ms: int
    lifted_ms: int | None


_COLUMNS: Final = ", ".join(Row._fields)


class Register:
    """The one connection to the key store; used by the `keys` process alone."""

    def __init__(self, path: Path) -> None:
        self._conn: Connection = open_store(path)
        migrate(self._conn, MIGRATIONS)
        self._conn.execute("PRAGMA secure_delete=ON")  # a destroyed key leaves no octets in the file
        Outbox.create(self._conn)
        self.outbox = Outbox(self._conn, "keys")

    def by_id(self, key_id: int) -> Row | None:
        return self._row("key_id = ?", (key_id,))

    def by_day(self, day: int, purpose: str) -> Row | None:
        """The one key of the day that is neither compromised nor destroyed."""
        return self._row(f"day = ? AND purpose = ? AND state IN {_LIVE}", (day, purpose))

    def rows(self) -> list[Row]:
        """All of them, oldest day first."""
        return [Row(*r) for r in self._conn.execute(f"SELECT {_COLUMNS} FROM key_record ORDER BY day, key_id")]  # noqa: S608 # our own column names

    def epoch(self) -> int:
        """Grows with every key that is compromised or destroyed, and with nothing else: who holds keys sees by it that some are no good."""
        sql = "SELECT coalesce(sum(CASE state WHEN 'destroyed' THEN 2 ELSE 1 END), 0) FROM key_record WHERE state IN ('compromised', 'destroyed')"
        return int(self._conn.execute(sql).fetchone()[0])

    def newest_day(self) -> int | None:
        """Of the daily keys."""
        row = self._conn.execute("SELECT max(day) FROM key_record WHERE purpose = ?", (DAILY,)).fetchone()
        return None if row[0] is None else int(row[0])

    def next_id(self) -> int:
        """The number of the next key; a number is never used twice, even after its row is gone."""
        row = self._conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'key_record'").fetchone()
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
            self._conn.execute(f"INSERT INTO key_record ({_COLUMNS}) VALUES ({marks})", tuple(row))  # noqa: S608 # our own column names
            self.outbox.put(entries)

        self._write(write)

    def change(
        self, rows: list[Row], entries: list[dict[str, Any]], roots: dict[int, str] | None = None, at_ms: int = 0
    ) -> None:
        """Stores changed records, states of roots and what the audit log is told of it, in one transaction."""
        sets = ", ".join(f"{name} = ?" for name in Row._fields[1:])

        def write() -> None:
            for row in rows:
                self._conn.execute(f"UPDATE key_record SET {sets} WHERE key_id = ?", (*row[1:], row.key_id))  # noqa: S608 # our own column names
            for version, state in (roots or {}).items():
                self._conn.execute(
                    "INSERT INTO root VALUES (?1, ?2, ?3, ?3)"
                    " ON CONFLICT(version) DO UPDATE SET state = ?2, changed_ms = ?3",
                    (version, state, at_ms),
                )
            self.outbox.put(entries)

        self._write(write)

    def take_over(self, rows: list[Row], roots: dict[int, str], holds: list[Hold], at_ms: int) -> None:
        """Stores what another box had, on one that has nothing, in one transaction."""
        marks = ", ".join("?" * len(Row._fields))

        def write() -> None:
            self._conn.execute("DELETE FROM root")  # the first, which a new store begins with
            self._conn.executemany(
                "INSERT INTO root VALUES (?1, ?2, ?3, ?3)",
                [(version, state, at_ms) for version, state in roots.items()],
            )
            self._conn.executemany(f"INSERT INTO key_record ({_COLUMNS}) VALUES ({marks})", [tuple(r) for r in rows])  # noqa: S608 # our own column names
            self._conn.executemany("INSERT INTO hold VALUES (?, ?, ?, ?, ?, ?, ?)", [tuple(hold) for hold in holds])

        self._write(write)

    def scrub(self) -> bool:
        """Empties the write-ahead log into the file: an overwritten key is then in neither. False: somebody stood in the way."""
        return empties(self._conn)

    # --- roots and holds ----------------------------------------------------------------------------------

    def roots(self) -> dict[int, str]:
        """Version of each root key-encryption key -> its state, oldest first."""
        return dict(self._conn.execute("SELECT version, state FROM root ORDER BY version"))

    def root_dates(self) -> dict[int, int]:
        """Version of each root -> when it was made. Of the first, which is there before there is a token: when it first wrapped a key; 0: not yet."""
        sql = """SELECT version, CASE created_ms WHEN 0 THEN coalesce((SELECT min(created_ms) FROM key_record), 0)
            ELSE created_ms END FROM root ORDER BY version"""
        return dict(self._conn.execute(sql))

    def holds(self, lifted: bool = False) -> list[Hold]:
        where = "" if lifted else " WHERE lifted_ms IS NULL"
        return [Hold(*r) for r in self._conn.execute(f"SELECT * FROM hold{where} ORDER BY hold_id")]  # noqa: S608 # one of two texts

    def held(self) -> frozenset[int]:
        """Days under a legal hold."""
        return frozenset(d for hold in self.holds() for d in range(hold.first_day, hold.last_day + 1))

    def put_hold(self, hold: Hold, entries: list[dict[str, Any]]) -> int:
        """Stores a new hold; its number."""

        def write() -> None:
            self._conn.execute(
                "INSERT INTO hold(first_day, last_day, reason, who, from_ms) VALUES (?, ?, ?, ?, ?)",
                (hold.first_day, hold.last_day, hold.reason, hold.who, hold.from_ms),
            )
            self.outbox.put(entries)

        self._write(write)
        return int(self._conn.execute("SELECT max(hold_id) FROM hold").fetchone()[0])

    def lift_hold(self, hold_id: int, at_ms: int, entries: list[dict[str, Any]]) -> None:
        def write() -> None:
            self._conn.execute("UPDATE hold SET lifted_ms = ? WHERE hold_id = ?", (at_ms, hold_id))
            self.outbox.put(entries)

        self._write(write)

    # --- approvals ----------------------------------------------------------------------------------------

    def approvals(self) -> list[Approval]:
        """Every request, oldest first."""
        return [Approval(*r) for r in self._conn.execute("SELECT * FROM approval ORDER BY approval_id")]

    def next_approval(self) -> int:
        return int(self._conn.execute("SELECT coalesce(max(approval_id), 0) + 1 FROM approval").fetchone()[0])

    def put_approval(self, approval: Approval, entries: list[dict[str, Any]]) -> None:
        """Stores a request, new or decided."""

        def write() -> None:
            self._conn.execute("INSERT OR REPLACE INTO approval VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", tuple(approval))
            self.outbox.put(entries)

        self._write(write)

    def record(self, entries: list[dict[str, Any]]) -> None:
        """Makes audit entries durable; the auditor gets them later."""
        self._write(lambda: self.outbox.put(entries))

    def close(self) -> None:
        self._conn.close()

    def _row(self, where: str, values: tuple[Any, ...]) -> Row | None:
        found = self._conn.execute(f"SELECT {_COLUMNS} FROM key_record WHERE {where}", values).fetchone()  # noqa: S608 # `where` is one of two texts above
        return None if found is None else Row(*found)

    def _write(self, write: Any) -> None:
        try:
            with transaction(self._conn):
                write()
        except OperationalError as e:
            raise Error("store_full", f"the key store cannot be written: {e}", "check free space") from None
        except DatabaseError as e:
            raise Error("store_damaged", f"the key store is damaged: {e}", "restore it from a backup") from None

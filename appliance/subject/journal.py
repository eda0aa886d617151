"""`erasure.db`: every erasure of a person, how far it is, and its certificate. No number is in it.

Trust: a blind index stands here from the day it is asked for until it is done, then only the one whose key nobody has. Who can write
the file can have an erasure go on for another number while it is under way (the persons who do it type the number, and it is
compared), or take a certificate away; he cannot make one: it is signed by the HSM, and its digest is on the audit log.
"""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from appliance.settings import Settings
from appliance.store import DeskStore, empty_log

MIGRATIONS: Final = Migrations("erasure")
Counts = dict[str, int]


@MIGRATIONS(name="0001_erasures")
def _first(db: Database) -> None:
    for statement in _FIRST:
        db.execute(statement)


_FIRST: Final = (
    """CREATE TABLE erasure (
        n INTEGER PRIMARY KEY AUTOINCREMENT,
        request INTEGER NOT NULL, -- of two persons, with the keys process
        subject BLOB NOT NULL, -- blind index of the number; empty once it is done
        stands_for BLOB NOT NULL, -- the same under a key that was never kept
        asked_ms INTEGER NOT NULL,
        begun_ms INTEGER NOT NULL DEFAULT 0,
        done_ms INTEGER NOT NULL DEFAULT 0,
        done_by TEXT NOT NULL DEFAULT '',
        certificate BLOB NOT NULL DEFAULT x'', -- JSON
        signature BLOB NOT NULL DEFAULT x'',
        entry INTEGER NOT NULL DEFAULT -1 -- of the audit log, that says so
    ) STRICT""",
    """CREATE TABLE step (
        erasure INTEGER NOT NULL REFERENCES erasure(n),
        place TEXT NOT NULL, -- a store, or one of its days
        counts TEXT NOT NULL, -- JSON: what was erased, how often
        done INTEGER NOT NULL CHECK (done IN (0, 1)), -- 0: something of it was leaving just then
        PRIMARY KEY (erasure, place)
    ) STRICT, WITHOUT ROWID""",
)


class Erasure(NamedTuple):
    """One row. `subject` empty: it is done."""

    n: int
    request: int
    subject: bytes
    stands_for: bytes
    asked_ms: int
    begun_ms: int
    done_ms: int
    done_by: str
    certificate: bytes
    signature: bytes
    entry: int

    @property
    def state(self) -> str:
        return "done" if self.done_ms else "begun" if self.begun_ms else "asked"


_COLUMNS: Final = ", ".join(Erasure._fields)


class Journal(DeskStore):
    """Commands write it, one at a time."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.home / "erasure.db", MIGRATIONS)
        self.conn.execute("PRAGMA secure_delete=ON")

    def add(self, subject: bytes, stands_for: bytes, at_ms: int) -> int:
        """A new erasure, without its request; its number."""
        with self.writing() as conn:
            sql = "INSERT INTO erasure (request, subject, stands_for, asked_ms) VALUES (0, ?, ?, ?)"
            return int(conn.execute(sql, (subject, stands_for, at_ms)).lastrowid)

    def requested(self, n: int, request: int) -> None:
        with self.writing() as conn:
            conn.execute("UPDATE erasure SET request = ? WHERE n = ?", (request, n))

    def begun(self, n: int, at_ms: int) -> None:
        with self.writing() as conn:
            conn.execute("UPDATE erasure SET begun_ms = ? WHERE n = ? AND begun_ms = 0", (at_ms, n))

    def of_request(self, request: int) -> Erasure | None:
        row = self.row(f"SELECT {_COLUMNS} FROM erasure WHERE request = ?", request)  # noqa: S608 # our own column names
        return Erasure(*row) if row else None

    def one(self, n: int) -> Erasure | None:
        row = self.row(f"SELECT {_COLUMNS} FROM erasure WHERE n = ?", n)  # noqa: S608 # our own column names
        return Erasure(*row) if row else None

    def all(self) -> list[Erasure]:
        """Every erasure, newest first."""
        return [Erasure(*row) for row in self.rows(f"SELECT {_COLUMNS} FROM erasure ORDER BY n DESC")]  # noqa: S608

    def steps(self, n: int) -> dict[str, tuple[Counts, bool]]:
        """Place -> what was erased there so far, and whether that is all."""
        rows = self.rows("SELECT place, counts, done FROM step WHERE erasure = ? ORDER BY place", n)
        return {place: (json.loads(counts), bool(done)) for place, counts, done in rows}

    def stepped(self, n: int, place: str, counts: Counts, done: bool) -> None:
        """Adds to what was erased at a place."""
        before, _ = self.steps(n).get(place, ({}, False))
        total = {name: before.get(name, 0) + counts.get(name, 0) for name in {**before, **counts}}
        with self.writing() as conn:
            conn.execute(
                "INSERT OR REPLACE INTO step (erasure, place, counts, done) VALUES (?, ?, ?, ?)",
                (n, place, json.dumps(total, sort_keys=True), done),
            )

    def certified(self, n: int, certificate: bytes, signature: bytes, at_ms: int, who: str) -> None:
        """It is signed; whoever is cut off before it is on the audit log does not make another."""
        with self.writing() as conn:
            sql = "UPDATE erasure SET certificate = ?, signature = ?, done_by = ? WHERE n = ? AND certificate = x''"
            conn.execute(sql, (certificate, signature, who, n))

    def finished(self, n: int, entry: int, at_ms: int) -> None:
        """It is on the audit log: nothing is left here by which the number could be found."""
        with self.writing() as conn:
            conn.execute("UPDATE erasure SET done_ms = ?, entry = ?, subject = x'' WHERE n = ?", (at_ms, entry, n))
        empty_log(self.conn)

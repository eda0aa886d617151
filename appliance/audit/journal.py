"""The auditor's own store: every entry in its place, and how far each source has come.

Trust: this file is what the log is built from, and it is not secret. Who can change it before the next checkpoint (at
most a second) can change what will be signed; who changes it later is found out, because tiles and checkpoints no longer
agree with it. The columns beside `entry` are computed by SQLite from the entry itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from appliance.errors import Error
from appliance.store import Connection, DatabaseError, OperationalError, migrate, open_store, settle, transaction

from .pruning import MINIMUM

MIGRATIONS = Migrations("audit")

FIRST: Final = (
    "CREATE TABLE source(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, last INTEGER NOT NULL) STRICT",
    """CREATE TABLE entry(place INTEGER PRIMARY KEY, entry TEXT NOT NULL, source INTEGER, n INTEGER,
    what TEXT GENERATED ALWAYS AS (entry ->> '$.what') VIRTUAL,
    who TEXT GENERATED ALWAYS AS (entry ->> '$.who') VIRTUAL) STRICT""",
    "CREATE INDEX entry_what ON entry(what)",
    "CREATE INDEX entry_who ON entry(who)",
    "CREATE UNIQUE INDEX entry_source ON entry(source, n) WHERE source IS NOT NULL",
    "CREATE TABLE said(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
)


@MIGRATIONS()
def first(db: Database) -> None:
    for statement in FIRST:
        db.execute(statement)


#: What is searched for besides: what an entry is about, what did not go well, and when. Most outcomes are `ok`: no index of these.
SEARCHED: Final = (
    """ALTER TABLE entry ADD COLUMN "on" TEXT GENERATED ALWAYS AS (entry ->> '$.on') VIRTUAL""",
    "ALTER TABLE entry ADD COLUMN outcome TEXT GENERATED ALWAYS AS (entry ->> '$.outcome') VIRTUAL",
    "ALTER TABLE entry ADD COLUMN at TEXT GENERATED ALWAYS AS (entry ->> '$.at') VIRTUAL",
    """CREATE INDEX entry_on ON entry("on")""",
    "CREATE INDEX entry_bad ON entry(outcome) WHERE outcome <> 'ok'",
    "CREATE INDEX entry_at ON entry(at)",
)


@MIGRATIONS()
def searched(db: Database) -> None:
    for statement in SEARCHED:
        db.execute(statement)


class Sought(NamedTuple):
    """What is looked for; empty: everything. Times are RFC 3339 as entries have them: from `since` on, before `until`."""

    what: str = ""
    who: str = ""
    on: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""


#: Field of Sought -> its condition.
_CONDITIONS: Final = {
    "what": "what = ?",
    "who": "who = ?",
    "on": '"on" = ?',
    "outcome": "outcome = ?",
    "since": "at >= ?",
    "until": "at < ?",
}


class Call(NamedTuple):
    """Entries of one `append`, in canonical form. `first` 0: they carry no numbers."""

    source: str
    first: int
    entries: Sequence[bytes]


class Outcome(NamedTuple):
    """What became of a Call: size of the log after it, or why it was refused, and whether numbers were missing."""

    size: int
    error: Error | None = None
    gap: tuple[int, int] | None = None  # expected and got


class Journal:
    """The store's hands. Usable from one thread at a time; `read_only` for every thread but the writer's."""

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self._conn: Connection = open_store(path, read_only)
        if not read_only:
            settle(self._conn)
            migrate(self._conn, MIGRATIONS)

    def close(self) -> None:
        self._conn.close()

    # --- reading -------------------------------------------------------------------------------------------

    def size(self) -> int:
        """How many entries there are. Raises Error `audit_invalid` when the places have a hole."""
        first = self.first()
        lowest, last = self._conn.execute(
            "SELECT (SELECT min(place) FROM entry), (SELECT max(place) FROM entry)"
        ).fetchone()
        if last is None:
            return 0
        if lowest != first:
            raise Error(
                "audit_invalid",
                "the first entries are missing from the audit store",
                "keep it as evidence; see the audit page",
            )
        return int(last) + 1

    def first(self) -> int:
        """Number of the first entry that was not pruned."""
        return int(self.said(MINIMUM) or 0)

    def newest(self, low: int, high: int) -> str:
        """The newest time of entries `low` to `high` - 1."""
        asked = "SELECT max(at) FROM entry WHERE place >= ? AND place < ?"
        return str(self._conn.execute(asked, (low, high)).fetchone()[0] or "")

    def entries(self, low: int, high: int) -> Iterator[bytes]:
        """Entries `low` to `high` - 1 in order, read as they are used. Raises Error `audit_invalid` at a hole."""
        expected = low
        for place, text in self._conn.execute(
            "SELECT place, entry FROM entry WHERE place >= ? AND place < ? ORDER BY place", (low, high)
        ):
            if place != expected:
                break
            expected += 1
            yield text.encode()
        if expected != high:
            raise Error("audit_invalid", f"entry {expected} is missing from the audit store", place=expected)

    def page(self, before: int | None, limit: int, sought: Sought) -> list[tuple[int, str]]:
        """At most `limit` entries older than place `before`, newest first."""
        where, values = self._where(sought)
        return list(
            self._conn.execute(
                f"SELECT place, entry FROM entry WHERE place < ?{where} ORDER BY place DESC LIMIT ?",  # noqa: S608 constant names
                (2**62 if before is None else before, *values, limit),
            )
        )

    def found(self, before: int, sought: Sought) -> Iterator[tuple[int, str]]:
        """Every entry older than place `before`, oldest first, read as it is used."""
        where, values = self._where(sought)
        asked = f"SELECT place, entry FROM entry WHERE place < ?{where} ORDER BY place"  # noqa: S608 constant names
        yield from self._conn.execute(asked, (before, *values))

    @staticmethod
    def _where(sought: Sought) -> tuple[str, list[str]]:
        filters = [(_CONDITIONS[name], value) for name, value in sought._asdict().items() if value]
        where = "".join(f" AND {condition}" for condition, _ in filters)
        if sought.outcome in ("refused", "failed"):
            where += " AND outcome <> 'ok'"  # so that the index of these is one that serves
        return where, [value for _, value in filters]

    def said(self, name: str) -> str | None:
        """A thing to remember: `vkey`, `checkpoint`, `at_ms`."""
        row = self._conn.execute("SELECT value FROM said WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    # --- writing -------------------------------------------------------------------------------------------

    def say(self, **values: str) -> None:
        """Remembers things, durably and together."""
        self._transaction(
            lambda: self._conn.executemany(
                "INSERT OR REPLACE INTO said(name, value) VALUES (?, ?)", list(values.items())
            )
        )

    def prune(self, minimum: int) -> None:
        """Removes the entries before `minimum`, and remembers that they were."""

        def write() -> None:
            self._conn.execute("DELETE FROM entry WHERE place < ?", (minimum,))
            self._conn.execute("INSERT OR REPLACE INTO said(name, value) VALUES (?, ?)", (MINIMUM, str(minimum)))

        self._transaction(write)

    def commit(self, size: int, calls: Sequence[Call]) -> list[Outcome]:
        """Adds the entries of all `calls` after the first `size` in one transaction: all of it is durable, or nothing is.

        What a source sent before is skipped. A call refused for itself alone comes back with its error.
        Raises Error `store_full` or `store_damaged` when nothing was written.
        """
        outcomes: list[Outcome] = []

        def write() -> None:
            at = size
            for call in calls:
                outcome = self._add(at, call)
                at = outcome.size
                outcomes.append(outcome)

        self._transaction(write)
        return outcomes

    def _add(self, size: int, call: Call) -> Outcome:
        if not call.first:
            self._insert([(size + i, e.decode(), None, None) for i, e in enumerate(call.entries)])
            return Outcome(size + len(call.entries))
        source, last = self._source(call.source)
        known = max(0, min(last + 1 - call.first, len(call.entries)))
        stored = [
            row[0].encode()
            for row in self._conn.execute(
                "SELECT entry FROM entry WHERE source = ? AND n >= ? AND n < ? ORDER BY n",
                (source, call.first, call.first + known),
            )
        ]
        if stored != list(call.entries[:known]):
            return Outcome(size, _renumbered(call.source))
        numbered = list(enumerate(call.entries, call.first))[known:]
        if not numbered:
            return Outcome(size)
        self._insert([(size + i, e.decode(), source, n) for i, (n, e) in enumerate(numbered)])
        self._conn.execute("UPDATE source SET last = ? WHERE id = ?", (numbered[-1][0], source))
        gap = None if numbered[0][0] == last + 1 else (last + 1, numbered[0][0])
        return Outcome(size + len(numbered), None, gap)

    def _source(self, name: str) -> tuple[int, int]:
        self._conn.execute("INSERT INTO source(name, last) VALUES (?, 0) ON CONFLICT DO NOTHING", (name,))
        source, last = self._conn.execute("SELECT id, last FROM source WHERE name = ?", (name,)).fetchone()
        return source, last

    def _insert(self, rows: list[tuple[int, str, int | None, int | None]]) -> None:
        self._conn.executemany("INSERT INTO entry(place, entry, source, n) VALUES (?, ?, ?, ?)", rows)

    def _transaction(self, write: Callable[[], Any]) -> None:
        try:
            with transaction(self._conn):
                write()
        except DatabaseError as e:
            if isinstance(e, OperationalError):
                raise Error("store_full", f"the audit store cannot be written: {e}", "free space on its disk") from None
            raise Error("store_damaged", f"the audit store is damaged: {e}", "keep it as evidence") from None


def _renumbered(source: str) -> Error:
    return Error(
        "audit_invalid",
        f"{source} sent other entries under numbers it used before",
        "its store was restored or altered; nothing of it is taken until that is explained",
    )

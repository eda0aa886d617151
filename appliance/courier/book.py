"""What is still to be told to the bank: the courier's own store and every statement on it.

Trusted for what was said to whom, not for what is said: who can change this file can drop, repeat or alter a status on its
way to the bank's callback, and learns message ids, statuses, times and the bank's host names. It cannot read or write a callback
address, a reference or metadata: those stay sealed, bound to the message's id. So does what a customer wrote, with the number; no
number is here in clear. The text of a message is
here, sealed, only between the call that brings it and the sorting that follows; what is kept then is the Label, sealed anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlite_utils import Database, Migrations

from appliance.message import RECEIVED, REDACTED
from appliance.store import empties, migrate, open_store, run_script, transaction

MIGRATIONS: Final = Migrations("casemate.courier")

_SCHEMA: Final = """
CREATE TABLE source (
    name TEXT PRIMARY KEY,
    upto INTEGER NOT NULL              -- number of the last event taken from it
) STRICT;
CREATE TABLE parcel (                  -- one message that something is still to be told about
    id BLOB PRIMARY KEY,               -- the message's
    caller INTEGER NOT NULL,
    key_id INTEGER NOT NULL,
    sealed BLOB NOT NULL,              -- Content (AAD "c" + id) until sorted, then Label (AAD "w" + id)
    host TEXT                          -- host:port; NULL until sorted
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL REFERENCES parcel(id),
    status INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    error TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_ms INTEGER NOT NULL,
    host TEXT                          -- the parcel's, while this is its message's first open event; else NULL
) STRICT;
CREATE INDEX event_of_parcel ON event(id, n);
CREATE INDEX event_due ON event(host, next_ms) WHERE host IS NOT NULL;
CREATE INDEX parcel_unsorted ON parcel(id) WHERE host IS NULL;
CREATE TABLE tally (
    name TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT;
"""

_UNTOLD: Final = (
    "SELECT n, event.id, status, at_ms, received_ms, attempts, next_ms, coalesce(parcel.host, ''), caller"
    " FROM event JOIN parcel ON parcel.id = event.id"
)


@MIGRATIONS(name="0001 parcels and events")
def _first(db: Database) -> None:
    run_script(db, _SCHEMA)


@MIGRATIONS(name="0002 customers' messages")
def _second(db: Database) -> None:
    # What a customer wrote: `id` is of message and webhook together, `sealed` a Received until it is sorted.
    db.conn.execute("ALTER TABLE parcel ADD COLUMN received INTEGER NOT NULL DEFAULT 0")


@MIGRATIONS(name="0003 workflows")
def _third(db: Database) -> None:
    # What a workflow tells: the run and the step that wait for the outcome.
    db.conn.execute("ALTER TABLE parcel ADD COLUMN flow BLOB")


class Parcel(NamedTuple):
    """A message's sealed attachment as it came, not yet sorted; `received`: it is what a customer wrote."""

    id: bytes
    key_id: int
    sealed: bytes
    received: bool = False


class Due(NamedTuple):
    """One status whose turn it is."""

    n: int
    id: bytes
    status: int
    at_ms: int
    error: str
    received_ms: int
    attempts: int
    host: str
    caller: int
    key_id: int
    sealed: bytes


class Sorted(NamedTuple):
    """What sorting found: the host to call and the label sealed anew, or `host` None when it can never be told."""

    id: bytes
    host: str | None
    sealed: bytes
    tally: str = "refused"  # what its events count as when it goes nowhere


class Outcome(NamedTuple):
    """How an attempt ended: `next_ms` None when the event is over, else when it is tried again; `tally` is what it counts as."""

    n: int
    id: bytes
    next_ms: int | None
    tally: str


class Book:
    """The store, used by one process and one thread. Every method that writes returns after the commit."""

    def __init__(self, path: Path) -> None:
        self._conn = open_store(path)
        migrate(self._conn, MIGRATIONS)
        self._conn.execute(
            "PRAGMA secure_delete=ON"
        )  # what was told or erased leaves nothing in free places of the file

    def close(self) -> None:
        self._conn.close()

    def take(self, source: str, first: int, events: Sequence[Sequence[Any]], now_ms: int) -> int:
        """Writes down `events` numbered from `first` within `source`, skipping what was taken before; the last number taken.

        An event is [message_id, key_id, sealed_content, status, at_ms, error, caller]. REDACTED instead of a status
        drops everything still held of that message.
        """
        conn = self._conn
        with transaction(conn):
            upto = self._upto(source)
            new = events[max(upto + 1 - first, 0) :]
            fresh = [e for e in new if e[3] != REDACTED]
            conn.executemany(
                "INSERT INTO parcel(id, caller, key_id, sealed) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(e[0], e[6], e[1], e[2]) for e in fresh],
            )
            conn.executemany(
                "INSERT INTO event(id, status, at_ms, error, received_ms, next_ms, host) VALUES (?1, ?2, ?3, ?4, ?5, ?5, "
                "(SELECT host FROM parcel WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM event WHERE id = ?1)))",
                [(e[0], e[3], e[4], e[5], now_ms) for e in fresh],
            )
            self._forget([(e[0],) for e in new if e[3] == REDACTED])
            return self._taken(source, max(upto, first + len(events) - 1))

    def take_received(
        self, source: str, first: int, count: int, rows: Sequence[tuple[int, bytes, int, int, bytes, int]], now_ms: int
    ) -> int:
        """Writes down what customers wrote, `count` messages numbered from `first`; the last number taken.

        `rows`: (number of the message, id of the parcel, caller whose secret signs, key_id, sealed, at_ms), one for each webhook.
        """
        conn = self._conn
        with transaction(conn):
            upto = self._upto(source)
            fresh = [row[1:] for row in rows if row[0] > upto]
            conn.executemany(
                "INSERT INTO parcel(id, caller, key_id, sealed, received) VALUES (?, ?, ?, ?, 1) ON CONFLICT DO NOTHING",
                [row[:4] for row in fresh],
            )
            conn.executemany(
                "INSERT INTO event(id, status, at_ms, error, received_ms, next_ms) VALUES (?1, ?2, ?3, '', ?4, ?4)",
                [(row[0], RECEIVED, row[4], now_ms) for row in fresh],
            )
            return self._taken(source, max(upto, first + count - 1))

    def _upto(self, source: str) -> int:
        """The last number taken of a source."""
        row = self._conn.execute("SELECT upto FROM source WHERE name = ?", (source,)).fetchone()
        return int(row[0]) if row else 0

    def _taken(self, source: str, upto: int) -> int:
        sql = "INSERT INTO source(name, upto) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET upto = excluded.upto"
        self._conn.execute(sql, (source, upto))
        return upto

    def take_letter(
        self, id_: bytes, kind: int, caller: int, key_id: int, sealed: bytes, host: str, flow: bytes | None, now_ms: int
    ) -> None:
        """What a workflow or the console tells, sorted already; the same again changes nothing while it is due."""
        conn = self._conn
        with transaction(conn):
            put = conn.execute(
                "INSERT INTO parcel(id, caller, key_id, sealed, host, flow) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (id_, caller, key_id, sealed, host, flow),
            )
            if put.rowcount == 1:
                conn.execute(
                    "INSERT INTO event(id, status, at_ms, error, received_ms, next_ms, host) VALUES (?1, ?2, ?3, '', ?3, ?3, ?4)",
                    (id_, kind, now_ms, host),
                )

    def events_of(self, id_: bytes) -> list[tuple[int, int, str]]:
        """(status, at_ms, error) of what waits to be told of a message."""
        return list(
            self._conn.execute("SELECT status, at_ms, error FROM event WHERE id = ? ORDER BY n", (id_,)).fetchall()
        )

    def flow_of(self, id_: bytes) -> bytes | None:
        """The run and step that wait for the outcome of a parcel."""
        row = self._conn.execute("SELECT flow FROM parcel WHERE id = ?", (id_,)).fetchone()
        return bytes(row[0]) if row and row[0] is not None else None

    def unsorted(self, limit: int) -> list[Parcel]:
        sql = "SELECT id, key_id, sealed, received FROM parcel WHERE host IS NULL LIMIT ?"
        return [Parcel(i, key_id, sealed, bool(of)) for i, key_id, sealed, of in self._conn.execute(sql, (limit,))]

    def sort(self, found: Iterable[Sorted]) -> None:
        """Records where parcels go, and forgets those that can go nowhere, with their events."""
        conn = self._conn
        found = list(found)
        kept = [(s.host, s.sealed, s.id) for s in found if s.host is not None]
        lost = [(s.id,) for s in found if s.host is None and s.tally == "refused"]
        runs = [(s.id,) for s in found if s.host is None and s.tally != "refused"]
        with transaction(conn):
            conn.executemany("UPDATE parcel SET host = ?, sealed = ? WHERE id = ?", kept)
            conn.executemany(
                "UPDATE event SET host = ?1 WHERE n = (SELECT min(n) FROM event WHERE id = ?2)",
                [(host, id_) for host, _, id_ in kept],
            )
            gone = conn.executemany("DELETE FROM event WHERE id = ?", lost).rowcount if lost else 0
            heard = conn.executemany("DELETE FROM event WHERE id = ?", runs).rowcount if runs else 0
            conn.executemany("DELETE FROM parcel WHERE id = ?", lost + runs)
            self._count({"refused": max(gone, 0), "workflow": max(heard, 0)})

    def hosts(self) -> list[str]:
        """Every host that something waits for, by skipping through the index: its cost is the number of hosts."""
        rows = self._conn.execute(
            "WITH RECURSIVE h(host) AS (SELECT min(host) FROM event WHERE host IS NOT NULL UNION ALL "
            "SELECT (SELECT min(host) FROM event WHERE host > h.host) FROM h WHERE h.host IS NOT NULL) "
            "SELECT host FROM h WHERE host IS NOT NULL"
        )
        return [row[0] for row in rows]

    def due(self, host: str, now_ms: int, limit: int) -> list[Due]:
        """What may be told to `host` now, longest due first; of each message at most its first open event."""
        rows = self._conn.execute(
            "SELECT n, event.id, status, at_ms, error, received_ms, attempts, event.host, caller, key_id, sealed "
            "FROM event JOIN parcel ON parcel.id = event.id WHERE event.host = ? AND next_ms <= ? ORDER BY next_ms LIMIT ?",
            (host, now_ms, limit),
        )
        return [Due(*row) for row in rows]

    def next_ms(self, host: str, now_ms: int) -> int | None:
        """When the next event for `host` that is not due yet will be, None when there is none."""
        row = self._conn.execute(
            "SELECT min(next_ms) FROM event WHERE host = ? AND next_ms > ?", (host, now_ms)
        ).fetchone()
        return row[0] if row else None

    def settle(self, outcomes: Iterable[Outcome], now_ms: int) -> None:
        """Records how attempts ended. After an event that is over, the message's next one is due at once."""
        conn = self._conn
        outcomes = list(outcomes)
        over = [(o.n,) for o in outcomes if o.next_ms is None]
        after = [(o.id,) for o in outcomes if o.next_ms is None]
        with transaction(conn):
            conn.executemany(
                "UPDATE event SET attempts = attempts + 1, next_ms = ? WHERE n = ?",
                [(o.next_ms, o.n) for o in outcomes if o.next_ms is not None],
            )
            conn.executemany("DELETE FROM event WHERE n = ?", over)
            conn.executemany(
                "UPDATE event SET host = (SELECT host FROM parcel WHERE id = ?1), next_ms = min(next_ms, ?2) "
                "WHERE n = (SELECT min(n) FROM event WHERE id = ?1)",
                [(id_, now_ms) for (id_,) in after],
            )
            conn.executemany(
                "DELETE FROM parcel WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM event WHERE id = ?1)", after
            )
            counts: dict[str, int] = {}
            for o in outcomes:
                counts[o.tally] = counts.get(o.tally, 0) + 1
            self._count(counts)

    def forget(self, ids: list[bytes]) -> None:
        """Drops everything still to be told about these."""
        conn = self._conn
        with transaction(conn):
            self._forget([(each,) for each in ids])

    def under(self, key_id: int, limit: int) -> tuple[list[tuple[bytes, bytes]], int]:
        """(id, sealed label) of parcels that are sorted and under a key; and how many are under it that are not sorted yet."""
        rows = self._conn.execute(
            "SELECT id, sealed FROM parcel WHERE key_id = ? AND host IS NOT NULL LIMIT ?", (key_id, limit)
        ).fetchall()
        sql = "SELECT count(*) FROM parcel WHERE key_id = ? AND host IS NULL"
        return rows, int(self._conn.execute(sql, (key_id,)).fetchone()[0])

    def reseal(self, rows: Iterable[tuple[bytes, int, bytes, int]]) -> None:
        """(sealed anew, its key, id, the key before) of labels; one that is gone meanwhile is gone."""
        conn = self._conn
        with transaction(conn):
            conn.executemany("UPDATE parcel SET sealed = ?, key_id = ? WHERE id = ? AND key_id = ?", list(rows))

    def scrub(self) -> bool:
        """Empties the write-ahead log into the file: what was erased is then in neither. False: somebody stood in the way."""
        return empties(self._conn)

    def _forget(self, ids: list[tuple[bytes]]) -> None:
        """Drops everything still to be told about these messages, inside the caller's transaction."""
        if ids:
            gone = self._conn.executemany("DELETE FROM event WHERE id = ?", ids).rowcount
            self._conn.executemany("DELETE FROM parcel WHERE id = ?", ids)
            self._count({"forgotten": max(gone, 0)})

    def waiting(self, host: str, before: int | None, limit: int, of: bytes = b"") -> list[tuple[Any, ...]]:
        """What is still to be told, newest first: (n, id, status, at_ms, received_ms, attempts, next_ms, host, caller).

        `host` "": to any; `of`: of one message only.
        """
        if of:
            return self._conn.execute(f"{_UNTOLD} WHERE event.id = ? ORDER BY n DESC LIMIT ?", (of, limit)).fetchall()
        sql = f"{_UNTOLD} WHERE n < ? AND (? = '' OR parcel.host = ?) ORDER BY n DESC LIMIT ?"
        return self._conn.execute(sql, (1 << 62 if before is None else before, host, host, limit)).fetchall()

    def hasten(self, host: str, now_ms: int) -> int:
        """Makes what waits for its time due at once; how many messages."""
        conn = self._conn
        with transaction(conn):
            done = conn.execute(
                "UPDATE event SET next_ms = ?1 WHERE host = ?2 AND next_ms > ?1", (now_ms, host)
            ).rowcount
        return max(done, 0)

    def tallies(self) -> dict[str, int]:
        """How many events ended which way since this store was made."""
        return dict(self._conn.execute("SELECT name, count FROM tally ORDER BY name").fetchall())

    def pending(self) -> tuple[int, int | None]:
        """How many events are still to be told, and when the oldest of them was received."""
        count, oldest = self._conn.execute("SELECT count(*), min(received_ms) FROM event").fetchone()
        return count, oldest

    def _count(self, counts: dict[str, int]) -> None:
        self._conn.executemany(
            "INSERT INTO tally(name, count) VALUES (?1, ?2) ON CONFLICT(name) DO UPDATE SET count = count + ?2",
            [(name, n) for name, n in counts.items() if n],
        )

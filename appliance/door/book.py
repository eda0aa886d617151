"""What is still to be handed to the bank's systems: the door's own store of letters and every statement on it.

A letter is a receipt or a customer's message, due to one account. Trusted for what was handed to whom, not for what it says: who
can change this file can drop, repeat or redirect letters between accounts of this box and change a status, and learns accounts,
message ids, times, short codes and numbers of the bank's own that were written to, and statuses. They cannot read or forge a customer's number or a text:
both are sealed as in the day's partition, bound to the message's id, and are opened only when they are handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlite_utils import Database, Migrations

from appliance.message import EXPIRED, NOTIFY_ACCOUNT_SHIFT, REDACTED, REJECTED
from appliance.store import empties, migrate, open_store, run_script, transaction

MIGRATIONS: Final = Migrations("casemate.door")

#: Instead of a message's status: the letter is a customer's message.
INBOUND: Final = -1

_SCHEMA: Final = """
CREATE TABLE source (
    name TEXT PRIMARY KEY,
    upto INTEGER NOT NULL              -- number of the last row taken from it
) STRICT;
CREATE TABLE letter (
    n INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of an account's letters; never given twice
    account INTEGER NOT NULL,
    id BLOB NOT NULL,                  -- the message's
    status INTEGER NOT NULL,           -- a final status, or -1: a customer's message
    at_ms INTEGER NOT NULL,
    error TEXT NOT NULL,
    recipient TEXT NOT NULL,           -- the bank's number or short code that a customer wrote to
    link TEXT NOT NULL,                -- the link that a customer's message came over
    key_id INTEGER NOT NULL,
    number BLOB NOT NULL,              -- a customer's message: sealed, AAD "n" + id
    content BLOB NOT NULL,             -- sealed, AAD "c" + id
    received_ms INTEGER NOT NULL,
    aside TEXT                         -- why it is not tried any more
) STRICT;
CREATE INDEX letter_due ON letter(account, n) WHERE aside IS NULL;
CREATE INDEX letter_aside ON letter(account) WHERE aside IS NOT NULL;
CREATE INDEX letter_id ON letter(id);
CREATE TABLE tally (
    name TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT;
"""
_INSERT: Final = (
    "INSERT INTO letter(account, id, status, at_ms, error, recipient, link, key_id, number, content, received_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_DUE: Final = (
    "SELECT n, account, id, status, at_ms, error, recipient, link, key_id, number, content, received_ms FROM letter"
    " WHERE account = ? AND n > ? AND aside IS NULL ORDER BY n LIMIT ?"
)


@MIGRATIONS(name="0001 letters")
def _first(db: Database) -> None:
    run_script(db, _SCHEMA)


class Letter(NamedTuple):
    """One receipt or customer's message, still sealed."""

    n: int
    account: int
    id: bytes
    status: int
    at_ms: int
    error: str
    recipient: str
    link: str
    key_id: int
    number: bytes
    content: bytes
    received_ms: int


class Gone(NamedTuple):
    """A letter that left the book without having been handed over."""

    n: int
    account: int


class Taken(NamedTuple):
    """What became of a call from an engine: the last number taken, who has letters now, which letters were forgotten."""

    upto: int
    accounts: set[int]
    gone: list[Gone]


#: account number told with the message, API key's number -> the account that is told, None: nobody is.
Addressee = Callable[[int, int], int | None]


class Book:
    """The store, used by one process and one thread. Every method that writes returns after the commit."""

    def __init__(self, path: Path) -> None:
        self._conn = open_store(path)
        migrate(self._conn, MIGRATIONS)
        self._conn.execute(
            "PRAGMA secure_delete=ON"
        )  # what was handed over or erased leaves nothing in free places of the file
        rows = self._conn.execute("SELECT account, aside IS NOT NULL, count(*) FROM letter GROUP BY 1, 2").fetchall()
        self._counts: dict[
            int, list[int]
        ] = {}  # account -> [due, set aside]: counting a million takes too long each time
        for account, aside, count in rows:
            self._count_of(account)[aside] = count

    def close(self) -> None:
        self._conn.close()

    # --- from the engine ------------------------------------------------------------------------------------

    def take_events(
        self, source: str, first: int, events: Sequence[Sequence[Any]], addressee: Addressee, now_ms: int
    ) -> Taken:
        """Writes down statuses numbered from `first` within `source`, skipping what was taken before.

        An event is [message_id, key_id, sealed_content, status, at_ms, error, caller, notify]. REDACTED instead of a
        status, or an empty content, drops everything still held of that message.
        """
        rows, redacted, unclaimed = [], [], 0
        new = self._new(source, first, events)
        for message_id, key_id, content, status, at_ms, error, caller, notify in new:
            if status == REDACTED or not content:
                redacted.append(message_id)
                continue
            account = addressee(notify >> NOTIFY_ACCOUNT_SHIFT, caller)
            if account is None:
                unclaimed += 1
                continue
            rows.append((account, message_id, status, at_ms, error, "", "", key_id, b"", content, now_ms))
        return self._take(source, first + len(events) - 1, rows, redacted, unclaimed)

    def take_inbound(
        self,
        source: str,
        first: int,
        messages: Sequence[Sequence[Any]],
        addressee: Callable[[str], int | None],
        now_ms: int,
    ) -> Taken:
        """Writes down customers' messages in the same way; one that is for no account stays with the engine.

        A message is [id, key_id, sealed_number, recipient, sealed_content, at_ms, link].
        """
        rows, unclaimed = [], 0
        for message_id, key_id, number, recipient, content, at_ms, link in self._new(source, first, messages):
            if not content:
                continue  # erased
            account = addressee(recipient)
            if account is None:
                unclaimed += 1
                continue
            rows.append((account, message_id, INBOUND, at_ms, "", recipient, link, key_id, number, content, now_ms))
        return self._take(source, first + len(messages) - 1, rows, [], unclaimed)

    def _new(self, source: str, first: int, items: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        return items[max(self.upto(source) + 1 - first, 0) :]

    def upto(self, source: str) -> int:
        """The number of the last row taken from `source`."""
        row = self._conn.execute("SELECT upto FROM source WHERE name = ?", (source,)).fetchone()
        return row[0] if row else 0

    def _take(
        self, source: str, upto: int, rows: list[tuple[Any, ...]], redacted: list[bytes], unclaimed: int
    ) -> Taken:
        upto = max(upto, self.upto(source))
        with transaction(self._conn):
            self._conn.executemany(_INSERT, rows)
            gone = [g for message_id in redacted for g in self._drop("DELETE FROM letter WHERE id = ?", (message_id,))]
            self._tally({"forgotten": len(gone), "unclaimed": unclaimed})
            self._conn.execute(
                "INSERT INTO source(name, upto) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET upto = excluded.upto",
                (source, upto),
            )
        accounts = set()
        for row in rows:
            self._count_of(row[0])[0] += 1
            accounts.add(row[0])
        self._discount(gone)
        return Taken(upto, accounts, [Gone(n, account) for n, account, _ in gone])

    # --- to the bank's systems ------------------------------------------------------------------------------

    def due(self, account: int, after: int, limit: int) -> list[Letter]:
        """The account's next letters after number `after`, in order, those set aside not among them."""
        return [Letter(*row) for row in self._conn.execute(_DUE, (account, after, limit))]

    def settle(self, done: Iterable[Letter], aside: Iterable[tuple[Letter, str]]) -> None:
        """Forgets letters that were taken by the bank's system, and sets aside those it refused for good, with the reason."""
        done, aside = list(done), list(aside)
        with transaction(self._conn):
            self._conn.executemany("DELETE FROM letter WHERE n = ?", [(letter.n,) for letter in done])
            self._conn.executemany(
                "UPDATE letter SET aside = ? WHERE n = ?", [(why, letter.n) for letter, why in aside]
            )
            self._tally({"delivered": len(done), "refused": len(aside)})
        for letter in done:
            self._count_of(letter.account)[0] -= 1
        for letter, _ in aside:
            counts = self._count_of(letter.account)
            counts[0] -= 1
            counts[1] += 1

    def bring_back(self, account: int) -> int:
        """The account's letters that were set aside are due again, in their old places; how many."""
        with transaction(self._conn):
            count: int = self._conn.execute(
                "UPDATE letter SET aside = NULL WHERE account = ? AND aside IS NOT NULL", (account,)
            ).rowcount
        counts = self._count_of(account)
        counts[0] += count
        counts[1] -= count
        return count

    def forget(self, ids: Iterable[bytes]) -> list[Gone]:
        """Drops the letters of these messages, or parts of messages."""
        with transaction(self._conn):
            gone = [g for each in ids for g in self._drop("DELETE FROM letter WHERE id = ?", (each,))]
            self._tally({"forgotten": len(gone)})
        self._discount(gone)
        return [Gone(n, account) for n, account, _ in gone]

    def ended_without_engine(self, after: int, limit: int) -> list[Letter]:
        """Receipts after number `after` that may be of a message no engine ever had: its parts did not all come, or were refused."""
        columns = _DUE.split(" FROM ")[0]
        sql = f"{columns} FROM letter WHERE n > ? AND status IN (?, ?) ORDER BY n LIMIT ?"  # constants
        return [Letter(*row) for row in self._conn.execute(sql, (after, EXPIRED, REJECTED, limit))]

    def under(self, key_id: int, after: int, limit: int) -> list[Letter]:
        """Letters after number `after` that are sealed under a key."""
        columns = _DUE.split(" FROM ")[0]
        sql = f"{columns} FROM letter WHERE n > ? AND key_id = ? ORDER BY n LIMIT ?"
        return [Letter(*row) for row in self._conn.execute(sql, (after, key_id, limit))]

    def reseal(self, rows: Sequence[tuple[bytes, bytes, int, int]]) -> None:
        """(number, content, key, n) of letters that are sealed anew; one that is gone meanwhile is gone."""
        with transaction(self._conn):
            self._conn.executemany("UPDATE letter SET number = ?, content = ?, key_id = ? WHERE n = ?", rows)

    def scrub(self) -> bool:
        """Empties the write-ahead log into the file: what was erased is then in neither. False: somebody stood in the way."""
        return empties(self._conn)

    def sweep(self, before_ms: int, limit: int) -> list[Gone]:
        """Drops at most `limit` letters received before a time: nobody came for them. The oldest first."""
        with transaction(self._conn):
            gone = self._drop(
                "DELETE FROM letter WHERE n IN (SELECT n FROM letter ORDER BY n LIMIT ?) AND received_ms < ?",
                (limit, before_ms),
            )
            self._tally({"expired": len(gone)})
        self._discount(gone)
        return [Gone(n, account) for n, account, _ in gone]

    # --- counts ---------------------------------------------------------------------------------------------

    def counts(self) -> dict[int, tuple[int, int]]:
        """Account -> (letters due, letters set aside); without a look at the disk."""
        return {account: (due, aside) for account, (due, aside) in sorted(self._counts.items()) if due or aside}

    def oldest_ms(self, account: int) -> int | None:
        """When the account's oldest letter that is due was received."""
        row = self._conn.execute(
            "SELECT received_ms FROM letter WHERE account = ? AND aside IS NULL ORDER BY n LIMIT 1", (account,)
        ).fetchone()
        return row[0] if row else None

    def reasons(self) -> dict[int, dict[str, int]]:
        """Account -> why letters were set aside -> how many."""
        out: dict[int, dict[str, int]] = {}
        for account, why, count in self._conn.execute(
            "SELECT account, aside, count(*) FROM letter WHERE aside IS NOT NULL GROUP BY 1, 2"
        ):
            out.setdefault(account, {})[why] = count
        return out

    def tallies(self) -> dict[str, int]:
        """How many letters ended which way since this store was made."""
        return dict(self._conn.execute("SELECT name, count FROM tally ORDER BY name").fetchall())

    # --- within one transaction -----------------------------------------------------------------------------

    def _drop(self, delete: str, given: tuple[Any, ...]) -> list[tuple[int, int, int]]:
        rows = self._conn.execute(f"{delete} RETURNING n, account, aside IS NOT NULL", given).fetchall()
        return [(n, account, aside) for n, account, aside in rows]

    def _discount(self, gone: list[tuple[int, int, int]]) -> None:
        for _, account, aside in gone:
            self._count_of(account)[aside] -= 1

    def _count_of(self, account: int) -> list[int]:
        return self._counts.setdefault(account, [0, 0])

    def _tally(self, counts: dict[str, int]) -> None:
        self._conn.executemany(
            "INSERT INTO tally(name, count) VALUES (?1, ?2) ON CONFLICT(name) DO UPDATE SET count = count + ?2",
            [(name, n) for name, n in counts.items() if n],
        )

"""`exemptions.db`: each payer's counters since the last strong authentication, trusted payees, series, and fraud rates as the bank tells them.

Trust: there is no payer's name, account or payee in it: keyed digests, counts and sums. Somebody who can write the file can make a payment look
like a candidate: what is told is not a decision, and what was told and reported is on the audit log.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from appliance.errors import Error
from appliance.store import Connection, DatabaseError, migrate, open_store, transaction

from .exemption_rules import Counters, Rate, counted

T = TypeVar("T")
MIGRATIONS: Final = Migrations("exemptions")
KEPT_MS: Final = (
    400 * 86_400_000
)  # a payer who did nothing for so long has no counters: longer than any article looks back
SWEPT_AT_ONCE: Final = 5_000
_COLUMNS: Final = ", ".join(Counters._fields)


@MIGRATIONS(name="0001_payers")
def _first(db: Database) -> None:
    for statement in _FIRST:
        db.execute(statement)


_FIRST: Final = (
    """CREATE TABLE payer (
        payer BLOB PRIMARY KEY CHECK (length(payer) = 32), -- keyed digest of the API key and the bank's id of the payer
        remote_cents INTEGER NOT NULL,
        remote_count INTEGER NOT NULL,
        contactless_cents INTEGER NOT NULL,
        contactless_count INTEGER NOT NULL,
        access_ms INTEGER NOT NULL,
        changed_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX payer_changed ON payer (changed_ms)",
    """CREATE TABLE payee (
        payer BLOB NOT NULL,
        payee BLOB NOT NULL CHECK (length(payee) = 32), -- keyed digest; of a series with its amount and currency
        what TEXT NOT NULL CHECK (what IN ('trusted', 'series')),
        since_ms INTEGER NOT NULL,
        PRIMARY KEY (payer, payee, what)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE rate (
        kind TEXT NOT NULL,
        quarter TEXT NOT NULL,
        fraud_cents INTEGER NOT NULL,
        total_cents INTEGER NOT NULL,
        told_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        PRIMARY KEY (kind, quarter)
    ) STRICT, WITHOUT ROWID""",
    # A report that is repeated counts once.
    """CREATE TABLE reported (
        reference BLOB PRIMARY KEY CHECK (length(reference) = 32),
        at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX reported_at ON reported (at_ms)",
)


class Payers:
    """One connection; not for two threads at once. Several processes may have the book open."""

    def __init__(self, path: Path) -> None:
        self.conn: Connection = open_store(path)
        migrate(self.conn, MIGRATIONS)

    def act(self, what: Callable[[Payers], T]) -> T:
        """One act in a transaction of its own; raises what it raised, or Error `store_full`."""
        try:
            with transaction(self.conn):
                return what(self)
        except DatabaseError as e:
            raise Error("store_full", "the counters cannot be written", f"free space on the disk ({e})") from None

    def counters(self, payer: bytes) -> Counters:
        row = self.conn.execute(f"SELECT {_COLUMNS} FROM payer WHERE payer = ?", (payer,)).fetchone()  # noqa: S608 # our own column names
        return Counters(*row) if row is not None else Counters()

    def report(
        self, payer: bytes, reference: bytes, kind: str, cents: int, authenticated: bool, at_ms: int
    ) -> tuple[Counters, bool]:
        """The counters after what was done, and whether this report was new: the same reference again changes nothing."""
        now = self.counters(payer)
        fresh = self.conn.execute("INSERT OR IGNORE INTO reported VALUES (?, ?)", (reference, at_ms)).rowcount == 1
        if not fresh:
            return now, False
        now = counted(kind, cents, authenticated, now, at_ms)
        self.conn.execute("INSERT OR REPLACE INTO payer VALUES (?, ?, ?, ?, ?, ?, ?)", (payer, *now, at_ms))
        return now, True

    def is_known(self, payer: bytes, payee: bytes, what: str) -> bool:
        """Whether the payee is trusted, or the series begun. `what`: `trusted` or `series`."""
        found = self.conn.execute(
            "SELECT 1 FROM payee WHERE payer = ? AND payee = ? AND what = ?", (payer, payee, what)
        ).fetchone()
        return found is not None

    def know(self, payer: bytes, payee: bytes, what: str, at_ms: int) -> None:
        self.conn.execute("INSERT OR IGNORE INTO payee VALUES (?, ?, ?, ?)", (payer, payee, what, at_ms))

    def unknow(self, payer: bytes, payee: bytes, what: str) -> bool:
        """Whether there was something to forget."""
        gone = self.conn.execute("DELETE FROM payee WHERE payer = ? AND payee = ? AND what = ?", (payer, payee, what))
        return int(gone.rowcount) == 1

    def forget(self, payer: bytes) -> int:
        """All of a payer; how many rows that were."""
        gone = self.conn.execute("DELETE FROM payee WHERE payer = ?", (payer,)).rowcount
        return int(gone + self.conn.execute("DELETE FROM payer WHERE payer = ?", (payer,)).rowcount)

    def tell_rate(self, kind: str, rate: Rate, who: str, at_ms: int) -> None:
        self.conn.execute("INSERT OR REPLACE INTO rate VALUES (?, ?, ?, ?, ?, ?)", (kind, *rate, at_ms, who))

    def rates(self, kind: str) -> dict[str, Rate]:
        rows = self.conn.execute(
            "SELECT quarter, fraud_cents, total_cents FROM rate WHERE kind = ? ORDER BY quarter DESC LIMIT 8", (kind,)
        )
        return {row[0]: Rate(*row) for row in rows.fetchall()}

    def sweep(self, at_ms: int) -> int:
        """Erases payers of long ago and references that nobody repeats any more; how many rows that were."""
        old = "SELECT payer FROM payer WHERE changed_ms < ? LIMIT ?"
        gone = self.conn.execute(f"DELETE FROM payer WHERE payer IN ({old})", (at_ms - KEPT_MS, SWEPT_AT_ONCE)).rowcount  # noqa: S608
        old = "SELECT reference FROM reported WHERE at_ms < ? LIMIT ?"
        seen = self.conn.execute(
            f"DELETE FROM reported WHERE reference IN ({old})",  # noqa: S608
            (at_ms - 7 * 86_400_000, SWEPT_AT_ONCE),
        ).rowcount
        return int(gone + seen)

    def close(self) -> None:
        self.conn.close()

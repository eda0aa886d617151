"""The outbox: audit entries committed in the transaction of what they tell, and sent to the auditor afterwards, once each.

Not a store of its own: two tables in the store of whoever uses it. Trusted as that store is; who can change it can drop
entries that were not sent yet, and the auditor then records `audit.gap` when numbers are missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import msgspec

from appliance.intercom import Client
from appliance.limits import AUDIT_FORWARD_ENTRIES, AUDIT_FORWARD_OCTETS_MAX
from appliance.store import transaction

from .entry import canonical

_LETTERS = str.maketrans("0123456789", "ghijklmnop")  # an identity never looks like a telephone number


class Outbox:
    """Entries waiting in `conn`. `source` names the process; the store's own random identity is added to it.

    So a store that is made anew numbers from one again without its entries being taken for repetitions.
    """

    def __init__(self, conn: Any, source: str) -> None:
        self._conn = conn
        row = conn.execute("SELECT identity FROM audit_outbox_identity").fetchone()
        assert row is not None, "Outbox.create comes first"
        self.source = f"{source}/{row[0]}"

    @staticmethod
    def create(conn: Any) -> None:
        """Makes the tables unless they are there. Opens and ends no transaction."""
        conn.execute(
            "CREATE TABLE IF NOT EXISTS audit_outbox (n INTEGER PRIMARY KEY AUTOINCREMENT, entry BLOB NOT NULL) STRICT"
        )
        conn.execute("CREATE TABLE IF NOT EXISTS audit_outbox_identity (identity TEXT NOT NULL) STRICT")
        conn.execute(
            "INSERT INTO audit_outbox_identity SELECT ? WHERE NOT EXISTS (SELECT 1 FROM audit_outbox_identity)",
            (_identity(),),
        )

    @staticmethod
    def begin_anew(conn: Any) -> bool:
        """In a store that was restored: another identity, and numbers from one, so that what it says next is not held against what the
        auditor heard under the same numbers after the copy was made. Whether there is an outbox. Opens and ends a transaction.
        """
        if conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit_outbox_identity'").fetchone() is None:
            return False
        with transaction(conn):
            entries = conn.execute("SELECT entry FROM audit_outbox ORDER BY n").fetchall()
            conn.execute("DELETE FROM audit_outbox")
            conn.execute("DELETE FROM sqlite_sequence WHERE name = 'audit_outbox'")
            conn.executemany("INSERT INTO audit_outbox (entry) VALUES (?)", entries)
            conn.execute("UPDATE audit_outbox_identity SET identity = ?", (_identity(),))
        return True

    def put(self, entries: Iterable[dict[str, Any]]) -> None:
        """Adds `entries` inside the caller's transaction. Raises Error `invalid` before anything is written."""
        rows = [(canonical(e),) for e in entries]
        self._conn.executemany("INSERT INTO audit_outbox (entry) VALUES (?)", rows)

    def pending(self, limit: int = AUDIT_FORWARD_ENTRIES) -> tuple[int, list[dict[str, Any]]]:
        """Number of the oldest entry not settled, and up to `limit` consecutive ones from there; `(0, [])` when none."""
        first, octets = 0, 0
        entries: list[dict[str, Any]] = []
        cursor = self._conn.execute("SELECT n, entry FROM audit_outbox ORDER BY n LIMIT ?", (limit,))
        for n, blob in cursor:
            first = first or n
            octets += len(blob)
            if n != first + len(entries) or (entries and octets > AUDIT_FORWARD_OCTETS_MAX):
                break
            entries.append(msgspec.json.decode(blob))
        return first, entries

    def count(self) -> int:
        """How many wait; two looks into the index, however many there are."""
        row = self._conn.execute(
            "SELECT (SELECT max(n) FROM audit_outbox) - (SELECT min(n) FROM audit_outbox) + 1"
        ).fetchone()
        return int(row[0] or 0)

    def settle(self, upto: int) -> None:
        """Forgets every entry up to and with number `upto`: the auditor has them on disk."""
        self._conn.execute("DELETE FROM audit_outbox WHERE n <= ?", (upto,))


def _identity() -> str:
    return os.urandom(8).hex().translate(_LETTERS)


async def forward(outbox: Outbox, client: Client, limit: int = AUDIT_FORWARD_ENTRIES) -> int:
    """One round: sends what is pending and settles it. Returns how many. Raises what the call raises; safe to repeat."""
    first, entries = outbox.pending(limit)
    if entries:
        await client.call("append", {"source": outbox.source, "first": first, "entries": entries})
        outbox.settle(first + len(entries) - 1)
    return len(entries)

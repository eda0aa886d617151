"""What the box remembers of its releases: requests and approvals, the floor, what was withdrawn, what is not on the audit log yet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from appliance.keys import approvals
from appliance.store import Connection, migrate, open_store, transaction

from .schema import MIGRATIONS

_COLUMNS = "number, act, bundle, version, signer, path, reason, asked_by, asked_ms, decided_by, decided_ms, state"


class Request(NamedTuple):
    """One request: what for, and how it stands."""

    number: int
    act: str
    bundle: str
    version: str
    signer: str
    path: str
    reason: str
    asked_by: str
    asked_ms: int
    decided_by: str
    decided_ms: int
    state: str

    @property
    def approval(self) -> approvals.Approval:
        who = (self.reason, self.asked_by, self.asked_ms, self.decided_by, self.decided_ms, self.state)
        return approvals.Approval(self.number, self.act, self.number, *who)


class Book:
    """`updates/updates.db`. Opened for each act and closed after it: acts are rare and their processes short."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def _open(self, reading: bool = False) -> Iterator[Connection]:
        conn = open_store(self.folder / "updates.db")
        try:
            migrate(conn, MIGRATIONS)
            if reading:
                conn.execute("BEGIN")
                yield conn
            else:
                with transaction(conn):
                    yield conn
        finally:
            conn.close()

    # --- requests -----------------------------------------------------------------------------------------

    def ask(self, made: approvals.Approval, bundle: str, version: str, signer: str, path: str) -> int:
        row = (made.act, bundle, version, signer, path, made.reason, made.asked_by, made.asked_ms, made.state)
        with self._open() as conn:
            sql = "INSERT INTO request (act, bundle, version, signer, path, reason, asked_by, asked_ms, state) VALUES (?,?,?,?,?,?,?,?,?)"
            return int(conn.execute(sql, row).lastrowid)

    def requests(self) -> list[Request]:
        """Newest first."""
        with self._open(reading=True) as conn:
            return [Request(*row) for row in conn.execute(f"SELECT {_COLUMNS} FROM request ORDER BY number DESC")]  # noqa: S608

    def request(self, number: int) -> Request | None:
        return next((r for r in self.requests() if r.number == number), None)

    def stand(self, number: int, after: approvals.Approval) -> None:
        with self._open() as conn:
            sql = "UPDATE request SET state = ?, decided_by = ?, decided_ms = ? WHERE number = ?"
            conn.execute(sql, (after.state, after.decided_by, after.decided_ms, number))

    # --- facts --------------------------------------------------------------------------------------------

    def fact(self, name: str, default: str = "") -> str:
        with self._open(reading=True) as conn:
            row = conn.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return row[0] if row else default

    def set_fact(self, name: str, value: str) -> None:
        with self._open() as conn:
            conn.execute("INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)", (name, value))

    def spent(self, kind: str) -> frozenset[str]:
        with self._open(reading=True) as conn:
            return frozenset(row[0] for row in conn.execute("SELECT value FROM spent WHERE kind = ?", (kind,)))

    def spend(self, kind: str, values: list[str], at_ms: int) -> None:
        with self._open() as conn:
            conn.executemany(
                "INSERT OR IGNORE INTO spent (kind, value, at_ms) VALUES (?, ?, ?)", [(kind, v, at_ms) for v in values]
            )

    # --- not on the log yet -------------------------------------------------------------------------------

    def keep_entry(self, entry: dict[str, Any]) -> None:
        with self._open() as conn:
            conn.execute("INSERT INTO unrecorded (entry) VALUES (?)", (json.dumps(entry),))

    def kept_entries(self) -> list[tuple[int, dict[str, Any]]]:
        with self._open(reading=True) as conn:
            return [
                (n, json.loads(text))
                for n, text in conn.execute("SELECT number, entry FROM unrecorded ORDER BY number")
            ]

    def forget_entry(self, number: int) -> None:
        with self._open() as conn:
            conn.execute("DELETE FROM unrecorded WHERE number = ?", (number,))

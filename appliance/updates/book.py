"""What the box remembers of its releases and of cabinets with firmware of hardware: requests and approvals, what became of them, the floor, what was
withdrawn, what is not on the audit log yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.keys import approvals
from appliance.store import Connection, migrate, open_store, transaction

from .hardware import Changed
from .schema import MIGRATIONS

INSTALL: Final = "install-release"
APPLY: Final = "apply-cabinet"
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

    def requests(self, act: str = INSTALL) -> list[Request]:
        """Newest first."""
        with self._open(reading=True) as conn:
            sql = f"SELECT {_COLUMNS} FROM request WHERE act = ? ORDER BY number DESC"  # noqa: S608
            return [Request(*row) for row in conn.execute(sql, (act,))]

    def request(self, number: int, act: str = INSTALL) -> Request | None:
        return next((r for r in self.requests(act) if r.number == number), None)

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

    def leave(self, version: str, why: str, recorded: bool) -> None:
        """A release that the box went back from: by a person, by its health gate, or because no start of it came that far."""
        self.set_fact("left", json.dumps({"version": version, "why": why, "recorded": recorded}))

    def left(self) -> dict[str, Any]:
        """The one that was left last; empty for none."""
        found = json.loads(self.fact("left", "{}"))
        return found if isinstance(found, dict) else {}

    def spent(self, kind: str) -> frozenset[str]:
        with self._open(reading=True) as conn:
            return frozenset(row[0] for row in conn.execute("SELECT value FROM spent WHERE kind = ?", (kind,)))

    def spend(self, kind: str, values: list[str], at_ms: int) -> None:
        with self._open() as conn:
            conn.executemany(
                "INSERT OR IGNORE INTO spent (kind, value, at_ms) VALUES (?, ?, ?)", [(kind, v, at_ms) for v in values]
            )

    # --- cabinets -----------------------------------------------------------------------------------------

    def keep_cabinet(self, request: int, shown: dict[str, Any]) -> None:
        """What was shown of a cabinet when it was asked for: what is approved is this."""
        with self._open() as conn:
            conn.execute("INSERT INTO cabinet (request, shown) VALUES (?, ?)", (request, json.dumps(shown)))

    def cabinet(self, request: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """(what was shown of it, what became of it); empty ones for none."""
        with self._open(reading=True) as conn:
            row = conn.execute("SELECT shown, result FROM cabinet WHERE request = ?", (request,)).fetchone()
        return (json.loads(row[0]), json.loads(row[1])) if row else ({}, {})

    def cabinet_result(self, request: int, result: dict[str, Any]) -> None:
        with self._open() as conn:
            conn.execute("UPDATE cabinet SET result = ? WHERE request = ?", (json.dumps(result), request))

    def change_parts(self, request: int, changed: list[Changed], at_ms: int) -> None:
        """Parts of the inventory that an approved cabinet changed."""
        with self._open() as conn:
            sql = "INSERT INTO part_changed (part, was, now, request, at_ms) VALUES (?, ?, ?, ?, ?)"
            conn.executemany(sql, [(*one, request, at_ms) for one in changed])

    def changed_parts(self) -> list[Changed]:
        """In their order."""
        with self._open(reading=True) as conn:
            return [Changed(*row) for row in conn.execute("SELECT part, was, now FROM part_changed ORDER BY number")]

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

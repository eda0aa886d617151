"""`field.db`: accounts of the serial console, box keys of officers, the challenge that is open, the envelope. Works without the HSM and the network.

Trust: decides who comes in by the serial line, so it is mode 0600 of root on the appliance. Somebody who can read it learns TOTP secrets and box keys
(and needs a password, or the line, besides); passwords and the envelope's PIN are argon2id. Somebody who can write it can let himself in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from sqlite_utils import Database, Migrations

from appliance.store import Connection, migrate, open_store, transaction

from .breakglass import Glass
from .codes import Challenge

MIGRATIONS: Final = Migrations("field")
FAILURES_FREE: Final = 3
WAIT_S_MAX: Final = 900
KEPT_S: Final = 86_400


@MIGRATIONS(name="0001_accounts_glass")
def _first(db: Database) -> None:
    for statement in _FIRST:
        db.execute(statement)


_FIRST: Final = (
    """CREATE TABLE account (
        name TEXT PRIMARY KEY COLLATE NOCASE,
        role TEXT NOT NULL,
        password TEXT NOT NULL, -- argon2id in PHC form
        secret BLOB NOT NULL, -- of TOTP
        used_step INTEGER NOT NULL DEFAULT 0, -- the last code's; it and older ones are not taken again
        created_ms INTEGER NOT NULL
    ) STRICT""",
    "CREATE TABLE failure (subject TEXT NOT NULL, at_s INTEGER NOT NULL) STRICT",
    "CREATE TABLE officer (name TEXT PRIMARY KEY, key BLOB NOT NULL CHECK (length(key) = 32)) STRICT",
    "CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
)


class Account(NamedTuple):
    """One account as stored."""

    name: str
    role: str
    password: str
    secret: bytes
    used_step: int


def wait_s(failures_at_s: list[int], at_s: int) -> int:
    """Seconds until the next try: none for the first three in a day, then 30, doubling to a quarter of an hour. Pure."""
    recent = [f for f in failures_at_s if at_s - f < KEPT_S]
    if len(recent) < FAILURES_FREE:
        return 0
    pause = min(WAIT_S_MAX, 30 << min(10, len(recent) - FAILURES_FREE))
    return max(0, min(pause, max(recent) + pause - at_s))


class Store:
    """Opened for each use: the console sits for weeks and does little."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "field.db"

    @contextmanager
    def open(self) -> Iterator[Connection]:
        conn = open_store(self.path)
        try:
            migrate(conn, MIGRATIONS)
            with transaction(conn):
                yield conn
        finally:
            conn.close()

    def accounts(self) -> list[Account]:
        with self.open() as conn:
            return [
                Account(*r)
                for r in conn.execute("SELECT name, role, password, secret, used_step FROM account ORDER BY name")
            ]

    def account(self, name: str) -> Account | None:
        return next((a for a in self.accounts() if a.name.casefold() == name.casefold()), None)

    def put_account(self, a: Account, at_ms: int) -> None:
        row = (a.name, a.role, a.password, a.secret, a.used_step, at_ms)
        with self.open() as conn:
            conn.execute(
                "INSERT OR REPLACE INTO account (name, role, password, secret, used_step, created_ms) VALUES (?,?,?,?,?,?)",
                row,
            )

    def use_step(self, name: str, step: int) -> bool:
        """Whether this code's step was not used yet: two sessions cannot both have it."""
        with self.open() as conn:
            done = conn.execute("UPDATE account SET used_step = ? WHERE name = ? AND used_step < ?", (step, name, step))
            return bool(done.rowcount)

    def remove_account(self, name: str) -> bool:
        with self.open() as conn:
            return bool(conn.execute("DELETE FROM account WHERE name = ?", (name,)).rowcount)

    def failures(self, subject: str) -> list[int]:
        with self.open() as conn:
            return [r[0] for r in conn.execute("SELECT at_s FROM failure WHERE subject = ?", (subject,))]

    def failed(self, subject: str, at_s: int) -> None:
        with self.open() as conn:
            conn.execute("DELETE FROM failure WHERE at_s < ?", (at_s - KEPT_S,))
            conn.execute("INSERT INTO failure (subject, at_s) VALUES (?, ?)", (subject, at_s))

    def forgive(self, subject: str) -> None:
        with self.open() as conn:
            conn.execute("DELETE FROM failure WHERE subject = ?", (subject,))

    def officers(self) -> dict[str, bytes]:
        with self.open() as conn:
            return dict(conn.execute("SELECT name, key FROM officer ORDER BY name").fetchall())

    def put_officer(self, name: str, key: bytes) -> None:
        with self.open() as conn:
            conn.execute("INSERT OR REPLACE INTO officer (name, key) VALUES (?, ?)", (name, key))

    def fact(self, name: str) -> str:
        with self.open() as conn:
            row = conn.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return row[0] if row else ""

    def set_fact(self, name: str, value: str) -> None:
        with self.open() as conn:
            conn.execute("INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)", (name, value))

    def glass(self) -> Glass | None:
        kept = self.fact("glass")
        if not kept:
            return None
        said = json.loads(kept)
        return Glass(Challenge(*said[0]), said[1], tuple(said[2]), said[3])

    def put_glass(self, glass: Glass) -> None:
        self.set_fact("glass", json.dumps([list(glass.challenge), glass.state, list(glass.answered), glass.until_s]))

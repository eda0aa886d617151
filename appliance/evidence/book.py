"""`evidence.db`: every policy that was ever in force, and how often each rule refused, by the hour.

Trust: nothing about a customer is in it. Who can write this file can make old decisions look as if other rules had held; the audit
log has the digest of the settings at each start of a process, and of every archive that was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from appliance.settings import Settings
from appliance.store import DeskStore

from .policy import Policy

MIGRATIONS: Final = Migrations("evidence")
HOUR_MS: Final = 3_600_000


@MIGRATIONS(name="0001_evidence")
def _first(db: Database) -> None:
    db.execute(
        """CREATE TABLE policy (
        digest TEXT PRIMARY KEY,
        document TEXT NOT NULL -- JSON, as Policy makes it
    ) STRICT"""
    )
    db.execute(
        """CREATE TABLE in_force (
        n INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL, -- a process began to work by it
        process TEXT NOT NULL,
        digest TEXT NOT NULL
    ) STRICT"""
    )
    db.execute(
        """CREATE TABLE refusal (
        hour_ms INTEGER NOT NULL,
        process TEXT NOT NULL,
        code TEXT NOT NULL,
        rule TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (hour_ms, process, code, rule)
    ) STRICT, WITHOUT ROWID"""
    )


class InForce(NamedTuple):
    """That a process began to work by a policy."""

    at_ms: int
    process: str
    digest: str


class Refused(NamedTuple):
    """How often a rule refused a message within an hour."""

    hour_ms: int
    process: str
    code: str
    rule: str
    times: int


#: (code, rule) -> how often.
Refusals = Counter[tuple[str, str]]


class EvidenceBook(DeskStore):
    """Several processes write it, each its own rows."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.home / "evidence.db", MIGRATIONS)

    def began(self, policy: Policy, process: str, at_ms: int) -> None:
        """A process works by this policy from now on; kept once for each change."""
        with self.writing() as conn:
            conn.execute("INSERT OR IGNORE INTO policy (digest, document) VALUES (?, ?)", (policy.digest, policy.text))
            last = conn.execute("SELECT digest FROM in_force WHERE process = ? ORDER BY n DESC LIMIT 1", (process,))
            if (last.fetchone() or ("",))[0] != policy.digest:
                row = (at_ms, process, policy.digest)
                conn.execute("INSERT INTO in_force (at_ms, process, digest) VALUES (?, ?, ?)", row)

    def policy(self, digest: str) -> Policy | None:
        """Raises Error `store_damaged`."""
        row = self.row("SELECT document FROM policy WHERE digest = ?", digest)
        return Policy.read(row[0]) if row else None

    def policies(self) -> list[Policy]:
        return [Policy.read(row[0]) for row in self.rows("SELECT document FROM policy ORDER BY rowid")]

    def in_force(self, from_ms: int, to_ms: int) -> list[InForce]:
        """What was in force in a span of time: what began in it, and of each process what it had then."""
        rows = [InForce(*row) for row in self.rows("SELECT at_ms, process, digest FROM in_force ORDER BY n")]
        before = {row.process: row for row in rows if row.at_ms < from_ms}
        return [*before.values(), *(row for row in rows if from_ms <= row.at_ms < to_ms)]

    def refused(self, counts: Mapping[tuple[str, str], int], process: str, at_ms: int) -> None:
        """Adds to the counts of the hour."""
        hour_ms = at_ms - at_ms % HOUR_MS
        with self.writing() as conn:
            conn.executemany(
                "INSERT INTO refusal (hour_ms, process, code, rule, count) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET count = count + excluded.count",
                [(hour_ms, process, code, rule, count) for (code, rule), count in counts.items()],
            )

    def refusals(self, from_ms: int, to_ms: int) -> list[Refused]:
        """Of whole hours that began within a span of time."""
        sql = (
            "SELECT hour_ms, process, code, rule, count FROM refusal WHERE hour_ms >= ? AND hour_ms < ?"
            " ORDER BY hour_ms, process, code, rule"
        )
        return [Refused(*row) for row in self.rows(sql, from_ms - from_ms % HOUR_MS, to_ms)]

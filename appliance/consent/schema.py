"""The tables of `consent.db`.

Trust: who was suppressed and why is evidence, so decisions are only appended and each is also on the audit log by its number.
Somebody who can read the file learns blind indexes and words, no telephone number: those are sealed under a key that the HSM
derives. Somebody who can write it can have a customer written to again, or never; the audit log then says otherwise.
"""

from __future__ import annotations

from typing import Final

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

MIGRATIONS: Final = Migrations("consent")


@MIGRATIONS(name="0001_decisions")
def _first(db: Database) -> None:
    for statement in _FIRST:
        db.execute(statement)


_FIRST: Final = (
    """CREATE TABLE decision (
        n INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        subject BLOB NOT NULL CHECK (length(subject) = 16), -- blind index of the number
        number BLOB NOT NULL, -- sealed, AAD "s" + subject
        programme TEXT NOT NULL, -- "" for all of them
        action TEXT NOT NULL CHECK (action IN ('stop', 'start')),
        source TEXT NOT NULL CHECK (source IN ('keyword', 'review', 'api', 'import', 'person')),
        word TEXT NOT NULL, -- the keyword, folded; "" without one
        evidence BLOB, -- id of the customer's message
        who TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX decision_subject ON decision (subject)",
    # What a customer wrote decides once, however often it is read again.
    "CREATE UNIQUE INDEX decision_evidence ON decision (evidence, programme) WHERE source = 'keyword'",
    """CREATE TABLE suppressed (
        subject BLOB NOT NULL,
        programme TEXT NOT NULL,
        decision INTEGER NOT NULL, -- its n; no foreign key: an import of a million would look up each
        PRIMARY KEY (subject, programme)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE review (
        n INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        subject BLOB NOT NULL,
        number BLOB NOT NULL,
        programme TEXT NOT NULL,
        word TEXT NOT NULL,
        evidence BLOB NOT NULL, -- id of the customer's message: its text stays where it is, sealed
        closed_ms INTEGER,
        closed_by TEXT,
        outcome TEXT CHECK (outcome IN ('stop', 'none'))
    ) STRICT""",
    "CREATE INDEX review_open ON review (n) WHERE closed_ms IS NULL",
    "CREATE UNIQUE INDEX review_evidence ON review (evidence)",
)

"""The tables of `flows.db`: definitions with all their versions, runs, what has come for them, and each run's story.

Trust: somebody who can read the file learns which workflows ran when, for which blind index, and how they ended; no number, no
parameter, no reply: those are sealed under the day's key until a run ends. Somebody who can write it can change a definition that was
approved by two people, or let a run go on as if something had come; he cannot make a code be approved, and what a definition said when
it was approved is on the audit log by its digest.
"""

from __future__ import annotations

from typing import Final

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

MIGRATIONS: Final = Migrations("flows")


@MIGRATIONS(name="0001_flows")
def _first(db: Database) -> None:
    for statement in _FIRST:
        db.execute(statement)


_FIRST: Final = (
    """CREATE TABLE definition (
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        body TEXT NOT NULL, -- JSON as it was written
        saved_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('draft', 'asked', 'active', 'refused', 'retired')),
        asked_by TEXT NOT NULL DEFAULT '',
        asked_ms INTEGER NOT NULL DEFAULT 0,
        reason TEXT NOT NULL DEFAULT '',
        decided_by TEXT NOT NULL DEFAULT '',
        decided_ms INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (name, version)
    ) STRICT, WITHOUT ROWID""",
    "CREATE UNIQUE INDEX definition_active ON definition (name) WHERE state = 'active'",
    """CREATE TABLE run (
        id BLOB PRIMARY KEY CHECK (length(id) = 16), -- UUIDv7
        workflow TEXT NOT NULL,
        version INTEGER NOT NULL,
        caller INTEGER NOT NULL, -- number of the API key
        caller_name TEXT NOT NULL,
        subject BLOB NOT NULL CHECK (length(subject) = 16), -- blind index of the number
        key_id INTEGER NOT NULL, -- the day's key that `sealed` is under
        sealed BLOB NOT NULL, -- number, locale, variables, reference, callback; AAD "f" + id; empty once it has ended
        machine BLOB NOT NULL, -- machine.Run
        state TEXT NOT NULL, -- these four are of `machine`, to be found by
        phase TEXT NOT NULL,
        effect TEXT NOT NULL, -- what is to be done outside and is not known to be: the outbox
        next_ms INTEGER NOT NULL, -- when time is to be told to it
        wait_ms INTEGER NOT NULL, -- how long it waits at most from when that was written: what a clock set back is held against
        started_ms INTEGER NOT NULL,
        changed_ms INTEGER NOT NULL,
        outcome TEXT NOT NULL DEFAULT '',
        request BLOB UNIQUE, -- MAC of the Idempotency-Key
        request_body BLOB
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX run_due ON run (next_ms) WHERE next_ms > 0",
    "CREATE INDEX run_effect ON run (changed_ms) WHERE effect != ''",
    "CREATE INDEX run_subject ON run (subject)",
    "CREATE INDEX run_person ON run (changed_ms) WHERE phase = 'person'",
    "CREATE INDEX run_reply ON run (phase) WHERE phase IN ('reply', 'sending')",
    "CREATE INDEX run_ended ON run (changed_ms) WHERE phase = 'ended'",
    """CREATE TABLE trace (
        run BLOB NOT NULL,
        n INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        step INTEGER NOT NULL,
        state TEXT NOT NULL,
        heard TEXT NOT NULL, -- a word of the machine's, and the answer as which a reply counted; never a text
        went TEXT NOT NULL,
        PRIMARY KEY (run, n)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE inbox (
        n INTEGER PRIMARY KEY AUTOINCREMENT,
        source BLOB NOT NULL UNIQUE, -- of what it comes from: the same again changes nothing
        run BLOB, -- NULL: a reply, whose run is found by its number
        heard BLOB NOT NULL, -- machine.Heard
        at_ms INTEGER NOT NULL,
        after_ms INTEGER NOT NULL DEFAULT 0, -- not looked at before
        message BLOB, -- of a reply: its id
        key_id INTEGER,
        number BLOB, -- sealed, AAD "n" + message
        content BLOB, -- sealed, AAD "h" + message
        recipient TEXT
    ) STRICT""",
    "CREATE TABLE seen (source BLOB PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE tally (
        workflow TEXT NOT NULL,
        outcome TEXT NOT NULL, -- '' for those that were begun
        n INTEGER NOT NULL,
        PRIMARY KEY (workflow, outcome)
    ) STRICT, WITHOUT ROWID""",
)

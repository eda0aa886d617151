"""The tables of `verify.db`: verifications until a day after their end, counts, and buckets.

Trust: somebody who can read the file learns when how many codes were sent for which purpose; no number, code, payee or amount:
there are blind indexes, keyed MACs, and what a resend needs sealed under the day's key until the verification ends. Somebody
who can write it can end verifications, or give a code more tries and another end; he cannot make a code of his own, or one
for another payment, be accepted: its MAC's key is derived in the HSM. Approvals are on the audit log.
"""

from __future__ import annotations

from typing import Final

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from appliance.audit import Outbox

MIGRATIONS: Final = Migrations("verify")


@MIGRATIONS(name="0001_verifications")
def _first(db: Database) -> None:
    for statement in _FIRST:
        db.execute(statement)


@MIGRATIONS(name="0002_prefixes")
def _prefixes(db: Database) -> None:
    for statement in _PREFIXES:
        db.execute(statement)


@MIGRATIONS(name="0003_flows")
def _flows(db: Database) -> None:
    # The run of a workflow that waits for its end, and the step; NULL once the run knows.
    db.execute("ALTER TABLE verification ADD COLUMN flow BLOB")
    db.execute("CREATE INDEX verification_flow ON verification (id) WHERE flow IS NOT NULL AND state != 'pending'")


@MIGRATIONS(name="0004_handing")
def _handing(db: Database) -> None:
    db.execute(_HANDING)
    # Whose network the number was in, by the settings; counted by it as by prefix, and nothing is judged by that.
    db.execute("ALTER TABLE verification ADD COLUMN operator TEXT NOT NULL DEFAULT ''")
    db.execute(_CARRIER)
    # The run that began it, for good; `flow` is what that run waits for.
    db.execute("ALTER TABLE verification ADD COLUMN run BLOB")
    Outbox.create(db.conn)  # entries that are not on the audit log yet


_HANDING: Final = """CREATE TABLE handing (
    id BLOB PRIMARY KEY CHECK (length(id) = 16), -- of the verification
    sends INTEGER NOT NULL, -- which of its messages
    gateway INTEGER NOT NULL, -- who has it in hand
    key_id INTEGER NOT NULL, -- the day's key that `sealed` is under
    sealed BLOB NOT NULL, -- the message with its code, AAD "m" + id; the row is gone once the engine has it
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID"""

_CARRIER: Final = """CREATE TABLE carrier (
    operator TEXT NOT NULL, -- its name in the settings
    slot INTEGER NOT NULL, -- as of `traffic`
    sent INTEGER NOT NULL,
    approved INTEGER NOT NULL,
    PRIMARY KEY (operator, slot)
) STRICT, WITHOUT ROWID"""

_PREFIXES: Final = (
    # Calling code and three digits: the range of an operator or an area, no number of anybody.
    "ALTER TABLE verification ADD COLUMN prefix TEXT NOT NULL DEFAULT ''",
    """CREATE TABLE traffic (
        prefix TEXT NOT NULL,
        slot INTEGER NOT NULL, -- of five minutes; an approval counts in its send's
        sent INTEGER NOT NULL,
        approved INTEGER NOT NULL,
        PRIMARY KEY (prefix, slot)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE block (
        prefix TEXT PRIMARY KEY,
        why TEXT NOT NULL CHECK (why IN ('conversion', 'velocity', 'person')),
        since_ms INTEGER NOT NULL,
        until_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
)

_FIRST: Final = (
    """CREATE TABLE verification (
        id BLOB PRIMARY KEY CHECK (length(id) = 16), -- UUIDv7
        caller INTEGER NOT NULL, -- number of the API key
        purpose TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'failed', 'cancelled', 'expired')),
        subject BLOB NOT NULL CHECK (length(subject) = 16), -- blind index of the number
        mac BLOB NOT NULL CHECK (length(mac) = 32), -- of the code and all it belongs to
        bound BLOB NOT NULL CHECK (length(bound) IN (0, 32)), -- keyed digest of the payment; empty without one
        key_id INTEGER NOT NULL, -- the day's key that `sealed` is under
        sealed BLOB NOT NULL, -- what a check and a resend need, AAD "v" + id; empty once it has ended
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        sends INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        claimed_ms INTEGER NOT NULL, -- its number's operator is being asked since then; 0: nobody is; -1: it was refused
        request BLOB UNIQUE, -- MAC of the Idempotency-Key
        request_body BLOB,
        resend BLOB, -- MAC of the Idempotency-Key of the newest resend
        checks INTEGER NOT NULL DEFAULT 0 -- of any outcome: so that each check writes its row, and takes as long
    ) STRICT, WITHOUT ROWID""",
    # In place of one that is not there: nobody's, ended, and never swept.
    (
        "INSERT INTO verification VALUES (zeroblob(16), 0, '', 'expired', zeroblob(16), zeroblob(32), x'', 0, x'', 0,"
        " 4611686018427387904, 0, 0, 0, NULL, NULL, NULL, 0)"
    ),
    "CREATE INDEX verification_end ON verification (expires_ms)",
    """CREATE TABLE tally (
        day INTEGER NOT NULL,
        purpose TEXT NOT NULL,
        outcome TEXT NOT NULL, -- created, sent, approved, denied, cancelled
        n INTEGER NOT NULL,
        PRIMARY KEY (day, purpose, outcome)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE failure (
        subject BLOB NOT NULL,
        purpose TEXT NOT NULL,
        wrong INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        PRIMARY KEY (subject, purpose)
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE bucket (name BLOB PRIMARY KEY, full_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID",
)

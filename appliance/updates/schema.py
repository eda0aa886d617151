"""The tables of `updates.db`.

Trust: decides which request was approved, so it belongs to the appliance's own users. Somebody who can write it can make it seem that two
people agreed, or lower the floor; what is installed still has to be signed by a release key, and the audit log says who asked and approved. The same
of a cabinet, which its vendor signs; and one can keep a difference of the hardware's firmware from the alarm.
"""

from __future__ import annotations

from typing import Final

from sqlite_utils import Database, Migrations

MIGRATIONS: Final = Migrations("updates")


@MIGRATIONS(name="0001_requests_facts")
def _first(db: Database) -> None:
    for statement in _FIRST:
        db.execute(statement)


@MIGRATIONS(name="0002_cabinets")
def _cabinets(db: Database) -> None:
    for statement in _CABINETS:
        db.execute(statement)


_FIRST: Final = (
    """CREATE TABLE request (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        act TEXT NOT NULL,
        bundle TEXT NOT NULL, -- root hash of its content: what was approved is this and no other file
        version TEXT NOT NULL,
        signer TEXT NOT NULL, -- fingerprint of the certificate that signed it
        path TEXT NOT NULL, -- where it was when it was asked for
        reason TEXT NOT NULL,
        asked_by TEXT NOT NULL,
        asked_ms INTEGER NOT NULL,
        decided_by TEXT NOT NULL DEFAULT '',
        decided_ms INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL
    ) STRICT""",
    "CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    # kind: withdrawn (root hash of a bundle), nonce (of an officer's approval)
    "CREATE TABLE spent (kind TEXT NOT NULL, value TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (kind, value)) STRICT",
    # Entries of acts that must not wait for the audit log: going back to the release before.
    "CREATE TABLE unrecorded (number INTEGER PRIMARY KEY AUTOINCREMENT, entry TEXT NOT NULL) STRICT",
)
_CABINETS: Final = (
    # JSON: what was shown when it was asked for (devices, versions, signer), and what became of each device.
    "CREATE TABLE cabinet (request INTEGER PRIMARY KEY, shown TEXT NOT NULL, result TEXT NOT NULL DEFAULT '{}') STRICT",
    """CREATE TABLE part_changed (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        part TEXT NOT NULL, -- of the inventory
        was TEXT NOT NULL,
        now TEXT NOT NULL,
        request INTEGER NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT""",
)

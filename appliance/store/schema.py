"""The schema of a day's partition, as migrations. Wide rows never change (but for redaction); what changes is narrow."""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from .behind import GATHERED_MIN, Ended

MIGRATIONS = Migrations("partition")


@MIGRATIONS()
def first(db: Database) -> None:
    run_script(db, FIRST)


@MIGRATIONS()
def second(db: Database) -> None:
    run_script(db, SECOND)


@MIGRATIONS()
def third(db: Database) -> None:
    run_script(db, THIRD)


@MIGRATIONS()
def fourth(db: Database) -> None:
    db.execute("CREATE TABLE sent_as(key INTEGER PRIMARY KEY, sender TEXT NOT NULL) STRICT")


@MIGRATIONS()
def fifth(db: Database) -> None:
    db.execute("CREATE TABLE basis(seq INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")


@MIGRATIONS()
def heard_told(db: Database) -> None:
    """What was heard before there were webhooks for it is told to none."""
    db.execute("INSERT INTO mark SELECT 'heard_told',max(n) FROM heard HAVING max(n) IS NOT NULL")


@MIGRATIONS()
def sixth(db: Database) -> None:
    run_script(db, SIXTH)


@MIGRATIONS()
def tallies_by_moves(db: Database) -> None:
    """A start looks for the tallies written since an index was last put in place: not through all of a day."""
    db.execute("CREATE INDEX tally_upto ON tally(upto)")


@MIGRATIONS()
def ended_in_pieces(db: Database) -> None:
    """A row for some hundred digests instead of one each, whose places in the table were anywhere."""
    db.execute("ALTER TABLE ended RENAME TO ended_singly")
    db.execute("CREATE TABLE ended(n INTEGER PRIMARY KEY, digests BLOB NOT NULL) STRICT")
    index, cursor = Ended("ended_upto", 0), db.conn.cursor()
    for (entry,) in db.execute("SELECT entry FROM ended_singly ORDER BY entry"):
        index.gather([entry], 0)
        if index.enough(GATHERED_MIN):
            index.place_all(cursor)
    index.place_all(cursor)
    db.execute("DROP TABLE ended_singly")


@MIGRATIONS()
def tallies_by_ends(db: Database) -> None:
    """Who looks for messages that failed, of which there may be none in a month, reads no tally that has none. One index for each end but `delivered`."""
    for status in (5, 6, 7, 8, 9):
        db.execute(f"CREATE INDEX tally_end_{status} ON tally(first) WHERE instr(statuses,x'{status:02x}')")


def run_script(db: Database, script: str) -> None:
    """Each statement of a script, which ends at a semicolon at the end of a line; within the transaction of the migration."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)


FIRST = """
CREATE TABLE message(
  seq INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  caller INTEGER NOT NULL,
  class INTEGER NOT NULL,
  encoding INTEGER NOT NULL,
  segments INTEGER NOT NULL,
  sender TEXT NOT NULL,
  calling_code INTEGER NOT NULL,
  number_index BLOB NOT NULL,
  number BLOB NOT NULL,
  content BLOB,
  key_id INTEGER NOT NULL,
  accepted_ms INTEGER NOT NULL,
  send_at_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  webhook INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX message_id ON message(id);
CREATE INDEX message_number ON message(number_index);
CREATE TABLE progress(
  seq INTEGER PRIMARY KEY,
  status INTEGER NOT NULL,
  link INTEGER,
  changed_ms INTEGER NOT NULL,
  sent_ms INTEGER,
  error TEXT
) STRICT;
CREATE TABLE segment(
  key INTEGER PRIMARY KEY,
  status INTEGER NOT NULL,
  link INTEGER NOT NULL,
  submitted_ms INTEGER NOT NULL,
  answered_ms INTEGER,
  operator_id TEXT,
  receipted_ms INTEGER,
  error TEXT
) STRICT;
CREATE INDEX segment_operator_id ON segment(operator_id, link) WHERE operator_id IS NOT NULL;
CREATE TABLE event(
  n INTEGER PRIMARY KEY,
  seq INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  status INTEGER NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX event_seq ON event(seq);
CREATE TABLE schedule(seq INTEGER PRIMARY KEY, send_at_ms INTEGER NOT NULL) STRICT;
CREATE INDEX schedule_time ON schedule(send_at_ms);
CREATE TABLE idempotency(
  key_mac BLOB PRIMARY KEY,
  body_mac BLOB NOT NULL,
  key_id INTEGER NOT NULL,
  answer BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE webhook_outbox(
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  seq INTEGER NOT NULL,
  status INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  error TEXT
) STRICT;
CREATE TABLE parked(
  link INTEGER NOT NULL,
  operator_id TEXT NOT NULL,
  status INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  error TEXT,
  PRIMARY KEY(link, operator_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE inbound(
  n INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  link INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  key_id INTEGER NOT NULL,
  number_index BLOB NOT NULL,
  number BLOB NOT NULL,
  recipient TEXT NOT NULL,
  content BLOB NOT NULL
) STRICT;
CREATE TABLE link(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE mark(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""

SECOND = """
ALTER TABLE message RENAME COLUMN webhook TO notify;
CREATE TABLE door_outbox(
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  seq INTEGER NOT NULL,
  status INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  error TEXT
) STRICT;
ALTER TABLE parked ADD COLUMN number_index BLOB;
ALTER TABLE parked ADD COLUMN sender TEXT;
ALTER TABLE parked ADD COLUMN reference INTEGER;
ALTER TABLE parked ADD COLUMN text_length INTEGER;
ALTER TABLE parked ADD COLUMN text_index BLOB;
ALTER TABLE parked ADD COLUMN accepted_ms INTEGER;
CREATE INDEX parked_number ON parked(number_index, link) WHERE number_index IS NOT NULL;
ALTER TABLE schedule ADD COLUMN class INTEGER NOT NULL DEFAULT 3;
UPDATE schedule SET class=(SELECT class FROM message WHERE message.seq=schedule.seq);
DROP INDEX schedule_time;
CREATE INDEX schedule_class ON schedule(class, send_at_ms);
CREATE TABLE undecided(
  key INTEGER PRIMARY KEY,
  link INTEGER NOT NULL,
  act INTEGER NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;
INSERT INTO undecided SELECT key,link,1,submitted_ms FROM segment WHERE status=10;
CREATE TABLE raw_id(key INTEGER PRIMARY KEY, operator_id TEXT NOT NULL) STRICT;
"""

THIRD = """
CREATE TABLE heard(
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  id BLOB NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL,
  key_id INTEGER NOT NULL,
  number_index BLOB NOT NULL,
  number BLOB NOT NULL,
  recipient TEXT NOT NULL,
  content BLOB NOT NULL
) STRICT;
CREATE INDEX heard_number ON heard(number_index);
CREATE TABLE loose(n INTEGER PRIMARY KEY) STRICT;
INSERT INTO mark SELECT 'inbound_read',max(n) FROM inbound HAVING max(n) IS NOT NULL;
"""

#: Messages that nothing odd happens to are never rows: see `batches.py`.
SIXTH = """
CREATE TABLE batch(
  first INTEGER PRIMARY KEY,
  last INTEGER NOT NULL,
  count INTEGER NOT NULL,
  classes INTEGER NOT NULL,
  from_ms INTEGER NOT NULL,
  upto_ms INTEGER NOT NULL,
  numbers BLOB NOT NULL,
  columns BLOB NOT NULL
) STRICT;
CREATE INDEX batch_time ON batch(from_ms, upto_ms);
CREATE TABLE tally(
  first INTEGER PRIMARY KEY,
  open INTEGER NOT NULL,
  upto INTEGER NOT NULL,
  statuses BLOB NOT NULL,
  rest BLOB NOT NULL
) STRICT;
CREATE INDEX tally_open ON tally(first) WHERE open>0;
CREATE TABLE moves(
  n INTEGER PRIMARY KEY,
  lowest INTEGER NOT NULL,
  highest INTEGER NOT NULL,
  rows BLOB NOT NULL
) STRICT;
CREATE TABLE number(n INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
CREATE TABLE ended(entry BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
"""

"""HOT: one day of messages in one file: its schema, and the constant statements of its one writer.

Trust: numbers, bodies, references and callback addresses are sealed with AAD that binds them to their row, so somebody who
can change this file can delete or reorder rows and change statuses and times, but cannot read, forge or swap a body or a number.
What was committed is also counted, by digest, in the audit log.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.errors import Error
from appliance.message import DELIVERED, FINAL, NOTIFY_DOOR, NOTIFY_DOOR_FAILURES, NOTIFY_WEBHOOK

from .folder import partition_path
from .opening import Connection, migrate, open_store, settle
from .schema import MIGRATIONS

#: A segment on its way: the intention is on disk, the answer is not. What a crash leaves in it is indeterminate.
SUBMITTED: Final = 20

INSERT_MESSAGE: Final = (
    "INSERT INTO message(seq,id,caller,class,encoding,segments,sender,calling_code,number_index,number,content,key_id,"
    "accepted_ms,send_at_ms,expires_ms,notify) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
INSERT_PROGRESS: Final = "INSERT INTO progress(seq,status,changed_ms) VALUES(?,?,?)"
INSERT_SCHEDULE: Final = "INSERT INTO schedule(seq,send_at_ms,class) VALUES(?,?,?)"
INTEND: Final = "INSERT OR REPLACE INTO segment(key,status,link,submitted_ms) VALUES(?,20,?,?)"
ANSWER: Final = "UPDATE segment SET status=?,answered_ms=?,operator_id=?,error=? WHERE key=?"
RECEIPT: Final = "UPDATE segment SET status=?,receipted_ms=?,error=? WHERE key=?"
SEGMENT_STATUS: Final = "UPDATE segment SET status=?,error=? WHERE key=?"
#: Some time in the future up to which something of the day may still move; only grows.
MARK: Final = "INSERT INTO mark(name,value) VALUES(?,?) ON CONFLICT(name) DO UPDATE SET value=max(value,excluded.value)"
LOWER_FLOOR: Final = "UPDATE mark SET value=min(value,?) WHERE name='floor'"
PROGRESS: Final = "UPDATE progress SET status=?,link=?,changed_ms=?,error=? WHERE seq=?"
SENT_PROGRESS: Final = "UPDATE progress SET status=?,link=?,changed_ms=?,sent_ms=?,error=? WHERE seq=?"
EVENT: Final = "INSERT INTO event(seq,at_ms,status,detail) VALUES(?,?,?,?)"
#: Columns that change although rows of `message` do not: as long as it has not left, its sender may put another in its place.
REPLACE: Final = "UPDATE message SET encoding=?,segments=?,content=?,send_at_ms=?,expires_ms=?,notify=? WHERE seq=?"
RESCHEDULE: Final = "INSERT OR REPLACE INTO schedule(seq,send_at_ms,class) SELECT ?,?,class FROM message WHERE seq=?"
UNSCHEDULE: Final = "DELETE FROM schedule WHERE seq=?"
#: From this message on, in the order of their commits, the rules of these versions let messages through.
BASIS: Final = "INSERT INTO basis(seq,text) VALUES(?,?)"
IDEMPOTENT: Final = "INSERT INTO idempotency(key_mac,body_mac,key_id,answer) VALUES(?,?,?,?)"
WEBHOOK: Final = "INSERT INTO webhook_outbox(seq,status,at_ms,error) VALUES(?,?,?,?)"
DOOR: Final = "INSERT INTO door_outbox(seq,status,at_ms,error) VALUES(?,?,?,?)"
PARK: Final = (
    "INSERT OR IGNORE INTO parked(link,operator_id,status,at_ms,error,number_index,sender,reference,text_length,text_index,"
    "accepted_ms) VALUES(?,?,?,?,?,?,?,?,?,?,?)"
)
DOUBT: Final = "INSERT OR REPLACE INTO undecided(key,link,act,at_ms) VALUES(?,?,?,?)"
DECIDED: Final = "DELETE FROM undecided WHERE key=?"
#: An id as the operator wrote it, where that is not its canonical form and the operator may be asked about it.
RAW_ID: Final = "INSERT OR REPLACE INTO raw_id(key,operator_id) VALUES(?,?)"
#: The sender that a route put in place of a message's own, where the operator may be asked about it.
SENT_AS: Final = "INSERT OR REPLACE INTO sent_as(key,sender) VALUES(?,?)"
UNPARK: Final = "DELETE FROM parked WHERE link=? AND operator_id=?"
INBOUND: Final = (
    "INSERT INTO inbound(id,link,at_ms,key_id,number_index,number,recipient,content) VALUES(?,?,?,?,?,?,?,?)"
)
#: A customer's message, joined; the same one again changes nothing.
HEARD: Final = (
    "INSERT OR IGNORE INTO heard(id,at_ms,key_id,number_index,number,recipient,content) VALUES(?,?,?,?,?,?,?)"
)
#: Rows of `inbound` that were read and whose message is not whole yet.
LOOSE: Final = "INSERT OR IGNORE INTO loose(n) VALUES(?)"
JOINED: Final = "DELETE FROM loose WHERE n=?"
#: A link may need more or fewer submits for a message than were told: those that nobody has taken are then forgotten.
RESIZE: Final = "UPDATE message SET segments=? WHERE seq=?"
SURPLUS: Final = "DELETE FROM segment WHERE key>? AND key<?"
REDACT: Final = "UPDATE message SET content=NULL WHERE seq=?"

FIND_OPERATOR_ID: Final = (
    "SELECT s.key,s.status,m.segments,m.notify,p.status FROM segment s JOIN message m ON m.seq=s.key>>8"
    " JOIN progress p ON p.seq=m.seq WHERE s.operator_id=? AND s.link=?"
)
PARTS: Final = "SELECT key&255,status,error,link,operator_id IS NOT NULL FROM segment WHERE key>=? AND key<?"
STATE: Final = (
    "SELECT p.status,m.segments,m.notify,p.sent_ms FROM progress p JOIN message m ON m.seq=p.seq WHERE p.seq=?"
)
WAITING: Final = (
    "SELECT m.seq,m.id,m.class,m.encoding,m.segments,m.sender,m.number,m.content,m.key_id,m.expires_ms,m.notify,p.status"
    " FROM progress p JOIN message m ON m.seq=p.seq WHERE p.seq>? AND p.status=2 AND m.class=? ORDER BY p.seq LIMIT ?"
)
BY_ID: Final = "SELECT m.seq,p.status,m.notify,m.segments FROM message m JOIN progress p ON p.seq=m.seq WHERE m.id=?"

#: Statement by the kind of work; the order is the order of execution inside one transaction.
STATEMENTS: Final[tuple[tuple[str, str], ...]] = (
    ("messages", INSERT_MESSAGE),
    ("progress_new", INSERT_PROGRESS),
    ("schedule", INSERT_SCHEDULE),
    ("idempotent", IDEMPOTENT),
    ("bases", BASIS),
    ("replaced", REPLACE),
    ("rescheduled", RESCHEDULE),  # before what is cancelled in the same beat
    ("unschedule", UNSCHEDULE),
    ("quieted", RESCHEDULE),  # after it: its time came and found it quiet, in one beat
    ("marks", MARK),
    ("floors", LOWER_FLOOR),
    ("requeued", SEGMENT_STATUS),  # before the intents: what comes back may leave again in the same beat
    ("resized", RESIZE),
    ("surplus", SURPLUS),
    ("intents", INTEND),
    ("sent_as", SENT_AS),
    ("answers", ANSWER),
    ("raw_ids", RAW_ID),
    ("receipts", RECEIPT),
    ("segment_status", SEGMENT_STATUS),
    ("sent_progress", SENT_PROGRESS),
    ("progress", PROGRESS),
    ("events", EVENT),
    ("webhooks", WEBHOOK),
    ("doors", DOOR),
    ("parked", PARK),
    ("unparked", UNPARK),
    ("doubts", DOUBT),
    ("decided", DECIDED),
    ("inbound", INBOUND),
    ("heard", HEARD),
    ("loose", LOOSE),
    ("joined", JOINED),
    ("redactions", REDACT),
)


class Work:
    """What one transaction writes into one partition: a list of rows for each statement."""

    __slots__ = ("audit", *(name for name, _ in STATEMENTS))

    messages: list[tuple[Any, ...]]
    progress_new: list[tuple[Any, ...]]
    schedule: list[tuple[Any, ...]]
    idempotent: list[tuple[Any, ...]]
    bases: list[tuple[Any, ...]]
    replaced: list[tuple[Any, ...]]
    rescheduled: list[tuple[Any, ...]]
    unschedule: list[tuple[Any, ...]]
    quieted: list[tuple[Any, ...]]
    marks: list[tuple[Any, ...]]
    floors: list[tuple[Any, ...]]
    requeued: list[tuple[Any, ...]]
    resized: list[tuple[Any, ...]]
    surplus: list[tuple[Any, ...]]
    intents: list[tuple[Any, ...]]
    sent_as: list[tuple[Any, ...]]
    answers: list[tuple[Any, ...]]
    raw_ids: list[tuple[Any, ...]]
    receipts: list[tuple[Any, ...]]
    segment_status: list[tuple[Any, ...]]
    sent_progress: list[tuple[Any, ...]]
    progress: list[tuple[Any, ...]]
    events: list[tuple[Any, ...]]
    webhooks: list[tuple[Any, ...]]
    doors: list[tuple[Any, ...]]
    parked: list[tuple[Any, ...]]
    unparked: list[tuple[Any, ...]]
    doubts: list[tuple[Any, ...]]
    decided: list[tuple[Any, ...]]
    inbound: list[tuple[Any, ...]]
    heard: list[tuple[Any, ...]]
    loose: list[tuple[Any, ...]]
    joined: list[tuple[Any, ...]]
    redactions: list[tuple[Any, ...]]
    audit: list[dict[str, Any]]

    def __init__(self) -> None:
        for name, _ in STATEMENTS:
            setattr(self, name, [])
        self.audit = []

    def tell(self, notify: int, seq: int, status: int, at_ms: int, error: str | None) -> None:
        """Appends what the bank's systems are told of a status that a message reached, as its NOTIFY_ bits say."""
        if not notify:
            return
        if notify & NOTIFY_WEBHOOK:
            self.webhooks.append((seq, status, at_ms, error))
        if status in FINAL and (notify & NOTIFY_DOOR or (notify & NOTIFY_DOOR_FAILURES and status != DELIVERED)):
            self.doors.append((seq, status, at_ms, error))

    def __bool__(self) -> bool:
        return bool(self.audit) or any(getattr(self, name) for name, _ in STATEMENTS)


class Sent(NamedTuple):
    """Where a receipt belongs: a segment's row and what must be known of its message."""

    day: int
    key: int  # seq << 8 | part, parts counted from 1... see segment_key
    status: int
    segments: int
    notify: int
    message_status: int


class Partition:
    """The one writer of a day. Not for two threads at once; `commit` may run in another thread while nothing else does."""

    def __init__(self, folder: Path, day: int) -> None:
        self.day = day
        self.path = partition_path(folder, day)
        self.conn: Connection = open_store(self.path)
        try:
            settle(self.conn)
            migrate(self.conn, MIGRATIONS)
        except Error:
            self.conn.close()
            raise
        row = self.conn.execute("SELECT coalesce(max(seq),0) FROM message").fetchone()
        self.last_seq: int = row[0]
        self._cursor = self.conn.cursor()

    def write(self, work: Work) -> None:
        """Runs the statements of `work` inside a transaction and leaves it open for `commit`.

        The audit entries in `work` are the caller's to put into the outbox before `commit`.
        """
        cursor = self._cursor
        self.begin()
        for name, sql in STATEMENTS:
            rows = getattr(work, name)
            if rows:
                cursor.executemany(sql, rows)

    def begin(self) -> None:
        """Opens a transaction unless one is open."""
        if not self.conn.in_transaction:
            self.conn.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self.conn.execute("COMMIT")

    def rollback(self) -> None:
        if self.conn.in_transaction:
            self.conn.execute("ROLLBACK")

    def find_operator_id(self, link: int, operator_id: str) -> Sent | None:
        """The newest segment that link `link` gave this id, with an id already in its canonical form."""
        rows = self.conn.execute(FIND_OPERATOR_ID, (operator_id, link)).fetchall()
        if not rows:
            return None
        key, status, segments, notify, message_status = max(rows)
        return Sent(self.day, key, status, segments, notify, message_status)

    def parts(self, seq: int) -> list[tuple[int, int, str | None, int, int]]:
        """(part, status, error, link, whether an operator took it) of each segment of a message that was ever submitted."""
        return self.conn.execute(PARTS, (seq << 8, (seq + 1) << 8)).fetchall()

    def state(self, seq: int) -> tuple[int, int, int, int | None]:
        """(status, segments, notify, sent_ms) of a message."""
        return self.conn.execute(STATE, (seq,)).fetchone()

    def waiting(self, class_: int, after_seq: int, limit: int) -> list[tuple[Any, ...]]:
        """Queued messages of a class in order, for paging in."""
        return self.conn.execute(WAITING, (after_seq, class_, limit)).fetchall()

    def by_id(self, message_id: bytes) -> tuple[int, int, int, int] | None:
        """(seq, status, notify, segments) of a message."""
        return self.conn.execute(BY_ID, (message_id,)).fetchone()

    def content(self, seq: int) -> bytes | None:
        """The sealed content of a message; None after redaction."""
        row = self.conn.execute("SELECT content FROM message WHERE seq=?", (seq,)).fetchone()
        return row[0] if row is not None else None

    def was(self, seq: int, status: int) -> bool:
        """Whether an event says that a message had this status at some time."""
        found = self.conn.execute("SELECT 1 FROM event WHERE seq=? AND status=? LIMIT 1", (seq, status)).fetchone()
        return found is not None

    def due(self, now_ms: int, class_: int, limit: int) -> list[int]:
        """Scheduled messages of a class whose time has come."""
        rows = self.conn.execute(
            "SELECT seq FROM schedule WHERE class=? AND send_at_ms<=? ORDER BY send_at_ms LIMIT ?",
            (class_, now_ms, limit),
        )
        return [r[0] for r in rows]

    def has_schedule(self) -> bool:
        return self.conn.execute("SELECT 1 FROM schedule LIMIT 1").fetchone() is not None

    def rows_of(self, seqs: list[int]) -> list[tuple[Any, ...]]:
        """The same columns as `waiting` for the messages named."""
        marks = ",".join("?" * len(seqs))
        sql = WAITING.split(" WHERE ")[0] + f" WHERE m.seq IN ({marks}) ORDER BY m.seq"
        return self.conn.execute(sql, seqs).fetchall()

    def idempotent(self, key_macs: list[bytes]) -> dict[bytes, tuple[bytes, int, bytes]]:
        """key_mac -> (body_mac, key_id, sealed answer) for those seen before on this day."""
        out = {}
        for key in key_macs:
            row = self.conn.execute("SELECT body_mac,key_id,answer FROM idempotency WHERE key_mac=?", (key,)).fetchone()
            if row is not None:
                out[key] = row
        return out

    def mark(self, name: str) -> int:
        row = self.conn.execute("SELECT value FROM mark WHERE name=?", (name,)).fetchone()
        return row[0] if row else 0

    def set_mark(self, name: str, value: int) -> None:
        """Inside the caller's transaction."""
        self.conn.execute("INSERT OR REPLACE INTO mark(name,value) VALUES(?,?)", (name, value))

    def interrupted(self, floor_seq: int) -> list[tuple[int, int, int, int, int]]:
        """(key, link, class, segments, notify) of segments a crash left between intention and answer."""
        return self.conn.execute(
            "SELECT s.key,s.link,m.class,m.segments,m.notify FROM segment s JOIN message m ON m.seq=s.key>>8"
            " WHERE s.key>=? AND s.status=20",
            (floor_seq << 8,),
        ).fetchall()

    def waiting_counts(self, floor_seq: int) -> list[tuple[int, int]]:
        """(class, messages) that wait to be sent, from `floor_seq` on."""
        return self.conn.execute(
            "SELECT m.class,count(*) FROM progress p JOIN message m ON m.seq=p.seq WHERE p.seq>=? AND p.status=2"
            " GROUP BY m.class",
            (floor_seq,),
        ).fetchall()

    def webhooks(self, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
        """The oldest status events that the courier has not yet taken: (number of the first, rows)."""
        rows = self.conn.execute(
            "SELECT w.n,m.id,m.key_id,m.content,w.status,w.at_ms,w.error,m.caller FROM webhook_outbox w"
            " JOIN message m ON m.seq=w.seq ORDER BY w.n LIMIT ?",
            (limit,),
        ).fetchall()
        return (rows[0][0] if rows else 0), rows

    def settle_webhooks(self, upto: int) -> None:
        self.conn.execute("DELETE FROM webhook_outbox WHERE n<=?", (upto,))

    def doors(self, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
        """The oldest statuses that the SMPP door has not yet taken: (number of the first, rows)."""
        rows = self.conn.execute(
            "SELECT d.n,m.id,m.key_id,m.content,d.status,d.at_ms,d.error,m.caller,m.notify FROM door_outbox d"
            " JOIN message m ON m.seq=d.seq ORDER BY d.n LIMIT ?",
            (limit,),
        ).fetchall()
        return (rows[0][0] if rows else 0), rows

    def settle_doors(self, upto: int) -> None:
        self.conn.execute("DELETE FROM door_outbox WHERE n<=?", (upto,))

    def arrived(self, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
        """The oldest customers' messages that the SMPP door has not yet looked at, the same way; they stay where they are."""
        rows = self.conn.execute(
            "SELECT i.n,i.id,i.key_id,i.number,i.recipient,i.content,i.at_ms,l.name FROM inbound i"
            " JOIN link l ON l.number=i.link WHERE i.n>? ORDER BY i.n LIMIT ?",
            (self.mark("inbound_told"), limit),
        ).fetchall()
        return (rows[0][0] if rows else 0), rows

    def settle_arrived(self, upto: int) -> None:
        self.set_mark("inbound_told", upto)

    def heard(self, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
        """The oldest whole messages of customers that the courier has not yet taken, the same way; they stay where they are."""
        rows = self.conn.execute(
            "SELECT n,id,key_id,number,recipient,content,at_ms FROM heard WHERE n>? ORDER BY n LIMIT ?",
            (self.mark("heard_told"), limit),
        ).fetchall()
        return (rows[0][0] if rows else 0), rows

    def settle_heard(self, upto: int) -> None:
        self.set_mark("heard_told", upto)

    def untold(self) -> bool:
        """Whether the SMPP door has not taken everything of this day. Unlike what `may_move` tells, this ends with retention."""
        return (
            self.conn.execute("SELECT 1 FROM door_outbox LIMIT 1").fetchone() is not None
            or self.conn.execute("SELECT 1 FROM inbound WHERE n>? LIMIT 1", (self.mark("inbound_told"),)).fetchone()
            is not None
        )

    def may_move(self, now_ms: int) -> bool:
        """Whether something of this day is still to happen: scheduled, scheduled once and not over, or not yet told."""
        return (
            self.has_schedule()
            or self.mark("open_until") > now_ms
            or self.conn.execute("SELECT 1 FROM webhook_outbox LIMIT 1").fetchone() is not None
            or self.conn.execute("SELECT 1 FROM heard WHERE n>? LIMIT 1", (self.mark("heard_told"),)).fetchone()
            is not None
        )

    def totals(self) -> dict[int, int]:
        return dict(self.conn.execute("SELECT status,count(*) FROM progress GROUP BY status").fetchall())

    def close(self) -> None:
        self.rollback()
        self.conn.close()


def link_numbers(partition: Partition, names: list[str]) -> dict[str, int]:
    """The small number of each link in this partition; a name keeps its number for ever."""
    conn = partition.conn
    for name in names:
        conn.execute("INSERT OR IGNORE INTO link(name) VALUES(?)", (name,))
    return dict(conn.execute("SELECT name,number FROM link").fetchall())

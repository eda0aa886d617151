"""HOT: what one transaction writes into a day: a list of rows for each constant statement, in the order of their execution."""

from __future__ import annotations

from typing import Any, Final

from appliance.message import DELIVERED, FINAL, NOTIFY_DOOR, NOTIFY_DOOR_FAILURES, NOTIFY_WEBHOOK

from .batches import INSERT_BATCH, REWRITE, UNFOLD_MESSAGE, UNFOLD_PROGRESS, UNFOLD_SEGMENT, Moves, Tally
from .behind import INSERT_ENDED

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
#: A segment that will not leave, or not again: over what link it left before, and when, is still asked by receipts of that copy.
ABANDON: Final = (
    "INSERT INTO segment(key,status,link,submitted_ms,error) VALUES(?4,?1,0,?2,?3)"
    " ON CONFLICT(key) DO UPDATE SET status=excluded.status,error=excluded.error"
)
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
#: What a customer wrote, and a part of it: erased, empty.
ERASE_HEARD: Final = "UPDATE heard SET content=x'' WHERE id=?"
ERASE_PART: Final = "UPDATE inbound SET content=x'' WHERE n=?"
REDACT: Final = "UPDATE message SET content=NULL WHERE seq=?"
#: Its class's retention is over: text and number go, everything else stays, under the same blind index.
AGE: Final = "UPDATE message SET content=NULL,number=x'' WHERE seq=?"
AGE_HEARD: Final = "UPDATE heard SET content=x'',number=x'' WHERE n=?"
AGE_PART: Final = "UPDATE inbound SET content=x'',number=x'' WHERE n=?"
#: Sealed anew under another key.
RESEAL: Final = "UPDATE message SET number=?,content=?,key_id=? WHERE seq=?"
RESEAL_PART: Final = "UPDATE inbound SET number=?,content=?,key_id=? WHERE n=?"
RESEAL_HEARD: Final = "UPDATE heard SET number=?,content=?,key_id=? WHERE n=?"
RESEAL_ANSWER: Final = "UPDATE idempotency SET answer=?,key_id=? WHERE key_mac=?"
#: One person is erased: what is left is found by another blind index, whose key nobody has any more.
FORGET: Final = "UPDATE message SET content=NULL,number=x'',number_index=? WHERE seq=?"
FORGET_HEARD: Final = "UPDATE heard SET content=x'',number=x'',number_index=? WHERE n=?"
FORGET_PART: Final = "UPDATE inbound SET content=x'',number=x'',number_index=? WHERE n=?"
FORGET_PARKED: Final = "UPDATE parked SET number_index=NULL,sender=NULL,reference=NULL,text_length=NULL,text_index=NULL WHERE number_index=?"
FORGET_NAMELESS: Final = "DELETE FROM parked WHERE number_index=? AND substr(operator_id,1,1)='?'"
PLACED_ANEW: Final = "UPDATE number SET entries=? WHERE n=?"

#: Statement by the kind of work; the order is the order of execution inside one transaction.
STATEMENTS: Final[tuple[tuple[str, str], ...]] = (
    ("batches", INSERT_BATCH),
    ("unfolded_messages", UNFOLD_MESSAGE),  # before what happens to them
    ("unfolded_progress", UNFOLD_PROGRESS),
    ("unfolded_segments", UNFOLD_SEGMENT),
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
    ("abandoned", ABANDON),
    ("sent_progress", SENT_PROGRESS),
    ("progress", PROGRESS),
    ("events", EVENT),
    ("webhooks", WEBHOOK),
    ("doors", DOOR),
    ("parked", PARK),
    ("unparked", UNPARK),
    ("spent", INSERT_ENDED),
    ("doubts", DOUBT),
    ("decided", DECIDED),
    ("inbound", INBOUND),
    ("heard", HEARD),
    ("loose", LOOSE),
    ("joined", JOINED),
    ("resealed", RESEAL),  # before what is erased in the same beat
    ("heard_resealed", RESEAL_HEARD),
    ("parts_resealed", RESEAL_PART),
    ("answers_resealed", RESEAL_ANSWER),
    ("redactions", REDACT),
    ("heard_erased", ERASE_HEARD),
    ("parts_erased", ERASE_PART),
    ("aged", AGE),
    ("heard_aged", AGE_HEARD),
    ("parts_aged", AGE_PART),
    ("rewritten", REWRITE),
    ("forgotten", FORGET),
    ("heard_forgotten", FORGET_HEARD),
    ("parts_forgotten", FORGET_PART),
    ("nameless_forgotten", FORGET_NAMELESS),  # before the other, by which they are not found any more
    ("parked_forgotten", FORGET_PARKED),
    ("placed_anew", PLACED_ANEW),
)

#: Work that takes something away for good: what it was must not stay in free places of the file.
ERASING: Final = (
    "replaced", "redactions", "resealed", "heard_resealed", "parts_resealed", "answers_resealed", "heard_erased", "parts_erased", "aged", "heard_aged", "parts_aged", "rewritten", "forgotten", "heard_forgotten", "parts_forgotten",
    "nameless_forgotten", "parked_forgotten", "placed_anew",
)  # fmt: skip


class Work:
    """What one transaction writes into one partition: a list of rows for each statement."""

    __slots__ = ("audit", "moves", "tallies", "unfolded_written", *(name for name, _ in STATEMENTS))

    batches: list[tuple[Any, ...]]
    unfolded_messages: list[tuple[Any, ...]]
    unfolded_progress: list[tuple[Any, ...]]
    unfolded_segments: list[tuple[Any, ...]]
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
    abandoned: list[tuple[Any, ...]]
    sent_progress: list[tuple[Any, ...]]
    progress: list[tuple[Any, ...]]
    events: list[tuple[Any, ...]]
    webhooks: list[tuple[Any, ...]]
    doors: list[tuple[Any, ...]]
    parked: list[tuple[Any, ...]]
    unparked: list[tuple[Any, ...]]
    spent: list[dict[str, Any]]
    doubts: list[tuple[Any, ...]]
    decided: list[tuple[Any, ...]]
    inbound: list[tuple[Any, ...]]
    heard: list[tuple[Any, ...]]
    loose: list[tuple[Any, ...]]
    joined: list[tuple[Any, ...]]
    redactions: list[tuple[Any, ...]]
    heard_erased: list[tuple[Any, ...]]
    parts_erased: list[tuple[Any, ...]]
    aged: list[tuple[int]]
    heard_aged: list[tuple[int]]
    parts_aged: list[tuple[int]]
    rewritten: list[tuple[bytes, bytes, int]]
    resealed: list[tuple[Any, ...]]
    heard_resealed: list[tuple[Any, ...]]
    parts_resealed: list[tuple[Any, ...]]
    answers_resealed: list[tuple[Any, ...]]
    forgotten: list[tuple[Any, ...]]
    heard_forgotten: list[tuple[Any, ...]]
    parts_forgotten: list[tuple[Any, ...]]
    nameless_forgotten: list[tuple[Any, ...]]
    parked_forgotten: list[tuple[Any, ...]]
    placed_anew: list[tuple[Any, ...]]
    audit: list[dict[str, Any]]

    def __init__(self) -> None:
        for name, _ in STATEMENTS:
            setattr(self, name, [])
        self.audit = []
        self.moves = Moves()
        self.unfolded_written = (0, 0)  # messages, segments
        self.tallies: dict[int, Tally] = {}  # to be written, by the first message of their batch

    def tell(self, notify: int, seq: int, status: int, at_ms: int, error: str | None) -> None:
        """Appends what the bank's systems are told of a status that a message reached, as its NOTIFY_ bits say."""
        if not notify:
            return
        if notify & NOTIFY_WEBHOOK:
            self.webhooks.append((seq, status, at_ms, error))
        if status in FINAL and (notify & NOTIFY_DOOR or (notify & NOTIFY_DOOR_FAILURES and status != DELIVERED)):
            self.doors.append((seq, status, at_ms, error))

    def decides(self, seq: int) -> bool:
        """Whether a segment of a message is to leave, or never to leave, with this."""
        return any(r[0] >> 8 == seq for r in self.intents) or any(r[-1] >> 8 == seq for r in self.abandoned)

    def join(self, later: Work) -> None:
        """One transaction of two: what `later` was to write after this is written with it."""
        for name, _ in STATEMENTS:
            getattr(self, name).extend(getattr(later, name))
        self.audit += later.audit
        self.moves.join(later.moves)
        self.tallies |= later.tallies

    def erases(self) -> bool:
        """Whether something is taken away for good."""
        return any(getattr(self, name) for name in ERASING)

    def __bool__(self) -> bool:
        return bool(self.audit or self.moves or self.tallies) or any(getattr(self, name) for name, _ in STATEMENTS)

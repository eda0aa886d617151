"""HOT: what people and the bank's systems do with a message that was accepted: cancel, redact, decide, replace. Each is on the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from appliance.audit import entry
from appliance.errors import Error
from appliance.message import (
    ACCEPTED,
    CANCELLED,
    FAILED,
    FINAL,
    INDETERMINATE,
    NOTIFY_DOOR,
    NOTIFY_DOOR_FAILURES,
    NOTIFY_WEBHOOK,
    QUEUED,
    REDACTED,
    SCHEDULED,
    id_text,
)
from appliance.store import doubts

from .ledger import Ledger
from .replacing import replace, replacement_of
from .undecided import send_again
from .unfolding import erase, known_by_id

DECIDED_AGAIN: Final = doubts.AGAIN + " as a person decided; it may be a duplicate"
ID_OCTETS: Final = 16
CLOSED: Final = "closed by a person"

#: Why an act was not done, as whoever asked for it is told.
REASONS: Final = {
    "not_found": Error("not_found", "there is no such message"),
    "not_cancellable": Error("not_cancellable", "the message has already left", "its status tells what became of it"),
    "not_held": Error("not_held", "the message does not wait for a decision", "its status tells what became of it"),
    "not_sendable": Error(
        "not_held", "it cannot be sent again: its validity ended, or its content was erased", "close it"
    ),
    "suppressed": Error("suppressed", "the customer asked meanwhile not to be written to", "close it"),
    "not_redactable": Error("not_redactable", "the message has not left yet", "cancel it first, or wait"),
}


def named(payload: Any) -> tuple[bytes, str]:
    """The message and who acts on it. Raises Error `malformed`."""
    message_id, who = (payload.get("id"), payload.get("who")) if isinstance(payload, dict) else (None, None)
    if not isinstance(message_id, bytes) or len(message_id) != ID_OCTETS or not isinstance(who, str):
        raise Error("malformed", "an act names a message by its `id`, and `who` does it")
    return message_id, who


def asked(word: str, payload: Any) -> tuple[bytes, Callable[[Ledger, int, int], str]]:
    """The message and what is to be done with it, given the ledger, its day and the time. Raises Error `malformed`."""
    message_id, who = named(payload)
    if word == "replace":
        new = replacement_of(payload)
        return message_id, lambda ledger, day, now_ms: replace(ledger, day, new, now_ms)
    if word == "cancel":
        return message_id, lambda ledger, day, now_ms: cancel(ledger, day, message_id, who, now_ms)
    if word == "redact":
        return message_id, lambda ledger, day, now_ms: redact(ledger, day, message_id, who, now_ms)
    return message_id, lambda ledger, day, now_ms: decide(ledger, day, message_id, word, who, now_ms)


def cancel(ledger: Ledger, day: int, message_id: bytes, who: str, now_ms: int, why: str | None = None) -> str:
    """`cancelled`, or the code why not. `why` is what the bank reads of it, when it did not ask for it itself."""
    known_by_id(ledger, day, message_id)
    partition = ledger.existing(day)
    row = partition.by_id(message_id) if partition is not None else None
    if row is None:
        return "not_found"
    seq, status, notify, _ = row
    if status == CANCELLED:
        return "cancelled"
    work = ledger.work[day]
    ended = [row[0] for row in work.progress if row[-1] == seq and row[0] in FINAL]
    if ended or (day, seq) in ledger.decided_now:
        return "cancelled" if CANCELLED in ended else "not_cancellable"
    assert partition is not None
    # A segment that the operator put off has not left: it waits like one that was never submitted.
    back = {key for _, _, key in work.requeued}
    begun = [part for part, state, *_ in partition.parts(seq) if state != QUEUED and seq << 8 | part not in back]
    leaving = work.decides(seq)
    # Left without an answer once, it may have been taken, although it waits to be sent again.
    doubted = partition.was(seq, INDETERMINATE) or any(row[0] == seq and row[2] == INDETERMINATE for row in work.events)
    if status not in (QUEUED, SCHEDULED, ACCEPTED) or begun or leaving or doubted:
        return "not_cancellable"
    audit = entry(now_ms, who, "message.cancelled", f"message:{id_text(message_id)}")  # or Error, nothing done yet
    ledger.decided_now.add((day, seq))
    ledger.queues.remove(day, frozenset({seq}))
    ledger.delayed.remove(day, seq)
    if status == SCHEDULED or any(row[0] == seq for row in work.rescheduled):
        work.unschedule.append((seq,))
    ledger.message_ended(day, seq, CANCELLED, why, notify, now_ms)
    work.audit.append(audit)
    return "cancelled"


def redact(ledger: Ledger, day: int, message_id: bytes, who: str, now_ms: int) -> str:
    """`redacted`, or the code why not. A message that has not left is not redacted: cancel it first."""
    known_by_id(ledger, day, message_id)
    partition = ledger.existing(day)
    row = partition.by_id(message_id) if partition is not None else None
    if row is None:
        return "not_found"
    if row[1] in (QUEUED, SCHEDULED, ACCEPTED):
        return "not_redactable"
    audit = entry(now_ms, who, "message.redacted", f"message:{id_text(message_id)}")
    work = ledger.work[day]
    work.redactions.append((row[0],))
    erase(ledger, day, row[0])
    if row[2] & NOTIFY_WEBHOOK:
        work.webhooks.append((row[0], REDACTED, now_ms, None))
    if row[2] & (NOTIFY_DOOR | NOTIFY_DOOR_FAILURES):
        work.doors.append((row[0], REDACTED, now_ms, None))
    work.audit.append(audit)
    return "redacted"


def decide(ledger: Ledger, day: int, message_id: bytes, act: str, who: str, now_ms: int) -> str:
    """`resend` or `close`, done with a message that is held; else the code why not."""
    known_by_id(ledger, day, message_id)
    partition = ledger.existing(day)
    row = partition.by_id(message_id) if partition is not None else None
    if row is None or partition is None:
        return "not_found"
    seq, status, notify, _ = row
    keys = [key for key, held in doubts.doubt_of(partition, seq) if held == doubts.HELD]
    if status != INDETERMINATE or not keys or (day, seq) in ledger.decided_now:
        return "not_held"
    content, expires_ms, class_ = doubts.sendable(partition, seq)
    if act == "resend" and (not content or expires_ms <= now_ms):
        return "not_sendable"
    if act == "resend" and ledger.stops.unwanted(*doubts.addressed(partition, seq)) is not None:
        return "suppressed"
    work = ledger.work[day]
    audit = entry(now_ms, who, "message.decided", f"message:{id_text(message_id)}", act=act)
    if act == "resend":
        send_again(ledger, day, seq, class_, keys, DECIDED_AGAIN, now_ms)
    else:
        ledger.decided_now.add((day, seq))
        for key in keys:
            work.segment_status.append((FAILED, CLOSED, key))
            work.decided.append((key,))
        ledger.message_ended(day, seq, FAILED, CLOSED, notify, now_ms)
    work.audit.append(audit)
    return act

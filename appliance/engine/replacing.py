"""HOT: a message that has not left is given another text, time, validity or receipt by the system that sent it. All of it, or nothing."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from appliance import limits
from appliance.audit import entry
from appliance.errors import Error
from appliance.message import NOTIFY_WEBHOOK, QUEUED, SCHEDULED, id_text
from appliance.store import resealing

from .ledger import Ledger
from .unfolding import known_by_id

DETAIL: Final = "replaced"
NOT_NOW: Final = "not_cancellable"


class Replacement(msgspec.Struct, forbid_unknown_fields=True):
    """What is to stand in place of what was accepted; times as they shall be, also those that stay."""

    id: bytes
    content: bytes  # sealed Content, AAD b"c" + id, under the key of the message's row
    payload: bytes  # clear, encoded
    encoding: int
    segments: int
    send_at_ms: int
    expires_ms: int
    notify: int  # who is told besides a webhook
    who: str
    key_id: int = 0  # that `content` is sealed under; 0: whoever asks does not say


def replacement_of(payload: Any) -> Replacement:
    """Raises Error `malformed`."""
    try:
        return msgspec.convert(payload, Replacement)
    except msgspec.ValidationError:
        raise Error("malformed", "the replacement does not have the shape of one") from None


def replace(ledger: Ledger, day: int, new: Replacement, now_ms: int) -> str:
    """`replaced`, or the code why not: one that an operator ever saw a part of is never changed. Again changes nothing more."""
    known_by_id(ledger, day, new.id)
    partition = ledger.existing(day)
    row = partition.by_id(new.id) if partition is not None else None
    if row is None or partition is None:
        return "not_found"
    seq, status, notify, _ = row
    work = ledger.work[day]
    content = next((r[2] for r in reversed(work.replaced) if r[-1] == seq), None) or partition.content(seq)
    if content == new.content:
        return "replaced"
    if status not in (QUEUED, SCHEDULED) or (day, seq) in ledger.decided_now or partition.parts(seq):
        return NOT_NOW
    ended = any(r[-1] == seq and r[0] != QUEUED for r in work.progress)
    if ended or work.decides(seq):
        return NOT_NOW
    started = status == SCHEDULED and (seq,) in work.unschedule  # in this very beat
    later = new.send_at_ms > now_ms
    if (started or any(r[0] == seq for r in work.rescheduled)) and (later or status != SCHEDULED):
        return NOT_NOW
    audit = entry(now_ms, new.who, "message.replaced", f"message:{id_text(new.id)}")  # or Error, nothing done yet
    under = next((r[2] for r in reversed(work.resealed) if r[-1] == seq), None) or resealing.key_of(partition, seq)
    if new.key_id not in (0, under):
        raise Error("overloaded", "the message was sealed anew in this moment", "send it again")
    now_notify = notify & NOTIFY_WEBHOOK | new.notify
    waits = status == SCHEDULED and not started
    if waits or later:
        _schedule(ledger, day, seq, new, status, now_ms)
    else:
        _queued(ledger, day, seq, new, now_notify)
    work.replaced.append((new.encoding, new.segments, new.content, new.send_at_ms, new.expires_ms, now_notify, seq))
    work.events.append((seq, now_ms, SCHEDULED if waits or later else QUEUED, DETAIL))
    work.audit.append(audit)
    return "replaced"


def _schedule(ledger: Ledger, day: int, seq: int, new: Replacement, status: int, now_ms: int) -> None:
    """It waits for its time, the same one or another; when that is over it is due at once."""
    work = ledger.work[day]
    work.rescheduled.append((seq, max(new.send_at_ms, now_ms), seq))
    work.marks.append(("open_until", new.expires_ms + limits.PARKED_RECEIPT_S * 1000))
    ledger.scheduled_days.add(day)
    if status == QUEUED:
        ledger.queues.remove(day, frozenset({seq}))
        work.progress.append((SCHEDULED, None, now_ms, None, seq))
        ledger.statuses[SCHEDULED] += 1


def _queued(ledger: Ledger, day: int, seq: int, new: Replacement, notify: int) -> None:
    """It keeps its place in the queue. One that is on disk only is read from there when its turn comes."""
    for waiting in ledger.queues:
        if waiting.seq == seq and waiting.day == day:
            waiting.encoding, waiting.segments, waiting.payload = new.encoding, new.segments, new.payload
            waiting.expires_ms, waiting.notify = new.expires_ms, notify
            waiting.parts = waiting.todo = None
            return

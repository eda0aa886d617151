"""HOT: how a batch of a gateway becomes rows and queue entries, and how it is undone when the disk would not take it."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from appliance import clock, limits
from appliance.audit import entry
from appliance.errors import Error
from appliance.message import ACCEPTED, QUEUED, SCHEDULED, STATUSES, Batch, id_text
from appliance.store import ODD, Tally

from . import straight, tending
from .ledger import Ledger
from .straight import odd_ones
from .waiting import Waiting

#: The columns of a Batch: what has one entry a message.
COLUMNS: Final = (
    "ids",
    "callers",
    "classes",
    "encodings",
    "segments",
    "senders",
    "calling_codes",
    "number_indexes",
    "numbers",
    "contents",
    "send_at_ms",
    "expires_ms",
    "notify",
    "to",
    "payloads",
)


def accept(ledger: Ledger, batch: Batch, now_ms: int) -> dict[str, Any]:
    """Rows of a batch; the answer to give its gateway once they are durable."""
    n = len(batch.ids)
    if any(len(getattr(batch, name)) != n for name in COLUMNS):
        raise Error("malformed", "the columns of the batch differ in length")
    if abs(batch.day - clock.day_of(now_ms)) > limits.KEY_DAYS_SKEW_MAX:
        raise Error("invalid", "the batch is of another time", "check the clock of this machine", field="day")
    ledger.unrecorded.check()
    partition = ledger.partition(batch.day)
    replays, conflicts = _seen_before(ledger, batch)
    drop = {i for k in (*replays, *conflicts) for i in _rows_of(batch, k)}
    if drop:
        _without(batch, drop)
    n = len(batch.ids)
    answer = {
        "accepted": n,
        "replays": [[k, key_id, sealed] for k, (key_id, sealed) in replays.items()],
        "conflicts": list(conflicts),
    }
    if not n:
        return answer
    if ledger.routes.numbers is not None:
        ledger.routes.numbers.learned.take(batch.to, batch.operators)
    first = partition.last_seq + 1
    partition.last_seq += n
    ledger.new_from.setdefault(batch.day, first)
    seqs = range(first, first + n)
    if batch.basis and batch.basis != ledger.bases.get(batch.day):
        ledger.bases[batch.day] = batch.basis
        ledger.work[batch.day].bases.append((first, batch.basis))
    odd = odd_ones(batch)
    tally = straight.accept(ledger, batch, first, odd) if len(odd) < n else None
    held = _rows(ledger, batch, seqs, odd, now_ms) if odd else frozenset()
    ledger.fresh.append((batch, seqs))
    _queue(ledger, batch, seqs, held, tally)
    if ledger.stops.recent:
        ledger.stops.accepted(ledger, batch, seqs, now_ms)
    counts = ledger.new_counts.setdefault(batch.day, [0] * len(STATUSES))
    counts[SCHEDULED] += len(held)
    counts[QUEUED] += n - len(held)
    counts[ACCEPTED] += n
    digest = hashlib.sha256(b"".join(batch.ids) + b"".join(batch.number_indexes)).hexdigest()
    ledger.work[batch.day].audit.append(
        entry(
            batch.accepted_ms,
            f"process:{ledger.name}",
            "batch.committed",
            f"message:{id_text(batch.ids[0])}",
            messages=n,
            digest=digest,
        )
    )
    return answer


def needs_store(ledger: Ledger, batch: Batch) -> bool:
    """Whether `accept` would look at a partition, or what it takes waits on disk: who pages in would not find it there yet."""
    if batch.requests or ledger.stops.recent or batch.day not in ledger.partitions:
        return True
    if any(ledger.spilled) or any(batch.send_at_ms):
        return True
    return min(map(ledger.room, range(4))) < len(batch.ids)


def _rows(ledger: Ledger, batch: Batch, seqs: range, odd: set[int], now_ms: int) -> frozenset[int]:
    """Appends the rows of those of a batch that are rows from the beginning; the seqs that wait for their time."""
    work = ledger.work[batch.day]
    for k in sorted(odd):
        work.messages.append(
            (
                seqs[k],
                batch.ids[k],
                batch.callers[k],
                batch.classes[k],
                batch.encodings[k],
                batch.segments[k],
                batch.senders[k],
                batch.calling_codes[k],
                batch.number_indexes[k],
                batch.numbers[k],
                batch.contents[k],
                batch.key_id,
                batch.accepted_ms,
                batch.send_at_ms[k],
                batch.expires_ms[k],
                batch.notify[k],
            )
        )
    held: frozenset[int] = frozenset()
    if any(batch.send_at_ms):
        held = frozenset(seq for seq, at in zip(seqs, batch.send_at_ms, strict=True) if at > now_ms)
        at = zip(seqs, batch.send_at_ms, batch.classes, strict=True)
        work.schedule.extend((seq, at_ms, class_) for seq, at_ms, class_ in at if seq in held)
    work.progress_new.extend(
        (seqs[k], SCHEDULED if seqs[k] in held else QUEUED, batch.accepted_ms) for k in sorted(odd)
    )
    if held:
        ledger.scheduled_days.add(batch.day)
        last_ms = max(e for s, e in zip(seqs, batch.expires_ms, strict=True) if s in held)
        work.marks.append(("open_until", last_ms + limits.PARKED_RECEIPT_S * 1000))
    return held


def _queue(ledger: Ledger, batch: Batch, seqs: range, held: frozenset[int], tally: Tally | None) -> None:
    day = batch.day
    kept = tally is None
    queues = ledger.queues
    lengths = queues.lengths
    route_of = ledger.routes.group
    spilled = ledger.spilled
    most = [limits.QUEUE_MESSAGES_MAX - n for n in ledger.delayed.lengths]
    by_route = queues.by_route
    last: dict[int, int] = {}  # by class, the last that came into memory
    for seq, mid, class_, enc, segs, sender, to, payload, expires, hook in zip(
        seqs,
        batch.ids,
        batch.classes,
        batch.encodings,
        batch.segments,
        batch.senders,
        batch.to,
        batch.payloads,
        batch.expires_ms,
        batch.notify,
        strict=True,
    ):
        if seq in held:
            continue
        if spilled[class_] or lengths[class_] >= most[class_]:
            spilled[class_] = True
            ledger.on_disk[class_] += 1
            continue
        own = tally if tally is not None and tally.statuses[seq - tally.first] != ODD else None
        waiting = Waiting(day, seq, mid, class_, enc, segs, sender, to, payload, expires, hook, own)
        if not kept and own is not None:
            kept = True
            straight.keep(ledger, own)
        group = waiting.group = route_of(to, class_, sender)
        (by_route.get(group) or queues.of(group))[class_].append(waiting)
        lengths[class_] += 1
        last[class_] = seq
    for class_, seq in last.items():
        ledger.paged_upto[class_][day] = seq


def start_scheduled(ledger: Ledger, waiting: Waiting, now_ms: int) -> None:
    """A scheduled message's time has come: it is queued like a new one."""
    upto = ledger.paged_upto[waiting.class_]
    ledger.work[waiting.day].progress.append((QUEUED, None, now_ms, None, waiting.seq))
    ledger.work[waiting.day].floors.append((waiting.seq,))
    ledger.work[waiting.day].events.append((waiting.seq, now_ms, QUEUED, ""))
    ledger.statuses[QUEUED] += 1
    if ledger.spilled[waiting.class_] and waiting.seq > upto.get(waiting.day, 0):
        ledger.on_disk[waiting.class_] += 1
        return  # it will be paged in, in its place
    ledger.queues.push(ledger.routes.group(waiting.to, waiting.class_, waiting.sender), waiting)
    if not ledger.spilled[waiting.class_]:
        upto[waiting.day] = max(upto.get(waiting.day, 0), waiting.seq)


def _rows_of(batch: Batch, request: int) -> range:
    r = batch.requests[request]
    return range(r.first, r.first + r.count)


def _seen_before(ledger: Ledger, batch: Batch) -> tuple[dict[int, tuple[int, bytes]], list[int]]:
    """Which requests of a batch were made before (their answers), and which used another's key."""
    replays: dict[int, tuple[int, bytes]] = {}
    conflicts: list[int] = []
    if not batch.requests:
        return replays, conflicts
    macs = [r.key_mac for r in batch.requests]
    seen: dict[bytes, tuple[bytes, int, bytes]] = {}
    # The day after, too: around midnight a repeated request may be in yesterday's batch and the first in today's.
    for day in range(batch.day - limits.IDEMPOTENCY_DAYS + 1, batch.day + 2):
        # What a damaged day had answered is unknown: a repeated request of that day is taken as a new one.
        partition = ledger.existing(day) if day not in ledger.damaged else None
        if partition is not None:
            seen.update(partition.idempotent(macs))
        if day in ledger.work:
            seen.update({row[0]: row[1:] for row in ledger.work[day].idempotent})
    for k, r in enumerate(batch.requests):
        before = seen.get(r.key_mac)
        if before is None:
            seen[r.key_mac] = (r.body_mac, batch.key_id, r.answer)
            ledger.work[batch.day].idempotent.append((r.key_mac, r.body_mac, batch.key_id, r.answer))
        elif before[0] == r.body_mac:
            replays[k] = (before[1], before[2])
        else:
            conflicts.append(k)
    return replays, conflicts


def forget_new(ledger: Ledger, done: set[int]) -> None:
    """Undoes what this beat accepted: it could not be made durable and its callers are told so. Days in `done` were."""
    for day, first in ledger.new_from.items():
        if day in done:
            continue
        work = ledger.work[day]
        new = {row[0] for row in work.messages}
        for row in work.batches:
            new.update(range(row[0], row[1] + 1))
        ledger.queues.remove(day, frozenset(new))
        for row in work.progress:
            if row[-1] >= first:  # it ended in the beat that accepted it
                ledger.statuses[row[0]] -= 1
        ledger.bases.pop(day, None)
        for name in ("messages", "progress_new", "idempotent", "bases", "marks"):
            setattr(work, name, [])
        for name, column, least in (
            ("quieted", 0, first),
            ("schedule", 0, first),  # what is to be sent again is not new
            ("intents", 0, first << 8),
            ("answers", -1, first << 8),
            ("segment_status", -1, first << 8),
            ("abandoned", -1, first << 8),
            ("progress", -1, first),
            ("events", 0, first),
            ("webhooks", 0, first),
            ("doors", 0, first),
        ):
            setattr(work, name, [row for row in getattr(work, name) if row[column] < least])
        tending.forget_new(ledger, day, first)
        ledger.touched = {(d, seq) for d, seq in ledger.touched if d != day or seq < first}
        work.audit = [e for e in work.audit if e["what"] != "batch.committed"]
        ledger.new_counts.pop(day, None)
    ledger.fresh.clear()
    ledger.new_from = {day: first for day, first in ledger.new_from.items() if day in done}


def _without(batch: Batch, drop: set[int]) -> None:
    """Takes rows out of every column of a batch."""
    keep = [i for i in range(len(batch.ids)) if i not in drop]
    for name in COLUMNS:
        column = getattr(batch, name)
        setattr(batch, name, [column[i] for i in keep])

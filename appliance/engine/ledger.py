"""HOT: what the engine knows and decides between two commits. No sockets, no clock: inputs and times come in, rows go out.

Each input appends rows to the Work of its day; the beat writes them in one transaction a day and only then lets anything
be told: to gateways, to operators (submits and receipts' answers), to the courier and the auditor.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from appliance import clock, limits
from appliance.audit import Outbox, entry
from appliance.errors import Error
from appliance.message import (
    ACCEPTED,
    CANCELLED,
    EXPIRED,
    FAILED,
    INDETERMINATE,
    NOTIFY_DOOR,
    NOTIFY_DOOR_FAILURES,
    NOTIFY_WEBHOOK,
    QUEUED,
    REDACTED,
    REJECTED,
    SCHEDULED,
    SENT,
    STATUSES,
    id_text,
)
from appliance.router import RouteTable
from appliance.store import DatabaseError, Partition, Work, link_numbers, partition_exists

from .outcome import may_change, message_status
from .waiting import Queues, Waiting


class Outstanding(dict[tuple[str, str], tuple[int, int, int, int]]):
    """(link, operator id) -> (day, segment key, segments, notify) of segments whose receipt is awaited.

    Bounded: the oldest are forgotten here and found on disk instead.
    """

    MOST = 200_000

    def remember(self, key: tuple[str, str], value: tuple[int, int, int, int]) -> None:
        self[key] = value
        if len(self) > self.MOST:
            drop_oldest(self, self.MOST // 20)


def drop_oldest(table: dict[Any, Any], count: int) -> None:
    """Many at a time: the first key of a dict is found by walking over all that were deleted before it."""
    for key in list(islice(table, count)):
        del table[key]


class Ledger:
    """The state of one engine between commits."""

    def __init__(self, folder: Path, routes: RouteTable, links: list[str], resend: dict[int, bool], name: str) -> None:
        self.folder = folder
        self.routes = routes
        self.links = links
        self.resend = resend  # by class: an indeterminate message is sent again
        self.name = name
        self.partitions: dict[int, Partition] = {}
        self.link_numbers: dict[int, dict[str, int]] = {}
        self.outboxes: dict[int, Outbox] = {}
        self.queues = Queues()
        self.outstanding = Outstanding()
        self.parked: dict[tuple[str, str], tuple[int, int, str | None]] = {}  # (status, day, error)
        self.work: defaultdict[int, Work] = defaultdict(Work)
        self.touched: set[tuple[int, int]] = set()  # long messages whose status must be worked out again
        self.just_ended: set[tuple[str, str]] = set()
        self.cancelled_now: set[tuple[int, int]] = set()
        self.new_counts: dict[int, list[int]] = {}  # by day: of what this beat accepted
        self.new_from: dict[int, int] = {}  # first new seq of each day within this beat
        self.spilled = [False] * 4
        self.on_disk = [0] * 4  # by class, about how many wait on disk only: for people and metrics, not for decisions
        self.paged_upto: list[tuple[int, int]] = [(0, 0)] * 4
        self.statuses = [0] * len(STATUSES)
        self.segments = {"submitted": 0, "answered": 0, "receipted": 0}
        self.scheduled_days: set[int] = set()

    # --- partitions -------------------------------------------------------------------------------------

    def partition(self, day: int) -> Partition:
        """The partition of a day, made when it is not there. Raises Error `store_full` or `store_damaged`, half done never."""
        partition = self.partitions.get(day)
        if partition is None:
            partition = Partition(self.folder, day)
            try:
                numbers = link_numbers(partition, self.links)
                Outbox.create(partition.conn)
                outbox = Outbox(partition.conn, f"{self.name}/{clock.day_name(day)}")
            except DatabaseError as e:
                partition.close()
                raise Error(
                    "store_full", f"{partition.path.name} cannot be written: {e}", "free space on the disk"
                ) from None
            self.partitions[day], self.link_numbers[day], self.outboxes[day] = partition, numbers, outbox
        return partition

    def existing(self, day: int) -> Partition | None:
        if day not in self.partitions and not partition_exists(self.folder, day):
            return None
        return self.partition(day)

    def close(self, day: int) -> None:
        """Closes a partition in which nothing can still move; late receipts for it are then unknown."""
        self.partitions.pop(day).close()
        del self.link_numbers[day], self.outboxes[day]
        for where in [k for k, known in self.outstanding.items() if known[0] == day]:
            del self.outstanding[where]
        for where in [k for k, kept in self.parked.items() if kept[1] == day]:
            del self.parked[where]

    def committed(self) -> None:
        """What this beat decided is durable."""
        for counts in self.new_counts.values():
            for status, n in enumerate(counts):
                self.statuses[status] += n
        self.new_counts = {}
        self.cancelled_now.clear()
        self.touched.clear()
        self.work.clear()
        self.just_ended.clear()
        self.new_from = {}

    # --- what operators say -----------------------------------------------------------------------------

    def answered(self, link: str, waiting: Waiting, part: int, operator_id: str, now_ms: int) -> None:
        """An operator took a segment and gave it an id (in its canonical form)."""
        day, seq = waiting.day, waiting.seq
        work = self.work[day]
        key = seq << 8 | part
        self.segments["answered"] += 1
        work.answers.append((SENT, now_ms, operator_id, None, key))
        if waiting.segments == 1:
            work.sent_progress.append((SENT, self.link_numbers[day][link], now_ms, now_ms, None, seq))
            self.statuses[SENT] += 1
            work.tell(waiting.notify, seq, SENT, now_ms, None)
        else:
            self.touched.add((day, seq))
        where = (link, operator_id)
        self.outstanding.remember(where, (day, key, waiting.segments, waiting.notify))
        if where in self.parked:
            status, parked_day, error = self.parked.pop(where)
            self.work[parked_day].unparked.append((self.link_numbers[parked_day][link], operator_id))
            self.receipted(link, operator_id, status, error, now_ms)

    def refused(self, link: str, waiting: Waiting, part: int, error: str, now_ms: int) -> None:
        """An operator refused a segment for good: what is left of its message would never be read, so it does not leave."""
        self._ended(
            waiting.day, waiting.seq << 8 | part, waiting.segments, waiting.notify, REJECTED, error, now_ms, link
        )
        if waiting.segments > 1:
            self._abandon(waiting, REJECTED, "another segment was refused", now_ms)

    def receipted(self, link: str, operator_id: str, status: int, error: str | None, now_ms: int) -> bool:
        """A final receipt. False when it matches nothing yet: it is then parked."""
        where = (link, operator_id)
        if where in self.just_ended:
            return True  # a duplicate within one beat
        known = self.outstanding.pop(where, None)
        if known is None:
            if where in self.parked:
                return False  # the first counts
            known = self._find(link, operator_id)
            if known is None:
                today = clock.day_of(now_ms)
                self.partition(today)
                self.work[today].parked.append((self.link_numbers[today][link], operator_id, status, now_ms, error))
                self.parked[where] = (status, today, error)
                if len(self.parked) > limits.PARKED_RECEIPTS_MAX:
                    drop_oldest(self.parked, limits.PARKED_RECEIPTS_MAX // 20)
                return False
        day, key, segments, notify = known
        if key < 0:  # already final: a duplicate
            return True
        self.just_ended.add(where)
        self.segments["receipted"] += 1
        work = self.work[day]
        work.receipts.append((status, now_ms, error, key))
        if segments == 1:
            work.progress.append((status, self.link_numbers[day][link], now_ms, error, key >> 8))
            self.statuses[status] += 1
            work.tell(notify, key >> 8, status, now_ms, error)
        else:
            self.touched.add((day, key >> 8))
        return True

    def _find(self, link: str, operator_id: str) -> tuple[int, int, int, int] | None:
        """A segment by its operator's id in the partitions of the last days; key -1 when it has already ended."""
        for day in sorted(self.partitions, reverse=True):
            number = self.link_numbers[day].get(link)
            found = self.partitions[day].find_operator_id(number, operator_id) if number is not None else None
            if found is not None:
                open_ = found.status in (SENT, INDETERMINATE)
                return day, (found.key if open_ else -1), found.segments, found.notify
        return None

    def undecided(self, link: str, waiting: Waiting, part: int, now_ms: int) -> bool:
        """A bind was lost between submit and answer. True when policy sends the segment again."""
        again = self.resend[waiting.class_]
        first, waiting.undecided = not waiting.undecided, True
        key = waiting.seq << 8 | part
        self.interrupted(waiting.day, key, waiting.segments, waiting.notify, link, again, now_ms, first)
        return again

    def interrupted(
        self, day: int, key: int, segments: int, notify: int, link: str, again: bool, now_ms: int, first: bool
    ) -> None:
        """A segment that may or may not have left: recorded as such, and queued again or held.

        `first`: its message was not indeterminate before; only then it is counted and told. A long message that is
        held becomes so when none of its segments is under way any more: in `settle_long`.
        """
        work = self.work[day]
        seq = key >> 8
        part = "" if segments == 1 else f", segment {key & 255} of {segments}"
        work.events.append((seq, now_ms, INDETERMINATE, f"no answer from link {link}{part}"))
        if first and (again or segments == 1):
            self.statuses[INDETERMINATE] += 1
            work.tell(notify, seq, INDETERMINATE, now_ms, None)
        if again:
            work.requeued.append((QUEUED, None, key))
            work.events.append((seq, now_ms, QUEUED, "sent again as the class's policy says"))
        else:
            work.segment_status.append((INDETERMINATE, "no answer", key))
            if segments == 1:
                work.progress.append((INDETERMINATE, self.link_numbers[day].get(link), now_ms, "no answer", seq))
            else:
                self.touched.add((day, seq))

    def expired(self, waiting: Waiting, now_ms: int) -> None:
        """The validity ended before the message (or the rest of it) left."""
        if waiting.todo is None:
            self._message_ended(
                waiting.day, waiting.seq, EXPIRED, "validity ended before it left", waiting.notify, now_ms
            )
            return
        self._abandon(waiting, EXPIRED, "validity ended", now_ms)

    def _abandon(self, waiting: Waiting, status: int, error: str, now_ms: int) -> None:
        """The parts of a begun message that are still to do will not leave."""
        work = self.work[waiting.day]
        for part in waiting.todo or ():
            key = waiting.seq << 8 | part
            work.intents.append((key, 0, now_ms))
            work.segment_status.append((status, error, key))
        waiting.todo = []  # a part that comes back later is queued by itself
        self.touched.add((waiting.day, waiting.seq))

    def unreadable(self, day: int, seq: int, notify: int, now_ms: int) -> None:
        """What is stored of a waiting message is not what was sealed: it cannot be sent."""
        self._message_ended(day, seq, FAILED, "its seal is broken", notify, now_ms)

    def unroutable(self, waiting: Waiting, now_ms: int) -> None:
        self._message_ended(waiting.day, waiting.seq, FAILED, "no route", waiting.notify, now_ms)

    def gave_up(self, link: str, waiting: Waiting, part: int, error: str, now_ms: int) -> None:
        """A segment was refused too often with 'try later'."""
        self._ended(waiting.day, waiting.seq << 8 | part, waiting.segments, waiting.notify, FAILED, error, now_ms, link)

    def _ended(
        self, day: int, key: int, segments: int, notify: int, status: int, error: str, now_ms: int, link: str
    ) -> None:
        self.work[day].answers.append((status, now_ms, None, error, key))
        if segments == 1:
            self._message_ended(day, key >> 8, status, error, notify, now_ms, link)
        else:
            self.touched.add((day, key >> 8))

    def _message_ended(
        self, day: int, seq: int, status: int, error: str | None, notify: int, now_ms: int, link: str = ""
    ) -> None:
        work = self.work[day]
        work.progress.append((status, self.link_numbers[day].get(link), now_ms, error, seq))
        self.statuses[status] += 1
        work.tell(notify, seq, status, now_ms, error)

    # --- acts -------------------------------------------------------------------------------------------

    def cancel(self, day: int, message_id: bytes, who: str, now_ms: int) -> str:
        """`cancelled`, or the code why not."""
        partition = self.existing(day)
        row = partition.by_id(message_id) if partition is not None else None
        if row is None:
            return "not_found"
        seq, status, notify, _ = row
        if status == CANCELLED or (day, seq) in self.cancelled_now:
            return "cancelled"
        assert partition is not None
        if status not in (QUEUED, SCHEDULED, ACCEPTED) or partition.parts(seq) or self._leaving(day, seq):
            return "not_cancellable"
        audit = entry(now_ms, who, "message.cancelled", f"message:{id_text(message_id)}")  # or Error, nothing done yet
        self.cancelled_now.add((day, seq))
        self.queues.remove(day, frozenset({seq}))
        work = self.work[day]
        if status == SCHEDULED:
            work.unschedule.append((seq,))
        self._message_ended(day, seq, CANCELLED, None, notify, now_ms)
        work.audit.append(audit)
        return "cancelled"

    def _leaving(self, day: int, seq: int) -> bool:
        return any(row[0] >> 8 == seq for row in self.work[day].intents)

    def redact(self, day: int, message_id: bytes, who: str, now_ms: int) -> str:
        """`redacted`, or the code why not. A message that has not left is not redacted: cancel it first."""
        partition = self.existing(day)
        row = partition.by_id(message_id) if partition is not None else None
        if row is None:
            return "not_found"
        if row[1] in (QUEUED, SCHEDULED, ACCEPTED):
            return "not_redactable"
        audit = entry(now_ms, who, "message.redacted", f"message:{id_text(message_id)}")
        self.work[day].redactions.append((row[0],))
        if row[2] & NOTIFY_WEBHOOK:
            self.work[day].webhooks.append((row[0], REDACTED, now_ms, None))
        if row[2] & (NOTIFY_DOOR | NOTIFY_DOOR_FAILURES):
            self.work[day].doors.append((row[0], REDACTED, now_ms, None))
        self.work[day].audit.append(audit)
        return "redacted"

    # --- long messages ----------------------------------------------------------------------------------

    def settle_long(self, now_ms: int, done: set[int]) -> tuple[dict[int, Work], dict[int, list[int]]]:
        """After the segments' rows are written, still inside the transaction: rows and status counts for long messages."""
        out: defaultdict[int, Work] = defaultdict(Work)
        counted: defaultdict[int, list[int]] = defaultdict(list)
        for day, seq in self.touched:
            if day in done:
                continue
            counts = counted[day]
            partition = self.partitions[day]
            before, segments, notify, sent_ms = partition.state(seq)
            parts = partition.parts(seq)
            after = message_status([p[1] for p in parts], segments)
            if not may_change(before, after):
                continue
            work = out[day]
            link = parts[-1][3]
            error = next((p[2] for p in parts if p[1] == after and p[2]), None)
            if sent_ms is None and after != INDETERMINATE and all(p[4] for p in parts):
                work.sent_progress.append((after, link, now_ms, now_ms, error, seq))
                counts.append(SENT)
                if after != SENT:
                    counts.append(after)
            else:
                work.progress.append((after, link, now_ms, error, seq))
                counts.append(after)
            work.tell(notify, seq, after, now_ms, error)
        return out, counted

    def forget_old(self, today: int) -> None:
        """Receipts that waited 72 h for a response: an operator may give their ids again."""
        oldest = today - limits.PARKED_RECEIPT_S // 86_400
        drop_oldest(self.parked, sum(1 for _ in takewhile(lambda kept: kept[1] < oldest, self.parked.values())))

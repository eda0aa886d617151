"""HOT: what the engine knows and decides between two commits. No sockets, no clock: inputs and times come in, rows go out.

Each input appends rows to the Work of its day; the beat writes them in one transaction a day and only then lets anything
be told: to gateways, to operators (submits and receipts' answers), to the courier and the auditor.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import clock, limits
from appliance.audit import Outbox, entry
from appliance.consent import Quiet
from appliance.errors import Error
from appliance.message import EXPIRED, FAILED, INDETERMINATE, REJECTED, SCHEDULED, SENT, STATUSES
from appliance.router import Health, RouteTable
from appliance.shards import Signpost
from appliance.store import DatabaseError, Partition, Work, link_numbers, partition_exists

from .awaited import Doubts, Outstanding, Parked
from .decided import Decided, nothing
from .left_alone import Stops
from .outcome import may_change, message_status
from .steps import STEADY
from .straight import Straight
from .unfolding import odd, odd_seq
from .unrecorded import Unrecorded
from .unsent import not_again, rest_ends
from .waiting import Delayed, Queues, Waiting

if TYPE_CHECKING:
    from .swapping import Swap


class Ledger:
    """The state of one engine between commits."""

    def __init__(
        self, folder: Path, routes: RouteTable, links: list[str], policies: tuple[str, ...], name: str
    ) -> None:
        self.folder = folder
        self.routes = routes
        self.links = links
        self.policies = policies  # by class: what is done with an indeterminate message
        self.name = name
        self.partitions: dict[int, Partition] = {}
        self.link_numbers: dict[int, dict[str, int]] = {}
        self.outboxes: dict[int, Outbox] = {}
        self.unrecorded = Unrecorded()
        self.queues = Queues()
        self.straight = Straight()
        self.health = Health()
        self.stops = Stops()
        self.quiet: Quiet | None = None  # None: there are no quiet hours
        self.swap: Swap | None = None  # a change of routes under way
        self.outstanding = Outstanding()
        self.signpost: Signpost | None = None  # of several engines: who waits for which operator's id
        self.parked = Parked()
        self.doubts = Doubts()
        self.steps = STEADY  # how the wall clock was set lately
        self.delayed = Delayed()
        self._decide(nothing())
        self.committing: Decided | None = None  # the beat whose commit is under way while the next is decided
        self.bases: dict[int, str] = {}  # by day: the rules of the newest batch
        self.spilled = [False] * 4
        self.on_disk = [0] * 4  # by class, about how many wait on disk only: for people and metrics, not for decisions
        #: By class and day: what waits up to this seq is in memory; a day without an entry has all of it on disk.
        self.paged_upto: list[dict[int, int]] = [{} for _ in range(4)]
        self.statuses = [0] * len(STATUSES)
        self.segments = {"submitted": 0, "answered": 0, "receipted": 0}
        self.scheduled_days: set[int] = set()
        self.lost_on: dict[tuple[int, int], str] = {}  # messages on disk to send again: the link that did not answer
        self.damaged: dict[int, Error] = {}  # days whose partition cannot be read: they are refused, the rest goes on
        self.notes: list[dict[str, Any]] = []  # audit entries about such a day, for the partition of today

    # --- beats ------------------------------------------------------------------------------------------

    def _decide(self, decided: Decided) -> None:
        self.work, self.touched, self.just_ended, self.decided_now = decided[:4]
        self.new_counts, self.fresh, self.new_from = decided[4:]

    def _decided(self) -> Decided:
        return Decided(
            self.work, self.touched, self.just_ended, self.decided_now, self.new_counts, self.fresh, self.new_from
        )

    def begin_next(self) -> None:
        """The commit of what was decided begins; what is decided from now on is the next beat's."""
        self.committing = self._decided()
        self._decide(nothing())

    def rejoin(self) -> None:
        """The commit failed: what was decided meanwhile becomes part of the beat that is tried again."""
        if self.committing is not None:
            joined, self.committing = self.committing.joined(self._decided()), None
            self._decide(joined)

    def committed(self) -> set[int]:
        """What this beat decided is durable; the days it is of."""
        if self.committing is None:
            self.begin_next()
        done, self.committing = self.committing, None
        assert done is not None
        for counts in done.new_counts.values():
            for status, n in enumerate(counts):
                self.statuses[status] += n
        return set(done.work)

    def ends_now(self, where: tuple[str, str]) -> bool:
        """Whether a segment, by link and operator's id, had its final receipt in this beat, or in the one whose commit is under way."""
        return where in self.just_ended or (self.committing is not None and where in self.committing.just_ended)

    def room(self, class_: int) -> int:
        """How many more messages of a class may come into memory: what an operator asked to try later will be back in its queue."""
        return limits.QUEUE_MESSAGES_MAX - self.queues.lengths[class_] - self.delayed.lengths[class_]

    def open_ends(self) -> dict[str, int]:
        """What waits for somebody else, for `state`."""
        return {
            "awaiting_receipt": len(self.outstanding),
            "parked": len(self.parked),
            "held": self.doubts.held,
            "indeterminate": self.doubts.messages,
            "unrecorded": self.unrecorded.total,
        }

    # --- partitions -------------------------------------------------------------------------------------

    def partition(self, day: int) -> Partition:
        """The partition of a day, made when it is not there. Raises Error `store_full` or `store_damaged`, half done never."""
        partition = self.partitions.get(day)
        if partition is None:
            if day in self.damaged:
                raise self.damaged[day]
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
        self._forget(day)

    def _forget(self, day: int) -> None:
        del self.link_numbers[day], self.outboxes[day]
        for where in [k for k, known in self.outstanding.items() if known[0] == day]:
            del self.outstanding[where]
        self.parked.forget_day(day)
        self.straight.forget_day(day)
        self.doubts.by_day.pop(day, None)
        for upto in self.paged_upto:
            upto.pop(day, None)

    def quarantine(self, day: int, now_ms: int) -> None:
        """A partition that cannot be read is left alone: its day is refused, and everybody is told, until it was mended."""
        if day in self.damaged:
            return
        name = clock.day_name(day)
        self.damaged[day] = Error(
            "store_damaged", f"the partition of {name} is damaged", "restore it from a backup and restart the engine"
        )
        partition = self.partitions.pop(day, None)
        if partition is not None:
            with suppress(DatabaseError):
                partition.close()
            self._forget(day)
        for kept in (self.work, self.new_counts, self.new_from, self.bases):
            kept.pop(day, None)
        self.scheduled_days.discard(day)
        self.queues.remove_day(day)
        self.touched = {(d, seq) for d, seq in self.touched if d != day}
        self.notes.append(entry(now_ms, f"process:{self.name}", "partition.quarantined", f"partition:{name}"))

    # --- what becomes of messages ------------------------------------------------------------------------

    def refused(self, link: str, waiting: Waiting, part: int, error: str, now_ms: int) -> None:
        """An operator refused a segment for good: what is left of its message would never be read, so it does not leave."""
        self._did_not_leave(link, waiting, part, REJECTED, error, now_ms)
        if waiting.segments > 1:
            self._abandon(waiting, REJECTED, "another segment was refused", now_ms)

    def expired(self, waiting: Waiting, now_ms: int) -> None:
        """The validity ended before the message (or the rest of it) left."""
        odd(self, waiting)
        if waiting.undecided:
            rest_ends(self, waiting, EXPIRED, "validity ended", now_ms)
        elif waiting.todo is None:
            self.message_ended(
                waiting.day, waiting.seq, EXPIRED, "validity ended before it left", waiting.notify, now_ms
            )
        else:
            self._abandon(waiting, EXPIRED, "validity ended", now_ms)

    def kept_quiet(self, waiting: Waiting, now_ms: int) -> bool:
        """Whether it became quiet where its recipient lives while the message waited: it is scheduled for the end of that, or expires."""
        if self.quiet is None or waiting.undecided or waiting.left() != waiting.segments:
            return False  # what has begun to leave is one message: its rest follows
        wait = self.quiet.wait_of(waiting.to, waiting.class_, waiting.sender, now_ms)
        if wait is None:
            return False
        odd(self, waiting)
        day, seq, name = waiting.day, waiting.seq, wait.rules[0]
        if wait.until_ms >= waiting.expires_ms:
            self.message_ended(day, seq, EXPIRED, f"quiet hours: {name}", waiting.notify, now_ms)
            return True
        work = self.work[day]
        work.quieted.append((seq, wait.until_ms, seq))
        work.progress.append((SCHEDULED, None, now_ms, None, seq))
        work.events.append((seq, now_ms, SCHEDULED, f"{clock.rfc3339(wait.until_ms)} quiet hours: {name}"))
        work.marks.append(("open_until", waiting.expires_ms + limits.PARKED_RECEIPT_S * 1000))
        work.tell(waiting.notify, seq, SCHEDULED, now_ms, None)
        self.scheduled_days.add(day)
        self.statuses[SCHEDULED] += 1
        return True

    def _abandon(self, waiting: Waiting, status: int, error: str, now_ms: int) -> None:
        """The parts of a begun message that are still to do will not leave."""
        work = self.work[waiting.day]
        for part in waiting.todo or ():
            work.abandoned.append((status, now_ms, error, waiting.seq << 8 | part))
        waiting.todo = []  # a part that comes back later is queued by itself
        self.touched.add((waiting.day, waiting.seq))

    def unreadable(self, day: int, seq: int, notify: int, now_ms: int, why: str = "its seal is broken") -> None:
        """What is stored of a waiting message is not what was sealed, or its key was destroyed: it cannot be sent."""
        self.message_ended(day, seq, FAILED, why, notify, now_ms)

    def unroutable(self, waiting: Waiting, now_ms: int) -> None:
        if waiting.undecided:
            rest_ends(self, waiting, FAILED, "no route", now_ms)
        else:
            self.message_ended(waiting.day, waiting.seq, FAILED, "no route", waiting.notify, now_ms)

    def gave_up(self, link: str, waiting: Waiting, part: int, error: str, now_ms: int) -> None:
        """A segment was refused too often with 'try later'."""
        self._did_not_leave(link, waiting, part, FAILED, error, now_ms)

    def _did_not_leave(self, link: str, waiting: Waiting, part: int, status: int, error: str, now_ms: int) -> None:
        """An operator did not take this copy of a segment: it has ended, unless another copy may have left before."""
        odd(self, waiting)
        key = waiting.seq << 8 | part
        if waiting.undecided:
            not_again(self, waiting.day, key, waiting.segments, waiting.notify, status, error, now_ms, link)
        else:
            self.ended(waiting.day, key, waiting.segments, waiting.notify, status, error, now_ms, link)

    def ended(
        self, day: int, key: int, segments: int, notify: int, status: int, error: str, now_ms: int, link: str
    ) -> None:
        self.work[day].answers.append((status, now_ms, None, error, key))
        if segments == 1:
            self.message_ended(day, key >> 8, status, error, notify, now_ms, link)
        else:
            self.touched.add((day, key >> 8))

    def message_ended(
        self, day: int, seq: int, status: int, error: str | None, notify: int, now_ms: int, link: str = ""
    ) -> None:
        odd_seq(self, day, seq)
        work = self.work[day]
        work.progress.append((status, self.link_numbers[day].get(link), now_ms, error, seq))
        self.statuses[status] += 1
        work.tell(notify, seq, status, now_ms, error)

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

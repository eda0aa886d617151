"""From disk into the queues: what was spilled, what a restart finds, what was scheduled and is now due. In order, a page at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from appliance import clock, limits
from appliance.errors import Error
from appliance.keys import Keyring
from appliance.message import QUEUED, Content
from appliance.store import DatabaseError, doubts, partition_days

from .accepting import start_scheduled
from .ledger import Ledger
from .left_alone import withhold
from .straight import keep
from .tending import recover
from .undecided import ACTS, count, interrupted
from .waiting import Waiting

log = logging.getLogger(__name__)

KEY_S_MAX: Final = 1.0  # the beat does not wait longer for a data key; it tries again later
RETRY_S: Final = 1.0
DUE_EACH_S: Final = 0.25
DUE_MESSAGES: Final = 1_000  # of each class and day at a time

_decode = msgspec.msgpack.Decoder(Content).decode


class Pager:
    """Loads waiting messages for the ledger; the only place of the engine that opens what is sealed."""

    def __init__(self, ledger: Ledger, keyring: Keyring) -> None:
        self.ledger = ledger
        self.keyring = keyring
        self._again_s = 0.0
        self._due_s = 0.0
        self.why = ""

    def recover(self, now_ms: int) -> int:
        """At start: opens the partitions that may hold work, settles what a crash left undecided. Segments found so."""
        ledger = self.ledger
        today = clock.day_of(now_ms)
        self._each_day(partition_days(ledger.folder), lambda day: self._open_day(day, today, now_ms), now_ms)
        self._each_day(sorted(ledger.partitions, reverse=True), lambda day: self._parked(day, today), now_ms)
        ledger.parked.in_order()
        undecided = self._each_day(sorted(ledger.partitions), lambda day: self._interrupted(day, now_ms), now_ms)
        ledger.spilled = [True] * 4
        ledger.paged_upto = [{} for _ in range(4)]
        return undecided

    def _each_day(self, days: list[int], step: Callable[[int], int], now_ms: int) -> int:
        """The sum of a step over days; one whose partition is damaged is left alone, and the others are not held up by it."""
        total = 0
        for day in days:
            try:
                total += step(day)
            except (Error, DatabaseError) as e:
                if isinstance(e, Error) and e.code != "store_damaged":
                    raise
                log.error("partition %s cannot be read and is left alone: %s", clock.day_name(day), e)
                self.ledger.quarantine(day, now_ms)
        return total

    def _open_day(self, day: int, today: int, now_ms: int) -> int:
        ledger = self.ledger
        partition = ledger.partition(day)
        if day < today - limits.RECEIPT_DAYS and not (partition.may_move(now_ms) or ledger.outboxes[day].pending(1)[0]):
            ledger.close(day)
            return 0
        for class_, n in partition.waiting_counts(partition.mark("floor")):
            ledger.on_disk[class_] += n
        if partition.has_schedule():
            ledger.scheduled_days.add(day)
        return 1

    def _parked(self, day: int, today: int) -> int:
        """Receipts for ids that no response has brought yet, the newest first while there is room."""
        ledger = self.ledger
        left = limits.PARKED_RECEIPTS_MAX - len(ledger.parked)
        if day < today - limits.PARKED_RECEIPT_S // 86_400 or left <= 0:
            return 0
        names = {number: name for name, number in ledger.link_numbers[day].items()}
        rows = doubts.parked_ids(ledger.partitions[day], left)
        for number, operator_id, status, at_ms in rows:
            ledger.parked.add(names.get(number, ""), operator_id, at_ms, status)
        return len(rows)

    def _interrupted(self, day: int, now_ms: int) -> int:
        """Segments that a crash left between intention and answer."""
        ledger = self.ledger
        partition = ledger.partitions[day]
        names = {number: name for name, number in ledger.link_numbers[day].items()}
        for number, _, number_index in doubts.in_doubt(partition):
            ledger.doubts.soon((names.get(number, ""), number_index))
        seen: set[int] = set()
        recover(ledger, day)
        found = partition.interrupted(partition.mark("floor"))
        for key, number, class_, segments, notify in found:
            first = key >> 8 not in seen
            seen.add(key >> 8)
            link = names.get(number, "")
            act = ACTS[ledger.policies[class_]]
            if act == doubts.TO_RESEND and ledger.stops.unwanted(*doubts.addressed(partition, key >> 8)) is not None:
                act = doubts.REPORTED  # its customer asked to be left alone, before the crash or since
            again = interrupted(ledger, day, key, segments, notify, act, link, now_ms, first)
            if again and segments == 1:
                ledger.lost_on[day, key >> 8] = link
        count(ledger, partition)
        return len(found)

    async def fill(self, now_s: float, now_ms: int) -> None:
        """Before a beat: pages in what there is room for, and queues what is due."""
        if now_s < self._again_s:
            return
        ledger = self.ledger
        try:
            for class_ in range(4):
                few = ledger.queues.lengths[class_] < limits.QUEUE_PAGE_MESSAGES
                if ledger.spilled[class_] and few and ledger.room(class_) > 0:
                    await self._page(class_, now_ms)
            if ledger.scheduled_days and now_s - self._due_s >= DUE_EACH_S:
                self._due_s = now_s
                await self._due(now_ms)
            self.why = ""
        except (Error, TimeoutError) as e:
            self.why = e.code if isinstance(e, Error) else "peer_unavailable"
            self._again_s = now_s + RETRY_S

    async def _page(self, class_: int, now_ms: int) -> None:
        ledger = self.ledger
        left = min(limits.QUEUE_PAGE_MESSAGES, ledger.room(class_))
        upto = ledger.paged_upto[class_]
        for each in sorted(ledger.partitions):
            known = partial(ledger.straight.tally, each)
            found = ledger.partitions[each].waiting(class_, upto.get(each, 0), left, known)
            rows = [row for row, _ in found]
            of = {row[0]: tally for row, tally in found if tally is not None}
            opened = await self._open(each, rows, now_ms)
            self._doubted(each, [waiting for waiting in opened if waiting.seq not in of])
            for waiting in opened:
                tally = of.get(waiting.seq)
                if tally is not None:
                    waiting.tally = tally
                    keep(ledger, tally)
                ledger.queues.push(ledger.routes.group(waiting.to, waiting.class_, waiting.sender), waiting)
            if rows:
                upto[each] = rows[-1][0]
            if len(rows) < left:  # all of the day; what was not committed yet comes after it
                written = ledger.new_from.get(each, ledger.partitions[each].last_seq + 1) - 1
                upto[each] = max(upto.get(each, 0), written)
            ledger.on_disk[class_] = max(0, ledger.on_disk[class_] - len(rows))
            left -= len(rows)
            if left <= 0:
                return
        ledger.spilled[class_] = False
        ledger.on_disk[class_] = 0

    async def _due(self, now_ms: int) -> None:
        ledger = self.ledger
        for day in list(ledger.scheduled_days):
            partition = ledger.partition(day)
            seqs: list[int] = []
            for class_ in range(4):
                room = ledger.room(class_)  # what finds none stays scheduled for now
                if room > 0:
                    seqs += partition.due(now_ms, class_, min(room, DUE_MESSAGES))
            if not seqs:
                if not partition.has_schedule():
                    ledger.scheduled_days.discard(day)
                continue
            work = ledger.work[day]
            opened = await self._open(day, partition.rows_of(seqs), now_ms)
            self._doubted(day, opened)
            for waiting in opened:
                why = ledger.stops.stays(day, waiting.seq)  # its customer wrote while it was decided to send it again
                if why is None:
                    start_scheduled(ledger, waiting, now_ms)
                else:
                    withhold(ledger, day, waiting.seq, why, now_ms)
            work.unschedule += [(seq,) for seq in seqs]

    async def _open(self, day: int, rows: list[tuple[Any, ...]], now_ms: int) -> list[Waiting]:
        """The messages of rows of Partition.waiting, opened. Raises Error or TimeoutError before any of them is taken."""
        keys = {}
        for key_id in {row[8] for row in rows}:
            async with asyncio.timeout(KEY_S_MAX):
                try:
                    keys[key_id] = await self.keyring.by_id(key_id)
                except Error as e:
                    if e.code != "key_destroyed":
                        raise
        out = []
        for seq, mid, class_, encoding, segments, sender, number, content, key_id, expires, notify, _ in rows:
            key = keys.get(key_id)
            if key is None:
                self.ledger.unreadable(day, seq, notify, now_ms, "its content was erased")
                continue
            try:
                to = key.open(number, b"n" + mid).decode()
                payload = _decode(key.open(content or b"", b"c" + mid)).payload
            except (Error, msgspec.MsgspecError, UnicodeDecodeError):
                # One row that somebody damaged does not hold up those behind it.
                self.ledger.unreadable(day, seq, notify, now_ms)
                continue
            waiting = Waiting(
                day,
                seq,
                mid,
                class_,
                encoding,
                segments,
                sender,
                to,
                payload,
                expires,
                notify,
            )
            waiting.lost_on = self.ledger.lost_on.pop((day, seq), "") if self.ledger.lost_on else ""
            if segments > 1:
                begun = {part: status for part, status, *_ in self.ledger.partitions[day].parts(seq)}
                if begun:
                    waiting.link = self._began_on(day, seq)
                    waiting.todo = [p for p in range(1, segments + 1) if begun.get(p, QUEUED) == QUEUED]
                    if not waiting.todo:
                        continue  # nothing of it is still to leave
            out.append(waiting)
        return out

    def _doubted(self, day: int, those: list[Waiting]) -> None:
        """Which of these messages were in doubt before they were paged in."""
        doubted = doubts.doubted(self.ledger.partitions[day], [waiting.seq for waiting in those])
        for waiting in those if doubted else ():
            waiting.undecided = waiting.seq in doubted

    def _began_on(self, day: int, seq: int) -> str:
        """The link over which the first parts of a long message left: the others follow."""
        number = next((p[3] for p in self.ledger.partitions[day].parts(seq) if p[3]), None)
        return next((name for name, n in self.ledger.link_numbers[day].items() if n == number), "")

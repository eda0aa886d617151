"""From disk into the queues: what was spilled, what a restart finds, what was scheduled and is now due. In order, a page at a time."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from appliance import clock, limits
from appliance.errors import Error
from appliance.keys import Keyring
from appliance.message import QUEUED, Content
from appliance.store import partition_days

from .accepting import start_scheduled
from .ledger import Ledger
from .waiting import Waiting

KEY_S_MAX: Final = 1.0  # the beat does not wait longer for a data key; it tries again later
RETRY_S: Final = 1.0
LOOK_BACK_DAYS: Final = limits.VALIDITY_S_MAX // 86_400 + 1  # nothing older can still be valid
DUE_EACH_S: Final = 0.25

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
        undecided = 0
        seen: set[tuple[int, int]] = set()
        for day in partition_days(ledger.folder):
            if day < today - LOOK_BACK_DAYS:
                partition = ledger.partition(day)
                if not (partition.may_move(now_ms) or ledger.outboxes[day].pending(1)[0]):
                    ledger.close(day)
                    continue
            partition = ledger.partition(day)
            names = {number: name for name, number in ledger.link_numbers[day].items()}
            for key, link, class_, segments, notify in partition.interrupted(partition.mark("floor")):
                first = (day, key >> 8) not in seen
                seen.add((day, key >> 8))
                ledger.interrupted(
                    day, key, segments, notify, names.get(link, ""), ledger.resend[class_], now_ms, first
                )
                undecided += 1
            for class_, n in partition.waiting_counts(partition.mark("floor")):
                ledger.on_disk[class_] += n
            left = limits.PARKED_RECEIPTS_MAX - len(ledger.parked)
            for link, operator_id, status, _, error in reversed(partition.parked(left)):
                ledger.parked[names.get(link, ""), operator_id] = (status, day, error)
        for day, partition in ledger.partitions.items():
            if partition.has_schedule():
                ledger.scheduled_days.add(day)
        ledger.forget_old(today)
        ledger.spilled = [True] * 4
        ledger.paged_upto = [(0, 0)] * 4
        return undecided

    async def fill(self, now_s: float, now_ms: int) -> None:
        """Before a beat: pages in what there is room for, and queues what is due."""
        if now_s < self._again_s:
            return
        ledger = self.ledger
        try:
            for class_ in range(4):
                if ledger.spilled[class_] and ledger.queues.lengths[class_] < limits.QUEUE_PAGE_MESSAGES:
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
        left = limits.QUEUE_PAGE_MESSAGES
        day, after = ledger.paged_upto[class_]
        for each in sorted(d for d in ledger.partitions if d >= day):
            rows = ledger.partitions[each].waiting(class_, after if each == day else 0, left)
            for waiting in await self._open(each, rows, now_ms):
                ledger.queues.push(ledger.routes.links(waiting.to), waiting)
            if rows:
                ledger.paged_upto[class_] = (each, rows[-1][0])
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
            seqs = partition.due(now_ms, 1_000)
            if not seqs:
                if not partition.has_schedule():
                    ledger.scheduled_days.discard(day)
                continue
            work = ledger.work[day]
            for waiting in await self._open(day, partition.rows_of(seqs), now_ms):
                start_scheduled(ledger, waiting, now_ms)
            work.unschedule += [(seq,) for seq in seqs]

    async def _open(self, day: int, rows: list[tuple[Any, ...]], now_ms: int) -> list[Waiting]:
        """The messages of rows of Partition.waiting, opened. Raises Error or TimeoutError before any of them is taken."""
        keys = {}
        for key_id in {row[8] for row in rows}:
            async with asyncio.timeout(KEY_S_MAX):
                keys[key_id] = await self.keyring.by_id(key_id)
        out = []
        for seq, mid, class_, encoding, segments, sender, number, content, key_id, expires, notify, _ in rows:
            key = keys[key_id]
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
            if segments > 1:
                begun = {part: status for part, status, *_ in self.ledger.partitions[day].parts(seq)}
                if begun:
                    waiting.todo = [p for p in range(1, segments + 1) if begun.get(p, QUEUED) == QUEUED]
                    if not waiting.todo:
                        continue  # nothing of it is still to leave
            out.append(waiting)
        return out

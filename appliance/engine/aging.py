"""Retention by class: text and number of messages whose class's time is over are erased, a little in a beat; the rest of a day stays.

A legal hold stops it, and so does a keys process that does not say what is held. What still waits, may be answered or is not told yet is
left for the next day. Cut off, it begins a day anew and passes over what is erased already.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from appliance import clock
from appliance.audit import entry
from appliance.errors import Error
from appliance.keys import Keyring
from appliance.message import CLASSES
from appliance.settings import Settings
from appliance.store import ODD, DatabaseError, aging, partition_days, stored

from .ledger import Ledger
from .left_stores import LeftStores
from .unfolding import batch_now, rewrite

log = logging.getLogger(__name__)

LOOK_S: Final = 60.0  # between two looks at what has become old
PAUSE_S: Final = 0.05  # between two steps: beats come first
BATCHES: Final = 2  # in one step
ROWS: Final = 500
INBOUND: Final = "inbound"
KINDS: Final = (*CLASSES, INBOUND)


def due(kept: dict[str, int], day: int, today: int, held: frozenset[int], done: frozenset[str]) -> list[str]:
    """Classes (and `inbound`) of a day whose retention is over and that are not aged yet; nothing under a legal hold. Pure."""
    if day in held:
        return []
    return [kind for kind in KINDS if day < today - kept[kind] and kind not in done]


def kept_days(settings: Settings) -> dict[str, int]:
    """Class, or `inbound` -> days: never longer than the partition itself."""
    most = settings["store.retention_days"]
    days = {
        "otp": settings["store.otp_days"],
        "alert": settings["store.alert_days"],
        "transaction": settings["store.transaction_days"],
        "bulk": settings["store.bulk_days"],
        INBOUND: settings["store.inbound_days"],
    }
    assert tuple(days) == KINDS
    return {kind: min(kept, most) for kind, kept in days.items()}


class Step:
    """How far one class of one day is. `skipped`: what may still be needed."""

    def __init__(self) -> None:
        self.row = self.batch = 0
        self.erased = 0
        self.skipped = False
        self.over = False


class Aging:
    """One engine's. `do` runs an act within a beat; `unscrubbed`: days whose logs are to be emptied."""

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        keyring: Keyring,
        do: Callable[[Callable[[], Any]], Awaitable[Any]],
        stores: LeftStores,
        unscrubbed: set[int],
    ) -> None:
        self.ledger = ledger
        self.kept = kept_days(settings)
        self.most = settings["store.retention_days"]
        self.keyring = keyring
        self._do = do
        self.stores = stores
        self._unscrubbed = unscrubbed
        self._looked: dict[
            tuple[int, int], tuple[int, frozenset[str]]
        ] = {}  # store and day -> when, and what was aged then
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            try:
                await self.look(clock.now_ms())
            except (Error, DatabaseError) as e:
                log.warning(
                    "what is past its retention waits: %s", e.code if isinstance(e, Error) else "a day cannot be read"
                )
            await asyncio.sleep(LOOK_S)

    async def look(self, now_ms: int) -> int:
        """Erases everything that is due now; how many messages."""
        total = 0
        folders: dict[int, Path] = {0: self.ledger.folder, **self.stores.folders}
        today = clock.day_of(now_ms)
        found = {(left, day) for left, at in folders.items() for day in partition_days(at)}
        if not any(self._due(left, folders[left], day, today) for left, day in found):
            return 0  # by far the most often: nobody is asked
        said = await self.keyring.retention()
        if said is None:
            return 0  # unknown: nothing is erased
        held, certain = said
        today = min(today, certain)  # a clock that went far ahead erases nothing
        for left, day in sorted(found, key=lambda each: each[1]):
            if day in held:
                continue
            kinds = self._due(left, folders[left], day, today)
            for kind in kinds:
                total += await self._age(left, day, kind)
            if kinds:
                self._looked[left, day] = (today, aging.aged(folders[left], day))
        return total

    def _due(self, left: int, folder: Path, day: int, today: int) -> list[str]:
        """What is due of a day, holds aside; of a day that was looked at today nothing is."""
        if day < today - self.most or not any(day < today - days for days in self.kept.values()):
            return []
        when, done = self._looked.get((left, day), (0, frozenset()))
        if when == today or day in self.ledger.damaged:
            return []
        done = done or aging.aged(folder, day)
        kinds = due(self.kept, day, today, frozenset(), done)
        if not kinds:
            self._looked[left, day] = (today, done)
        return kinds

    async def _age(self, left: int, day: int, kind: str) -> int:
        step = Step()
        while not step.over:
            await self._do(partial(self._step, left, day, kind, step))
            await asyncio.sleep(PAUSE_S)
        return step.erased

    def _step(self, left: int, day: int, kind: str, step: Step) -> None:
        """A little of it, in this beat's transaction; with the last of it the mark and the entry in the audit log."""
        ledger, now_ms = self.stores.ledger_of(left), clock.now_ms()
        partition = ledger.existing(day)
        if partition is None or aging.untold(partition):
            step.over = True
            return
        if kind == INBOUND:
            self._inbound(ledger, day, step)
        else:
            self._messages(ledger, day, CLASSES.index(kind), step, now_ms)
        if step.over:
            work = ledger.work[day]
            if not step.skipped:
                work.marks.append((aging.AGED.format(kind), 1))
            if step.erased:
                on = f"partition:{clock.day_name(day)}"
                told: dict[str, Any] = {"class": kind, "messages": step.erased}
                work.audit.append(entry(now_ms, f"process:{ledger.name}", "partition.aged", on, **told))
            if not left:
                self._unscrubbed.add(day)
        if left:
            self.stores.commit(left, day)

    def _inbound(self, ledger: Ledger, day: int, step: Step) -> None:
        partition, work = ledger.partitions[day], ledger.work[day]
        heard, parts = aging.heard_of(partition, ROWS), aging.parts_of(partition, ROWS)
        work.heard_aged += [(n,) for n in heard]
        work.parts_aged += [(n,) for n in parts]
        step.erased += len(heard)
        step.skipped = aging.inbound_waits(partition)
        step.over = ROWS not in (len(heard), len(parts))

    def _messages(self, ledger: Ledger, day: int, class_: int, step: Step, now_ms: int) -> None:
        partition, work = ledger.partitions[day], ledger.work[day]
        rows = aging.rows_of(partition, class_, step.row, ROWS)
        for seq, status, expires_ms in rows:
            step.row = seq
            if aging.over(status, expires_ms, now_ms):
                work.aged.append((seq,))
                step.erased += 1
            else:
                step.skipped = True
        firsts = aging.batches_of(partition, class_, step.batch, BATCHES)
        for first in firsts:
            step.batch = first
            self._batch(ledger, day, first, class_, step, now_ms)
        step.over = len(rows) < ROWS and len(firsts) < BATCHES

    def _batch(self, ledger: Ledger, day: int, first: int, class_: int, step: Step, now_ms: int) -> None:
        columns, numbers = batch_now(ledger, day, first)
        places = [at for at, each in enumerate(columns.classes) if each == class_ and columns.numbers[at]]
        if not places:
            return
        tally = ledger.straight.tally(day, first)
        if tally is None:
            tally = stored.tally_of(ledger.partitions[day].conn, day, first, columns.ids)
        changed = False
        for at in places:
            status = tally.statuses[at]
            if status == ODD or aging.over(status, columns.expires_ms[at], now_ms):
                # Of one that is rows now, the rows count: they are aged for themselves.
                columns.numbers[at] = columns.contents[at] = b""
                step.erased += status != ODD
                changed = True
            else:
                step.skipped = True
        if changed:
            rewrite(ledger, day, first, columns, numbers)

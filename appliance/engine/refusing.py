"""What a beat does when the disk does not take it: what is new is refused and forgotten, the rest waits and is tried again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from appliance import clock
from appliance.errors import Error
from appliance.limits import STORE_FREE_OCTETS_MIN
from appliance.store import DatabaseError, free_octets

from .accepting import forget_new
from .packing import Staged
from .telling import settle
from .tending import unstage

if TYPE_CHECKING:
    from .beat import Beat, Reply


async def write_over(beat: Beat, done: set[int], now_ms: int) -> bool:
    """Makes refused for a restart too what failed to commit, if the disk lets it. Whether it does."""
    holds = free_octets(beat.ledger.folder) >= STORE_FREE_OCTETS_MIN
    for day, partition in list(beat.ledger.partitions.items()):
        if day not in done:
            try:
                await asyncio.get_running_loop().run_in_executor(beat.pool, partition.write_over, now_ms)
            except DatabaseError:
                holds = False
    return holds


async def refuse_new(beat: Beat, replies: list[Reply], done: set[int], error: Error, damaged: int = 0) -> None:
    """The days in `done` are durable and their callers told so; of the others, what is new is refused and forgotten.

    `damaged`: a day that waiting does not mend; it is left alone, and the others go on without it.
    """
    ledger = beat.ledger
    for day, partition in ledger.partitions.items():
        if day not in done:
            partition.rollback()
    for future, reply, day in replies:
        settle(future, reply if day in done else error)
    replies.clear()
    _unstage(beat, done)
    forget_new(ledger, done)
    beat.refuse(error)
    if damaged:
        ledger.quarantine(damaged, clock.now_ms())
        return
    await asyncio.sleep(beat.pause_s)
    # What was refused is forgotten, so that there may be nothing left to try: the disk is asked.
    while not beat.draining and not await write_over(beat, done, clock.now_ms()):
        await asyncio.sleep(beat.pause_s)
    if beat.draining and clock.monotonic_s() > beat.give_up_s:
        raise error


def _unstage(beat: Beat, done: set[int]) -> None:
    """What was about to leave goes back into the queues, unless its intention is durable: it may wait for long."""
    ledger = beat.ledger
    out: set[tuple[int, int]] = set()
    for n, staged in enumerate(beat.frames):
        keep = [k for k, (w, _) in enumerate(staged.parts) if w.day in done]
        back = [(w, part) for w, part in staged.parts if w.day not in done]
        out.update((w.day, w.seq << 8 | part) for w, part in back)
        beat.requeue([(w, part) for w, part in back if w.seq < ledger.new_from.get(w.day, 1 << 62)])
        beat.frames[n] = Staged(
            staged.bind,
            staged.session,
            [staged.frames[k] for k in keep],
            [staged.sequences[k] for k in keep],
            [staged.parts[k] for k in keep],
        )
    for day in {day for day, _ in out}:
        work = ledger.work[day]
        work.intents = [row for row in work.intents if (day, row[0]) not in out]
        unstage(ledger, day, {key >> 8 for each, key in out if each == day})

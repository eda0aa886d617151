"""The active table in a process that goes on working: taken anew when another version becomes active, a piece a turn."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Final

from appliance import clock
from appliance.settings import Settings

from .shelf import Active, RouteShelf, Steps, through
from .table import RouteTable

log = logging.getLogger(__name__)

TURN_S: Final = 0.008  # pieces done before the loop gets its turn; a beat under load takes about as long
LOOK_S: Final = 0.25  # between two looks at whether another version became active


class Took:
    """How long a table took to be made: all of it, and the longest piece, in which its process did nothing else. Seconds."""

    def __init__(self) -> None:
        self.whole_s = self.longest_s = 0.0


async def in_pieces(steps: Steps, took: Took) -> Active:
    """Does the steps of a loading with the loop's other work in between; what blocks goes into a thread.

    Not in a thread as a whole: that would take the interpreter from the loop again and again, whenever the loop needs it.
    """
    loop = asyncio.get_running_loop()
    began_s = clock.monotonic_s()
    answer = None
    # A collection would walk over every new row, tens of milliseconds of a pause, and find nothing: rows know no cycles.
    collects = gc.isenabled()
    gc.disable()
    try:
        at_s = clock.monotonic_s()
        while True:
            step = steps.send(answer)
            answer = None
            spent_s = clock.monotonic_s() - at_s
            took.longest_s = max(took.longest_s, spent_s)
            if step is not None:
                answer = await loop.run_in_executor(None, step)
            elif spent_s >= TURN_S:
                await asyncio.sleep(0)
            else:
                continue
            at_s = clock.monotonic_s()
    except StopIteration as e:
        took.whole_s = clock.monotonic_s() - began_s
        active: Active = e.value
        return active
    finally:
        if collects:
            gc.freeze()
            gc.enable()


class RouteWatch:
    """`table` is the active one, a quarter of a second old at most while `keep_looking` runs."""

    def __init__(self, settings: Settings) -> None:
        self.shelf = RouteShelf(settings)
        self._stamp = self.shelf.stamp()
        self.active = through(self.shelf.loading())
        self.table: RouteTable = self.active.table
        _say(self.active)

    async def look(self) -> None:
        """Takes another table when another version became active. Never raises for what is on the disk."""
        stamp = self.shelf.stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        self.active = await in_pieces(self.shelf.loading(), Took())
        old, self.table = self.table, self.active.table
        for _ in old.dissolve():
            await asyncio.sleep(0)
        _say(self.active)

    async def keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except OSError as e:
                log.warning("the routes cannot be read: %s", type(e).__name__)


def _say(active: Active) -> None:
    for problem in active.problems:
        log.warning("routes: %s", problem)
    log.info("routes: version %d, %d rows", active.version, len(active.table))

"""Days from which something was erased: their write-ahead logs are emptied between beats, before anybody is told that it is done."""

from __future__ import annotations

import asyncio

from .ledger import Ledger


class Scrubbing:
    """`days`: those whose logs still have it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.days: set[int] = set()

    async def step(self) -> None:
        """Between two beats. A reader that stands in the way is waited for until the next."""
        for day in list(self.days):
            partition = self.ledger.partitions.get(day)
            if partition is None or await asyncio.get_running_loop().run_in_executor(None, partition.scrub):
                self.days.discard(day)

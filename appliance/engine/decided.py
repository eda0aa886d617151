"""HOT: what one beat decides, until it is durable: rows by day, and what the next steps of the same beat must know of it."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from appliance.message import Batch
from appliance.store import Work


class Decided(NamedTuple):
    """Tables of the ledger that are begun anew with each beat."""

    work: defaultdict[int, Work]
    touched: set[tuple[int, int]]  # long messages whose status must be worked out again
    just_ended: set[tuple[str, str]]  # link and operator's id of what had its final receipt
    decided_now: set[tuple[int, int]]  # messages that an act or a late receipt settled
    new_counts: dict[int, list[int]]  # by day and status: of what was accepted
    fresh: list[tuple[Batch, range]]  # what was accepted
    new_from: dict[int, int]  # first new seq of each day

    def joined(self, later: Decided) -> Decided:
        """One beat of two."""
        for day, work in later.work.items():
            if day in self.work:
                self.work[day].join(work)
            else:
                self.work[day] = work
        for day, counts in later.new_counts.items():
            before = self.new_counts.get(day, [0] * len(counts))
            self.new_counts[day] = [a + b for a, b in zip(before, counts, strict=True)]
        return Decided(
            self.work,
            self.touched | later.touched,
            self.just_ended | later.just_ended,
            self.decided_now | later.decided_now,
            self.new_counts,
            self.fresh + later.fresh,
            later.new_from | self.new_from,
        )


def nothing() -> Decided:
    """Of a beat that begins."""
    return Decided(defaultdict(Work), set(), set(), set(), {}, [], {})

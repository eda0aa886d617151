"""HOT: how the wall clock was set lately: what is told by times must not lean on times of before. Pure; both clocks' times are passed in.

The clock that nobody sets goes on through restarts of the process until the machine boots; so a step is noticed, too, that came while no
engine ran. What a boot does to the wall clock nobody can see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from appliance import clock, limits
from appliance.store import DatabaseError

if TYPE_CHECKING:
    from .ledger import Ledger

STEP_MS: Final = 1_000  # of which the wall clock moves between two looks; a clock that is slewed moves less
RESTART_MS: Final = 30_000  # the same since it was last noted, at most a day before: by then slewing is seen
MARK: Final = "clock"  # name of the marks: it, the boot, by how much the clock was set until then


class Steps(NamedTuple):
    """What is left to know of them."""

    upto_ms: int  # the latest time of either side of a step: what is later on this clock was after all of them
    by_ms: int  # by how much the clock was set, all together


STEADY: Final = Steps(0, 0)


def stepped(steps: Steps, moved_ms: int, now_ms: int) -> Steps:
    """One more step, noticed now."""
    return Steps(max(steps.upto_ms, now_ms, now_ms - moved_ms), steps.by_ms + abs(moved_ms))


class StepWatch:
    """Looks at both clocks before each beat. `boot` names the time since the machine was started."""

    def __init__(self, ledger: Ledger, boot: str) -> None:
        self.ledger = ledger
        self.boot = boot
        self._offset_ms: int | None = None
        self._noted: set[int] = set()

    def recover(self, now_s: float, now_ms: int) -> None:
        """At a start: what was noted in the days that are open, and whether the clock was set since."""
        begins = f"{MARK} {self.boot} "
        last: tuple[int, int] | None = None
        steps = STEADY
        for day, partition in list(self.ledger.partitions.items()):
            try:
                marks = partition.marks(MARK + " ")
            except DatabaseError:
                self.ledger.quarantine(day, now_ms)
                continue
            for name, value in marks:
                if name == f"{MARK} upto":
                    steps = Steps(max(steps.upto_ms, value), steps.by_ms)
                elif name == f"{MARK} by":
                    steps = Steps(steps.upto_ms, max(steps.by_ms, value))
                elif name.startswith(begins):
                    last = max(last or (-1, 0), (int(name.removeprefix(begins)), value))
        self._offset_ms = now_ms - int(now_s * 1_000)
        if last is not None and abs(self._offset_ms - last[1]) > RESTART_MS:
            steps = stepped(steps, self._offset_ms - last[1], now_ms)
        self.ledger.steps = steps

    def look(self, now_s: float, now_ms: int) -> None:
        """Notes a step, and in each new day how the clocks stand to each other."""
        offset_ms = now_ms - int(now_s * 1_000)
        moved_ms = offset_ms - (self._offset_ms if self._offset_ms is not None else offset_ms)
        self._offset_ms = offset_ms
        if abs(moved_ms) > STEP_MS:
            self.ledger.steps = stepped(self.ledger.steps, moved_ms, now_ms)
            self._noted.clear()
        elif self.ledger.steps.upto_ms < now_ms - limits.RECEIPT_DAYS * clock.DAY_MS:
            self.ledger.steps = STEADY
        day = clock.day_of(now_ms)
        if day in self.ledger.partitions and day not in self._noted:
            self._noted.add(day)
            steps = self.ledger.steps
            marks = self.ledger.work[day].marks
            marks.append((f"{MARK} {self.boot} {steps.by_ms}", offset_ms))
            if steps.upto_ms:
                marks += [(f"{MARK} upto", steps.upto_ms), (f"{MARK} by", steps.by_ms)]

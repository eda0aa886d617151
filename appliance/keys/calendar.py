"""What day it is for whoever destroys something because of its age: never later than time that has demonstrably passed.

A wall clock that jumps ahead by a year would end every retention at once, and what a key's destruction erases nobody brings back. So a
jump of more than a day counts only when the kernel says that its clock is synchronised (chrony), or when a person confirms it. Until
then this calendar goes on by the clock that nobody sets. Sealing, validities and schedules follow the wall clock as ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from appliance import atomic, clock
from appliance.clock import DAY_MS, day_of
from appliance.errors import Error

log = logging.getLogger(__name__)

NAME: Final = "calendar"  # one number: the newest time that was certain, in ms
JUMP_MS_MAX: Final = DAY_MS  # a clock that is further ahead than this has to be confirmed
AGREES_MS: Final = 2_000  # the kernel's time and ours, read one after the other
WRITTEN_EACH_MS: Final = 3_600_000


class Certain(NamedTuple):
    """The newest time that is certain, and whether the wall clock is doubted."""

    at_ms: int
    doubted: bool


def judged(before_ms: int, now_ms: int, passed_ms: int | None, synchronised: bool) -> Certain:
    """Pure. `before_ms`: what was certain last; `passed_ms`: by the clock that nobody sets since then, None after a start."""
    if synchronised:
        return Certain(now_ms, False)
    upto_ms = before_ms + (passed_ms if passed_ms is not None else JUMP_MS_MAX)
    if now_ms > upto_ms + (JUMP_MS_MAX if passed_ms is not None else 0):
        return Certain(before_ms + (passed_ms or 0), True)
    return Certain(max(before_ms, min(now_ms, upto_ms)), False)


class Calendar:
    """One box's, kept in `folder`. `told(what, **detail)` records an event of the audit log.

    Trust: whoever can change its file can keep days from being erased, or have them erased while the clock is wrong.
    """

    def __init__(
        self,
        folder: Path,
        newest_day: Callable[[], int | None],
        told: Callable[..., None],
        now_ms: Callable[[], int] = clock.now_ms,
        now_s: Callable[[], float] = clock.monotonic_s,
        synchronised_ms: Callable[[], int | None] = clock.synchronised_ms,
    ) -> None:
        """`newest_day`: of the newest daily key, for a box that has no calendar yet."""
        self._path = folder / NAME
        self._told = told
        self._now_ms, self._now_s, self._synchronised_ms = now_ms, now_s, synchronised_ms
        self._looked_s: float | None = None
        self._written_ms = 0
        self.doubted = False
        try:
            self._at_ms = self._written_ms = int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            day = newest_day()
            self._at_ms = now_ms() if day is None else min(now_ms(), (day + 1) * DAY_MS)

    @property
    def why(self) -> str:
        """What people are told; empty while all is well."""
        if not self.doubted:
            return ""
        ahead = (self._now_ms() - self._at_ms) // DAY_MS
        return (
            f"clock_doubted: the clock of this box went ahead by {ahead} days; nothing is erased by it until it is synchronised, set back,"
            " or confirmed (`casemate keys confirm-clock`)"
        )

    def look(self) -> int:
        """The day that is certain; by it days are erased."""
        now_ms, now_s = self._now_ms(), self._now_s()
        passed_ms = None if self._looked_s is None else int((now_s - self._looked_s) * 1000)
        kernel_ms = self._synchronised_ms()
        agreed = kernel_ms is not None and abs(kernel_ms - now_ms) <= AGREES_MS
        certain = judged(self._at_ms, now_ms, passed_ms, agreed)
        self._looked_s = now_s
        self._at_ms = certain.at_ms
        if certain.doubted != self.doubted:
            self.doubted = certain.doubted
            if certain.doubted:
                log.critical("%s", self.why)
                self._told("clock.doubted", ahead_days=(now_ms - certain.at_ms) // DAY_MS)
        if abs(self._at_ms - self._written_ms) >= WRITTEN_EACH_MS:
            self._write()
        return day_of(self._at_ms)

    def confirm(self) -> int:
        """A person says that the wall clock is right; the day that it then is. On the record before: the caller's. Raises Error `store_full`."""
        self._at_ms, self._looked_s, self.doubted = self._now_ms(), self._now_s(), False
        if not self._write():
            raise Error("store_full", "the calendar cannot be written", "free space on the disk")
        return day_of(self._at_ms)

    def _write(self) -> bool:
        """Whole or not at all; what cannot be written is written in a while."""
        try:
            atomic.write(self._path, f"{self._at_ms}\n")
        except OSError as e:
            log.warning("the calendar cannot be written: %s", e.strerror)
            return False
        self._written_ms = self._at_ms
        return True

"""Which of two HSMs serves, as a state table: pure, the time is passed in.

The first is preferred. It gets the work back only after it has been well without a break for a while, which grows with every fail-over
of the last hour: an HSM that comes and goes is left alone.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from .bounds import FLAPS_S, RETURN_S_MAX

FIRST: Final = "first"
SECOND: Final = "second"
NONE: Final = "none"

FIRST_WELL: Final = "the first is well"
SECOND_WELL: Final = "the second is well"
FAILS: Final = "it fails, the other is well"
BOTH_FAIL: Final = "it fails, the other too"
KEPT_WELL: Final = "the first has kept well"

TABLE: Final[dict[tuple[str, str], str]] = {
    (NONE, FIRST_WELL): FIRST,
    (NONE, SECOND_WELL): SECOND,
    (FIRST, FAILS): SECOND,
    (FIRST, BOTH_FAIL): NONE,
    (SECOND, FAILS): FIRST,
    (SECOND, BOTH_FAIL): NONE,
    (SECOND, KEPT_WELL): FIRST,
}


class Failover:
    """`serves` is FIRST, SECOND or NONE. Well means: answers, and has proven that it holds the right keys."""

    def __init__(self, return_s: float) -> None:
        self.serves = NONE
        self.last = FIRST  # who serves, or served last
        self.count = 0  # fail-overs from one to the other, ever
        self._return_s = return_s
        self._lately: deque[float] = deque()
        self._first_since: float | None = None

    def look(self, first_well: bool, second_well: bool, now_s: float) -> str | None:
        """What was heard, when it changed who serves; else None."""
        if not first_well:
            self._first_since = None
        elif self._first_since is None:
            self._first_since = now_s
        heard = self._heard(first_well, second_well, now_s)
        if heard is None:
            return None
        self.serves = TABLE[self.serves, heard]
        if self.serves not in (
            NONE,
            self.last,
        ):  # also by way of none: the first failed, and the second was not well just then
            self.last = self.serves
            if heard != KEPT_WELL:
                self.count += 1
                self._lately.append(now_s)
        return heard

    def _heard(self, first_well: bool, second_well: bool, now_s: float) -> str | None:
        if self.serves == NONE:
            return FIRST_WELL if first_well else SECOND_WELL if second_well else None
        mine, other = (first_well, second_well) if self.serves == FIRST else (second_well, first_well)
        if not mine:
            return FAILS if other else BOTH_FAIL
        kept = self._first_since is not None and now_s - self._first_since >= self.patience_s(now_s)
        return KEPT_WELL if self.serves == SECOND and first_well and kept else None

    def patience_s(self, now_s: float) -> float:
        """How long the first has to be well before it serves again: doubles with each fail-over of the last hour."""
        while self._lately and now_s - self._lately[0] > FLAPS_S:
            self._lately.popleft()
        return min(self._return_s * 2.0 ** max(0, len(self._lately) - 1), max(RETURN_S_MAX, self._return_s))

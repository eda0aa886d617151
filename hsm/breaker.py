"""When calls to the HSM are let through, as a state table: pure, the time is passed in.

While it is open, calls fail at once instead of waiting; after a pause one trial decides.
"""

from __future__ import annotations

from typing import Final

from .bounds import FAILURES_MAX, TRIAL_S

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half-open"

ANSWERED: Final = "answered"  # the HSM did what it was asked, or refused for a reason of the request
FAILED: Final = "failed"  # it did not, but not often enough in a row to matter
FAILED_OFTEN: Final = "failed often"  # FAILURES_MAX in a row
NO_WORKER: Final = "no worker left"
PAUSE_OVER: Final = "pause over"

TABLE: Final[dict[tuple[str, str], str]] = {
    (CLOSED, ANSWERED): CLOSED,
    (CLOSED, FAILED): CLOSED,
    (CLOSED, FAILED_OFTEN): OPEN,
    (CLOSED, NO_WORKER): OPEN,
    (OPEN, ANSWERED): OPEN,
    (OPEN, FAILED): OPEN,
    (OPEN, FAILED_OFTEN): OPEN,
    (OPEN, NO_WORKER): OPEN,
    (OPEN, PAUSE_OVER): HALF_OPEN,
    (HALF_OPEN, ANSWERED): CLOSED,
    (HALF_OPEN, FAILED): OPEN,
    (HALF_OPEN, FAILED_OFTEN): OPEN,
    (HALF_OPEN, NO_WORKER): OPEN,
}


class Breaker:
    """Starts open: nothing is let through before the first trial succeeded."""

    def __init__(self) -> None:
        self.state = OPEN
        self.failures = 0
        self.until_s = 0.0  # an open breaker's next trial

    def hear(self, heard: str, now_s: float) -> str:
        """The state after `heard` (ANSWERED, FAILED or NO_WORKER) at `now_s`."""
        if heard == ANSWERED:
            self.failures = 0
        elif heard == FAILED:
            self.failures += 1
            heard = FAILED_OFTEN if self.failures >= FAILURES_MAX else FAILED
        self._turn(heard, now_s)
        return self.state

    def trial_due(self, now_s: float) -> bool:
        """True once when an open breaker's pause is over; it is half-open then, and one trial is expected to be heard."""
        if self.state != OPEN or now_s < self.until_s:
            return False
        self._turn(PAUSE_OVER, now_s)
        return True

    def _turn(self, heard: str, now_s: float) -> None:
        before, self.state = self.state, TABLE[self.state, heard]
        if self.state == OPEN and before != OPEN:
            self.until_s = now_s + TRIAL_S

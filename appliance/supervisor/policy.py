"""When a process is started, asked, killed and started again: a state table and a watch over one process, the time passed in.

Decides only; never starts, asks or kills anything itself.
"""

from __future__ import annotations

from typing import Final

from appliance.limits import (
    PROBES_MISSED_MAX,
    RESTART_S_MAX,
    RESTART_S_MIN,
    START_S_MAX,
    STEADY_S,
)

WAITING, STARTING, READY, UNREADY, KILLING, PAUSING, STOPPING, STOPPED = STATES = (
    "waiting",  # its turn has not come
    "starting",  # runs, has not been ready yet
    "ready",
    "unready",  # runs and answers, but cannot do its work (the HSM is away, say)
    "killing",  # hung, or never became alive: told to end at once
    "pausing",  # died; waits before it is started again
    "stopping",  # asked to end
    "stopped",
)

START, WELL, WAITS, UNWELL, SILENT, DIED, DUE, STOP = (
    "start",
    "well",
    "waits",  # for people to open the token, as everything that needs it does: nothing is wrong, and the others may start
    "unwell",
    "silent",  # missed PROBES_MISSED_MAX probes in a row, or START_S_MAX passed without an answer
    "died",
    "due",
    "stop",
)

#: {(state, what was heard): the next state}. What is not here changes nothing.
TABLE: Final[dict[tuple[str, str], str]] = {
    (WAITING, START): STARTING,
    (STARTING, WELL): READY,
    (STARTING, WAITS): UNREADY,
    (STARTING, SILENT): KILLING,
    (STARTING, DIED): PAUSING,
    (READY, UNWELL): UNREADY,
    (READY, SILENT): KILLING,
    (READY, DIED): PAUSING,
    (UNREADY, WELL): READY,
    (UNREADY, SILENT): KILLING,
    (UNREADY, DIED): PAUSING,
    (KILLING, DIED): PAUSING,
    (PAUSING, DUE): STARTING,
    (WAITING, STOP): STOPPED,
    (PAUSING, STOP): STOPPED,
    (STARTING, STOP): STOPPING,
    (READY, STOP): STOPPING,
    (UNREADY, STOP): STOPPING,
    (KILLING, STOP): STOPPING,
    (STOPPING, DIED): STOPPED,
}

#: In these a process exists.
ALIVE: Final = frozenset({STARTING, READY, UNREADY, KILLING, STOPPING})


def waits(why: str) -> bool:
    """Whether a process that is not ready says that it waits for people: the token is sealed, or has no keys yet."""
    return "sealed: " in why


def pause_s(deaths: int, jitter: float) -> float:
    """Seconds before the next start after `deaths` in a row: doubling, at most RESTART_S_MAX; `jitter` in [0, 1] takes up to half away."""
    longest = min(RESTART_S_MAX, RESTART_S_MIN * 2.0 ** min(deaths - 1, 30))
    return longest * (1.0 - jitter / 2)


class Watch:
    """What is known about one process. Times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self.state = WAITING
        self.since_s = 0.0
        self.restarts = 0
        self.deaths = 0  # in a row, since it was last steady
        self.missed = 0
        self.answered = False  # since it was started
        self.was_ready = False  # ever
        self.due_s = 0.0
        self.why = ""

    def hear(self, heard: str, now_s: float, jitter: float = 0.0) -> bool:
        """Takes in one event; true when the state changed. `jitter` in [0, 1] is used for a pause."""
        state = TABLE.get((self.state, heard))
        if state is None:
            return False
        if heard == DIED and state == PAUSING:
            if self.state == READY and now_s - self.since_s >= STEADY_S:
                self.deaths = 0
            self.deaths += 1
            self.due_s = now_s + pause_s(self.deaths, jitter)
        if state == STARTING:
            self.restarts += self.state == PAUSING
            self.missed, self.answered = 0, False
        self.was_ready = self.was_ready or state == READY
        self.state = state
        self.since_s = now_s
        return True

    def probed(self, well: bool | None, why: str, now_s: float) -> bool:
        """Takes in the answer to a probe: well, alive but unwell, or None for no answer; true when the state changed."""
        if self.state not in (STARTING, READY, UNREADY):
            return False
        self.why = why
        if well is not None:
            self.missed, self.answered = 0, True
            return self.hear(WELL if well else WAITS if waits(why) and self.state == STARTING else UNWELL, now_s)
        if self.state == STARTING and not self.answered:
            return now_s - self.since_s >= START_S_MAX and self.hear(SILENT, now_s)
        self.missed += 1
        return self.missed >= PROBES_MISSED_MAX and self.hear(SILENT, now_s)

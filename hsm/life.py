"""The life of one worker as a state table, and how long it pauses before it is started again: pure, the time is passed in."""

from __future__ import annotations

from typing import Final

from .bounds import OPEN_PATIENCE, RESTART_S_MAX, RESTART_S_MIN

ABSENT: Final = "absent"
OPENING: Final = "opening"  # loading, logging in, finding its keys
IDLE: Final = "idle"
BUSY: Final = "busy"
PAUSED: Final = "paused"  # gone; started again when its pause is over
BARRED: Final = "barred"  # the token refused the PIN: not started before the PIN file changes

START: Final = "start"
OPENED: Final = "opened"
TAKEN: Final = "taken"
ANSWERED: Final = "answered"
LOST: Final = "lost"  # died, was killed for being late, or said that the token fails
PIN_REFUSED: Final = "PIN refused"
PIN_CHANGED: Final = "PIN changed"
PAUSE_OVER: Final = "pause over"
STOP: Final = "stop"

TABLE: Final[dict[tuple[str, str], str]] = {
    (ABSENT, START): OPENING,
    (OPENING, OPENED): IDLE,
    (OPENING, LOST): PAUSED,
    (OPENING, PIN_REFUSED): BARRED,
    (IDLE, TAKEN): BUSY,
    (IDLE, LOST): PAUSED,
    (BUSY, ANSWERED): IDLE,
    (BUSY, LOST): PAUSED,
    (PAUSED, PAUSE_OVER): OPENING,
    (BARRED, PIN_CHANGED): OPENING,
    (ABSENT, STOP): ABSENT,
    (OPENING, STOP): ABSENT,
    (IDLE, STOP): ABSENT,
    (BUSY, STOP): ABSENT,
    (PAUSED, STOP): ABSENT,
    (BARRED, STOP): ABSENT,
}


class Life:
    """Where one worker is in its life."""

    def __init__(self) -> None:
        self.state = ABSENT
        self.losses = 0  # in a row, without an answer in between
        self.until_s = 0.0  # end of the pause

    def hear(self, heard: str, now_s: float) -> str:
        self.state = TABLE[self.state, heard]
        if heard == ANSWERED:
            self.losses = 0
        elif heard == LOST:
            self.until_s = now_s + pause_s(self.losses)
            self.losses += 1
        return self.state

    @property
    def usable(self) -> bool:
        return self.state in (IDLE, BUSY)


def pause_s(losses: int) -> float:
    """Seconds before the next start after `losses` earlier losses in a row: doubling from RESTART_S_MIN to RESTART_S_MAX."""
    return min(RESTART_S_MAX, RESTART_S_MIN * 2.0 ** min(losses, 16))


def open_s(open_s_max: float, losses: int, was_ready: bool) -> float:
    """Seconds that a worker has to open the token, after `losses` tries in a row that came to nothing.

    A machine that cannot load the library in time once will not the next time either, so each try of a start gets twice the time. A token that
    has served and went away does not: its return would be noticed late.
    """
    return open_s_max * (1 if was_ready else min(OPEN_PATIENCE, 2 ** min(losses, 16)))

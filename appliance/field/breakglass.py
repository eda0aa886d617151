"""The life of a break-glass challenge as a state table, and what is left of tries. Pure: the store keeps it, the console asks.

One challenge at a time. Wrong answers count over all challenges of an hour, so that asking for a new one gives no new tries.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .codes import LIFE_S, TRIES_MAX, Challenge, right

SHOWN: Final = "shown"
HALF: Final = "half"  # one officer of two has answered
OPEN: Final = "open"
LOCKED: Final = "locked"
EXPIRED: Final = "expired"
USED: Final = "used"

RIGHT: Final = "right"
RIGHT_LAST: Final = "right, the last one needed"
WRONG: Final = "wrong"
WRONG_LAST: Final = "wrong, the last try"
LATE: Final = "late"
LEAVE: Final = "leave"

TABLE: Final[dict[tuple[str, str], str]] = {
    (SHOWN, RIGHT): HALF,
    (SHOWN, RIGHT_LAST): OPEN,
    (SHOWN, WRONG): SHOWN,
    (SHOWN, WRONG_LAST): LOCKED,
    (SHOWN, LATE): EXPIRED,
    (HALF, RIGHT_LAST): OPEN,
    (HALF, WRONG): HALF,
    (HALF, WRONG_LAST): LOCKED,
    (HALF, LATE): EXPIRED,
    (OPEN, LATE): USED,
    (OPEN, LEAVE): USED,
}
LOCKED_S: Final = 3_600


class Glass(NamedTuple):
    """One challenge as it stands. `answered`: names of officers. `until_s`: end of the session once it is open."""

    challenge: Challenge
    state: str = SHOWN
    answered: tuple[str, ...] = ()
    until_s: int = 0


def heard(
    glass: Glass, keys: dict[str, bytes], given: str, needed: int, minutes: int, tries_left: int, at_s: int
) -> tuple[Glass, str]:
    """After an answer: the glass, and what it was. `keys`: box keys by officer; an officer counts once."""
    glass = aged(glass, at_s)
    if glass.state not in (SHOWN, HALF):
        return glass, glass.state
    fitting = [name for name, key in keys.items() if right(key, glass.challenge, given)]
    fresh = [name for name in fitting if name not in glass.answered]
    if not fresh:
        said = WRONG_LAST if tries_left <= 1 else WRONG
        return glass._replace(state=TABLE[glass.state, said]), said
    answered = (*glass.answered, fresh[0])
    said = RIGHT_LAST if len(answered) >= needed else RIGHT
    until_s = at_s + minutes * 60 if said == RIGHT_LAST else 0
    return glass._replace(state=TABLE[glass.state, said], answered=answered, until_s=until_s), said


def aged(glass: Glass, at_s: int) -> Glass:
    """What time has made of it. A clock that was set back to before it began ends it."""
    age = at_s - glass.challenge.begun_s
    over = age < 0 or (at_s >= glass.until_s if glass.state == OPEN else age >= LIFE_S)
    return glass._replace(state=TABLE[glass.state, LATE]) if over and (glass.state, LATE) in TABLE else glass


def tries_left(wrong_at_s: list[int], at_s: int) -> int:
    """Of TRIES_MAX an hour; those of a time to come, after a clock was set back, count too."""
    return max(0, TRIES_MAX - sum(at_s - when < LOCKED_S for when in wrong_at_s))

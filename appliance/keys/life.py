"""The life of a key as a state table, with the names of NIST SP 800-57 part 1 revision 5, section 7, and its dates: pure, the time is passed in.

Deactivated means: opens what was sealed, seals nothing new. A compromised key is deactivated for a bad reason and is replaced.
"""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

from appliance.clock import DAY_MS
from appliance.limits import KEY_DAYS_SKEW_MAX

PRE_ACTIVE: Final = "pre-active"
ACTIVE: Final = "active"
DEACTIVATED: Final = "deactivated"
COMPROMISED: Final = "compromised"
DESTROYED: Final = "destroyed"

BEGUN: Final = "its period began"
OVER: Final = "its period is over"
FOUND_OUT: Final = "found out"
DESTROY: Final = "destroy"

TABLE: Final[dict[tuple[str, str], str]] = {
    (PRE_ACTIVE, BEGUN): ACTIVE,
    (PRE_ACTIVE, FOUND_OUT): COMPROMISED,
    (PRE_ACTIVE, DESTROY): DESTROYED,
    (ACTIVE, OVER): DEACTIVATED,
    (ACTIVE, FOUND_OUT): COMPROMISED,
    (ACTIVE, DESTROY): DESTROYED,
    (DEACTIVATED, FOUND_OUT): COMPROMISED,
    (DEACTIVATED, DESTROY): DESTROYED,
    (COMPROMISED, DESTROY): DESTROYED,
}
SEALS: Final = frozenset({PRE_ACTIVE, ACTIVE})  # made ahead, a key may be fetched before its period begins
OPENS: Final = frozenset({PRE_ACTIVE, ACTIVE, DEACTIVATED, COMPROMISED})

_EPOCH: Final = date(1970, 1, 1).toordinal()
DAILY: Final = "message"  # the purpose of a day's key
YEARLY: Final = "tenant"  # wraps the daily keys of its year


class Period(NamedTuple):
    """When a key may seal (its originator-usage period): from, to, in milliseconds."""

    from_ms: int
    to_ms: int


def year_of(day: int) -> int:
    """First day of the calendar year of `day`, both as days since 1970-01-01."""
    return (date(date.fromordinal(day + _EPOCH).year, 1, 1)).toordinal() - _EPOCH


def period(purpose: str, day: int) -> Period:
    """A day's key seals on its day and as many around it as clocks may be wrong; a year's key wraps what its year's days need."""
    margin = KEY_DAYS_SKEW_MAX * DAY_MS
    days = 1 if purpose == DAILY else year_of(day + 366) - day
    return Period(day * DAY_MS, (day + days) * DAY_MS + margin)


def due(state: str, purpose: str, day: int, now_ms: int) -> str | None:
    """What is to be heard now because of the date alone; None when nothing is."""
    span = period(purpose, day)
    if state == PRE_ACTIVE and now_ms >= span.from_ms:
        return BEGUN
    if state == ACTIVE and now_ms >= span.to_ms:
        return OVER
    return None


def erasable(day: int, today: int, keep_days: int, held: frozenset[int]) -> bool:
    """Whether a daily key has reached the end of its retention and no legal hold covers its day."""
    return day < today - keep_days and day not in held

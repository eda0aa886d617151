"""Pumping: codes ordered for numbers of somebody's own, who earns with each. Which numbers get codes at all, and when a prefix is blocked. Pure.

A pumped prefix shows in two ways: codes leave and are never entered, or far more leave than usual. The counts are by slot of five
minutes; a slot counts for conversion once its customers have had as long to enter their code.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from appliance.errors import Error
from appliance.numbering import calling_code_of, region_of

SLOT_MS: Final = 300_000
RECENT_SLOTS: Final = 12  # an hour: what conversion is judged by
USUAL_SLOTS: Final = 288  # a day: what velocity is judged against
AREA_DIGITS: Final = 3  # after the calling code: an operator's or an area's range
JUDGED_EACH: Final = 10  # sends in a slot between two judgements of a prefix

_PREFIX: Final = re.compile(r"\+[1-9][0-9]{2,5}", re.ASCII)

#: Why a prefix is blocked, as the audit log and the page say it.
WHY: Final = {
    "conversion": "codes leave and are not entered",
    "velocity": "far more codes than usual",
    "person": "blocked by a person",
}


class Guard(NamedTuple):
    """Of the settings `bank.country` and `verify.*`. No country at all: codes go to every number."""

    countries: tuple[str, ...] = ()  # ISO 3166 codes, or the beginnings of numbers, such as +3934
    safe: tuple[str, ...] = ()  # beginnings of numbers that are never blocked by themselves
    least: int = 100  # sends in the time that is judged, below which nothing is; 0: never judged
    conversion_percent: int = 10
    velocity_times: int = 10
    pause_s: int = 3600


class Traffic(NamedTuple):
    """Of one prefix: sends and approvals of the last hour without its newest slot, sends of the newest slot, and of the day before it."""

    sent: int
    approved: int
    newest: int
    usual: int
    usual_slots: int  # how many of the day's slots are known: fewer when the prefix is new


def prefix_of(number: str) -> str:
    """`+39347` of +393471234567: few enough digits that they are nobody's number."""
    return number[: 1 + len(str(calling_code_of(number))) + AREA_DIGITS]


def check_prefix(prefix: str) -> None:
    """Raises Error `invalid` for what `prefix_of` never gives."""
    if (
        not _PREFIX.fullmatch(prefix)
        or not calling_code_of(prefix + "0000000")
        or prefix_of(prefix + "0000000") != prefix
    ):
        raise Error("invalid", "a prefix is + calling code and three digits", "such as +39347")


def check_admitted(number: str, calling_code: int, guard: Guard) -> None:
    """Raises Error `destination_blocked` unless codes go to this number's country or prefix."""
    if not guard.countries or region_of(number, calling_code) in guard.countries:
        return
    if not number.startswith(tuple(c for c in guard.countries if c[0] == "+")):
        raise Error(
            "destination_blocked",
            "no codes go to this country",
            "an administrator opens it with verify.countries",
            rule="country",
        )


def suspect(prefix: str, traffic: Traffic, guard: Guard) -> str:
    """Why this prefix is to be blocked, a word of WHY; empty when it is not."""
    if not guard.least or prefix.startswith(guard.safe):
        return ""
    if traffic.sent >= guard.least and traffic.approved * 100 < traffic.sent * guard.conversion_percent:
        return "conversion"
    usual = traffic.usual / traffic.usual_slots if traffic.usual_slots else 0.0
    # A prefix without a day of its own has no usual: then conversion alone decides.
    if traffic.usual_slots >= USUAL_SLOTS // 2 and traffic.newest >= guard.least:
        return "velocity" if traffic.newest > max(usual, 1.0) * guard.velocity_times else ""
    return ""

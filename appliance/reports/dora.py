"""The forms of a major ICT-related incident: which fields are in which, until when each is due, and how a value is written. Pure.

Time limits: Delegated Regulation (EU) 2025/301, Article 5; what is in which form: its Articles 2 to 4; the fields are in `annexes.py`. The box fills in
what it knows, in the form that Annex II of 2025/302 asks for; what only the bank knows is left empty, and the form says so.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

from appliance.clock import rfc3339

from .annexes import ANSWERS, FIELDS, MANY

#: Stage -> the first digits of the numbers of its own fields; a later form has those of the earlier ones, too.
STAGES: Final[dict[str, tuple[str, ...]]] = {
    "initial": ("1", "2"),
    "intermediate": ("1", "2", "3"),
    "final": ("1", "2", "3", "4"),
}

HOUR_MS: Final = 3_600_000


class Limits(NamedTuple):
    """Until when each form has to be with the authority, at the latest."""

    initial_ms: int
    intermediate_ms: int
    final_ms: int


def limits(detected_ms: int, classified_ms: int) -> Limits:
    """Four hours after the classification, and a day after the bank knew of it where it was classified within that day (Article 5(1)(a) and (2)); 72 hours after that; a month after that.

    The later two count from when the form before was handed in: handed in earlier, they are due earlier; the last from the newest intermediate
    report. Weekends and bank holidays are not looked at: a credit institution may wait for the next working day's noon with the final report only
    (Article 5(4) and (5)).
    """
    initial, day_after = classified_ms + 4 * HOUR_MS, detected_ms + 24 * HOUR_MS
    if classified_ms <= day_after:
        initial = min(initial, day_after)
    intermediate = initial + 72 * HOUR_MS
    return Limits(initial, intermediate, month_later(intermediate))


def month_later(at_ms: int) -> int:
    """The same day and time of the next month, its last day when it has no such day."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    year, month = at.year + at.month // 12, at.month % 12 + 1
    for day in (at.day, 30, 29, 28):
        try:
            return int(at.replace(year=year, month=month, day=day).timestamp() * 1000)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


class Told(NamedTuple):
    """What the box knows of a field: its value as Annex II wants it written, and what to know about it. Without a value the note is for who fills it in."""

    value: str = ""
    note: str = ""


def fields_of(stage: str) -> list[str]:
    """Numbers of the fields of a form, in order."""
    return [number for number in FIELDS if number.split(".")[0] in STAGES[stage]]


def form(stage: str, told: dict[str, Told]) -> list[tuple[str, str, str, str, str]]:
    """(number, field, value, what is asked for, who fills it in) of a form; `told`: what the box knows by number."""
    submission = {"initial": "initial notification", "intermediate": "intermediate report", "final": "final report"}
    known = told | {"1.1": Told(submission[stage])}
    rows = []
    for number in fields_of(stage):
        value, note = known.get(number, Told())
        who = "filled in by the box: check it" if value else "the bank's"
        rows.append((number, FIELDS[number].name, value, FIELDS[number].asked, f"{who}; {note}" if note else who))
    return rows


def answers() -> list[tuple[str, str, str]]:
    """(number, how many, answer) of every field that has answers to choose from: one, or any of them."""
    how = {number: "any" if FIELDS[number].kind == MANY else "one" for number in ANSWERS}
    return [(number, how[number], answer) for number, each in ANSWERS.items() for answer in each]


def time_text(at_ms: int) -> str:
    """ISO 8601 in UTC, to the second."""
    return rfc3339(at_ms)[:19] + "Z"


def duration(ms: int) -> str:
    """`DD:HH:MM`, as fields 3.15 and 3.16 have it."""
    minutes = ms // 60_000
    return f"{minutes // 1440:02d}:{minutes // 60 % 24:02d}:{minutes % 60:02d}"


def percentage(part: int, whole: int) -> str:
    """`2.4` for 2.4 %: one decimal, rounded half up; empty of nothing."""
    if not whole:
        return ""
    tenths = (2000 * part + whole) // (2 * whole)
    return f"{tenths // 10}.{tenths % 10}"

"""Hours of the week in a time zone, as a route names them: `mon-fri 08:00-20:00`. Pure: the time is passed in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 24 * 60
WEEK_MINUTES: Final = 7 * DAY_MINUTES
HINT: Final = 'write "mon-fri 08:00-20:00", "sat,sun 09:00-13:00" or "22:00-06:00"'

_SHAPE: Final = re.compile(r"(?:(?P<days>[a-z,\-]+) +)?(?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d)")


@dataclass(frozen=True)
class Hours:
    """Spans of minutes of the week (Monday 00:00 is 0), each `(from, to)` with `to` excluded; none crosses the week's end."""

    spans: tuple[tuple[int, int], ...]
    timezone: str

    @classmethod
    def read(cls, texts: tuple[str, ...], timezone: str) -> Hours:
        """Raises ValueError that says what makes no sense."""
        zone_of(timezone)
        spans: list[tuple[int, int]] = []
        for text in texts:
            spans += _spans(text)
        return cls(tuple(_joined(spans)), timezone)

    def open(self, at_ms: int) -> bool:
        """Whether a time, in milliseconds since 1970, is within these hours, by the local clock (summer time included)."""
        local = datetime.fromtimestamp(at_ms / 1000, zone_of(self.timezone))
        minute = local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute
        return any(first <= minute < last for first, last in self.spans)


def zone_of(name: str) -> tzinfo:
    """Raises ValueError for a name that is no time zone."""
    if name == "UTC":
        return UTC  # also where no time zone database is installed
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone such as Europe/Rome") from None


def _spans(text: str) -> list[tuple[int, int]]:
    shape = _SHAPE.fullmatch(text.strip().lower())
    if shape is None:
        raise ValueError(f"{text!r} does not read as hours")
    first, last = _minute(shape["from"], text), _minute(shape["to"], text)
    if first in (last, DAY_MINUTES):
        raise ValueError(f"{text!r} is an empty span of time")
    out = []
    for day in _days(shape["days"], text):
        start = day * DAY_MINUTES + first
        end = day * DAY_MINUTES + last + (DAY_MINUTES if last < first else 0)
        out.append((start, min(end, WEEK_MINUTES)))
        if end > WEEK_MINUTES:
            out.append((0, end - WEEK_MINUTES))
    return out


def _minute(text: str, whole: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute > 59 or hour * 60 + minute > DAY_MINUTES:
        raise ValueError(f"{whole!r} names a time that no day has")
    return hour * 60 + minute


def _days(text: str | None, whole: str) -> list[int]:
    if text is None:
        return list(range(7))
    out: list[int] = []
    for piece in text.split(","):
        first, dash, last = piece.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"{whole!r} names a day that no week has")
        a, b = DAYS.index(first), DAYS.index(last if dash else first)
        out += [(a + n) % 7 for n in range((b - a) % 7 + 1)]
    return sorted(set(out))


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if out and first <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return out

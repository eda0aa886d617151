"""When it is quiet, and until when, over all clocks that count at once. Pure: the time is passed in.

By the local clock with its summer time: hours that a spring leaves out are not waited for, hours that an autumn has twice
are quiet twice. Where a country has several zones it is quiet as long as it is in one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

DAY_MINUTES: Final = 24 * 60
_DAY_MS: Final = DAY_MINUTES * 60_000
_QUARTER_MS: Final = 15 * 60_000
AHEAD_DAYS: Final = 35  # no message waits longer; what is quiet for so long is quiet for ever
OPEN_DAYS: Final = 2  # so far ahead an end of the open hours is looked for


class Clock(NamedTuple):
    """One row of quiet hours in one zone: spans of minutes of the week, whole days as (year or 0, month, day)."""

    spans: tuple[tuple[int, int], ...]
    days: frozenset[tuple[int, int, int]]
    zone: tzinfo

    def quiet(self, at_ms: int) -> bool:
        local = datetime.fromtimestamp(at_ms / 1000, self.zone)
        if self.days and (
            (0, local.month, local.day) in self.days or (local.year, local.month, local.day) in self.days
        ):
            return True
        minute = local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute
        return any(first <= minute < last for first, last in self.spans)

    def behaves(self, at_ms: int) -> tuple[object, ...]:
        """The same for two clocks that tell the same time from now on, as far as anybody looks."""
        days = range(-1, AHEAD_DAYS + 2)
        offsets = (datetime.fromtimestamp(at_ms / 1000 + day * 86_400, self.zone).utcoffset() for day in days)
        return (self.spans, self.days, *offsets)


def state(clocks: list[Clock], at_ms: int) -> tuple[bool, int]:
    """Whether it is quiet by any of the clocks, and until when at the least that stays so, in milliseconds since 1970."""
    unlike = list({clock.behaves(at_ms): clock for clock in clocks}.values())
    now = any(clock.quiet(at_ms) for clock in unlike)
    begin_ms = at_ms
    for _ in range(AHEAD_DAYS if now else OPEN_DAYS):
        end_ms = begin_ms + _DAY_MS
        for edge_ms in sorted({edge for clock in unlike for edge in _edges(clock, begin_ms, end_ms)}):
            if any(clock.quiet(edge_ms) for clock in unlike) != now:
                return now, edge_ms
        begin_ms = end_ms
    return now, begin_ms


def _edges(clock: Clock, begin_ms: int, end_ms: int) -> Iterator[int]:
    """Every time after `begin_ms`, up to `end_ms`, at which this clock may change its mind."""
    first = datetime.fromtimestamp(begin_ms / 1000, clock.zone)
    last = datetime.fromtimestamp(end_ms / 1000, clock.zone)
    if first.utcoffset() != last.utcoffset():  # zones change their clocks at quarters of hours
        for at_ms in range(begin_ms - begin_ms % _QUARTER_MS + _QUARTER_MS, end_ms + 1, _QUARTER_MS):
            yield at_ms
    day = first.date()
    while day <= last.date():
        for minute in _minutes(clock, day):
            for fold in (0, 1):
                local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, fold=fold, tzinfo=clock.zone)
                at_ms = int(local.timestamp()) * 1000
                if begin_ms < at_ms <= end_ms:
                    yield at_ms
        day += timedelta(days=1)


def _minutes(clock: Clock, day: date) -> set[int]:
    """Minutes of a day at which something begins or ends."""
    start = day.weekday() * DAY_MINUTES
    found = {edge - start for span in clock.spans for edge in span if 0 <= edge - start < DAY_MINUTES}
    return found | {0}

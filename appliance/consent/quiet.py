"""Whether a message may leave now, by the clock where its recipient lives, or when. Pure: the time is passed in.

What was worked out for a country is kept until its next change: a look-up a message.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from appliance.message import CLASSES
from appliance.numbering import calling_code_of, region_of, zones_of
from appliance.settings import QuietHours, zone_of

from .calendar import Clock, state

KEPT_MAX: Final = 512  # spans of time remembered for one country; then they are worked out again
PAIRS_MAX: Final = 10_000  # combinations of class and sender that are remembered
_END: Final = 1 << 62


class Wait(NamedTuple):
    """When a message may leave, and the names of the quiet hours it waits for."""

    until_ms: int
    rules: tuple[str, ...]


class Quiet:
    """The compiled rows. `belongs`: names of the programmes of class and sender, as `Consent.belongs`."""

    def __init__(self, rows: Iterable[QuietHours], belongs: Callable[[int, str], tuple[str, ...]]) -> None:
        self.rows = tuple(rows)
        self._belongs = belongs
        self._of: dict[tuple[int, str], tuple[QuietHours, ...]] = {}
        self._spans: dict[tuple[tuple[QuietHours, ...], str], list[tuple[int, int, tuple[str, ...]]]] = {}

    def __bool__(self) -> bool:
        return bool(self.rows)

    def keeps(self, class_: int, sender: str) -> tuple[QuietHours, ...]:
        """The rows that are about messages of a class and sender, whatever their country."""
        found = self._of.get((class_, sender))
        if found is None:
            name, of = CLASSES[class_], self._belongs(class_, sender)
            found = tuple(
                row
                for row in self.rows
                if name in row.classes and of and (not row.programmes or any(p in row.programmes for p in of))
            )
            if len(self._of) >= PAIRS_MAX:
                self._of.clear()
            self._of[class_, sender] = found
        return found

    def wait(self, to: str, calling_code: int, class_: int, sender: str, at_ms: int) -> Wait | None:
        """None: it may leave at that time."""
        rows = self.keeps(class_, sender)
        if not rows:
            return None
        country = region_of(to, calling_code)
        spans = self._spans.get((rows, country))
        if spans is not None:
            at = bisect_right(spans, (at_ms, _END)) - 1
            if at >= 0 and at_ms < spans[at][1]:
                _, until_ms, names = spans[at]
                return Wait(until_ms, names) if names else None
        return self._worked_out(rows, country, at_ms)

    def wait_of(self, to: str, class_: int, sender: str, at_ms: int) -> Wait | None:
        """`wait` for a number in E.164 whose calling code is not at hand."""
        return self.wait(to, calling_code_of(to), class_, sender, at_ms) if self.keeps(class_, sender) else None

    def _worked_out(self, rows: tuple[QuietHours, ...], country: str, at_ms: int) -> Wait | None:
        mine = [row for row in rows if not row.countries or country in row.countries]
        clocks = {row.name: clocks_of(row, country) for row in mine}
        quiet, until_ms = state([clock for each in clocks.values() for clock in each], at_ms)
        names = tuple(name for name, each in clocks.items() if any(clock.quiet(at_ms) for clock in each))
        spans = self._spans.setdefault((rows, country), [])
        if len(spans) >= KEPT_MAX:
            spans.clear()
        insort(spans, (at_ms, until_ms, names))
        return Wait(until_ms, names) if quiet else None


def clocks_of(row: QuietHours, country: str) -> list[Clock]:
    """A clock for each zone in which a recipient may live."""
    spans, days = row.spans, row.dates
    return [Clock(spans, days, zone_of(name)) for name in row.timezones or zones_of(country)]

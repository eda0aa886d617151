"""What the register of senders wants where messages leave. US campaigns: one bucket each over all senders and links, one count a brand and Pacific day; India's ids.

What the register of senders says is looked at every two seconds, in a thread. A sender whose campaign or brand has spent what it may
waits aside and holds up nobody else; without campaigns nothing is asked and nothing costs anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from appliance import clock
from appliance.errors import Error
from appliance.senders import Campaign, DltIds, SenderBook, campaigns_of, day_of_brand
from appliance.settings import Settings
from appliance.store import DatabaseError, StoreWatch, submitted_since

from .dlt import Stamp, asks
from .ledger import Ledger
from .link import Link
from .pace import UNLIMITED, DayCount, Pace, Together

LOOK_S: Final = 2.0
log = logging.getLogger(__name__)


class _Watch(StoreWatch[SenderBook]):
    def __init__(self, settings: Settings) -> None:
        super().__init__("the register of senders", lambda: SenderBook(settings))
        self.found: tuple[list[Campaign], DltIds] | None = None
        self._variable: int = settings["senders.dlt_variable"]
        self._stamp: tuple[int, ...] = ()
        self._until_ms = 0

    def read(self, book: SenderBook) -> tuple[list[Campaign], DltIds] | None:
        """Also a minute later without a change: registrations end by themselves."""
        stamp, now_ms = book.stamp(), clock.now_ms()
        if stamp == self._stamp and now_ms < self._until_ms:
            return None
        self._stamp, self._until_ms = stamp, now_ms + 60_000
        rows = book.all()
        return campaigns_of(rows, now_ms), DltIds(rows, now_ms, self._variable)

    def take(self, found: tuple[list[Campaign], DltIds]) -> None:
        self.found = found


class Campaigns:
    """Of one engine. `step` at each beat; the first look is waited for, so that nothing leaves unpaced after a start."""

    def __init__(self, settings: Settings, ledger: Ledger, links: dict[str, Link]) -> None:
        self._ledger = ledger
        self._links = links
        self._path = settings.home / "senders.db"
        self._watch = _Watch(settings)
        self._looking: asyncio.Task[None] | None = None
        self._looked_s = -LOOK_S
        self._now: list[Campaign] = []
        self._rates: dict[str, Pace] = {}
        self._days: dict[str, DayCount] = {}

    async def step(self, now_s: float, now_ms: int) -> None:
        if now_s - self._looked_s >= LOOK_S and (self._looking is None or self._looking.done()):
            self._looked_s = now_s
            if self._path.exists():
                first = self._looking is None
                self._looking = asyncio.ensure_future(self._watch.look())
                if first:
                    await asyncio.wait([self._looking], timeout=LOOK_S)
        if self._watch.found is not None:
            (found, ids), self._watch.found = self._watch.found, None
            for link in self._links.values():
                link.stamp = Stamp(link.settings, ids) if asks(link.settings) else None
            if found != self._now:
                self.take(found, now_ms)
        for day in self._days.values():
            if now_ms >= day.end_ms:
                _, end_ms = day_of_brand(now_ms)
                day.begin(end_ms)

    def take(self, found: Iterable[Campaign], now_ms: int) -> None:
        """Other campaigns from now on; one that stays keeps what it has spent."""
        self._now = list(found)
        rates: dict[str, Pace] = {}
        days: dict[str, DayCount] = {}
        shared: dict[str, Together] = {}
        for c in self._now:
            paces: list[Pace | DayCount] = []
            if c.per_minute:
                pace = rates[c.name] = self._rates.get(c.name) or Pace(c.per_minute / 60)
                pace.set_rate(c.per_minute / 60)
                paces.append(pace)
            if c.per_day:
                day = days.get(c.brand) or self._days.get(c.brand) or self._counted(c.brand, now_ms)
                day.most = c.per_day
                days[c.brand] = day
                paces.append(day)
            both = Together(paces)
            shared |= dict.fromkeys(c.senders, both)
        self._rates, self._days = rates, days
        for link in self._links.values():
            link.paces.share(shared)

    def _counted(self, brand: str, now_ms: int) -> DayCount:
        """A count that begins with what the brand has sent today."""
        begin_ms, end_ms = day_of_brand(now_ms)
        senders = [sender for c in self._now if c.brand == brand for sender in c.senders]
        spent = 0
        for day, partition in list(self._ledger.partitions.items()):
            try:
                spent += sum(submitted_since(partition, senders, begin_ms).values())
            except (Error, DatabaseError):
                log.warning("what was sent of %s today is not counted", clock.day_name(day))
        return DayCount(UNLIMITED, end_ms, spent)

    def close(self) -> None:
        self._watch.close()

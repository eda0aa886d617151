"""US campaigns (10DLC): which senders share which rate a minute and which a day, as the registrations say. Pure.

A brand's day ends at midnight Pacific time for every vendor it sends through; what it sent elsewhere is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from .registration import Registration

PACIFIC: Final = ZoneInfo("America/Los_Angeles")


class Campaign(NamedTuple):
    """`per_minute`: segments of all its senders together, 0: no limit; `per_day`: of all senders of its brand."""

    name: str
    senders: tuple[str, ...]
    per_minute: int
    brand: str
    per_day: int


def campaigns_of(registrations: Iterable[Registration], at_ms: int) -> list[Campaign]:
    """Of the registrations that hold, those with a campaign and a limit. Where its senders say different limits the least counts."""
    found: dict[str, list[Registration]] = {}
    brands: dict[str, int] = {}
    for r in registrations:
        d = r.details
        if d.campaign_id and r.holds(at_ms):
            found.setdefault(d.campaign_id, []).append(r)
            if d.per_day:
                brand = d.brand_id or d.campaign_id
                brands[brand] = min(d.per_day, brands.get(brand, d.per_day))
    out = []
    for name, rows in sorted(found.items()):
        brand = next((r.details.brand_id for r in rows if r.details.brand_id), name)
        rates = [r.details.per_minute for r in rows if r.details.per_minute]
        if rates or brand in brands:
            senders = tuple(r.sender for r in rows)
            out.append(Campaign(name, senders, min(rates, default=0), brand, brands.get(brand, 0)))
    return out


def day_of_brand(at_ms: int) -> tuple[int, int]:
    """Begin and end, in milliseconds, of the Pacific day that a time is in: 23 to 25 hours."""
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(PACIFIC)
    begin = datetime(local.year, local.month, local.day, tzinfo=PACIFIC)
    end = datetime.combine(begin.date() + timedelta(days=1), begin.time(), PACIFIC)
    return int(begin.timestamp() * 1000), int(end.timestamp() * 1000)

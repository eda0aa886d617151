"""Which shard holds which binds of a link, and its part of the link's rates: the operator sees one link and never more than it allows. Pure.

Shard 0 holds every link, shard 1 those that two can hold, and so on. So the shards that can carry a request, whatever routes
its messages take, are always the first few, and no request has to be torn apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import lcm
from typing import Final, NamedTuple

from appliance.settings import Link

#: Segments a second that a shard's part of a rate has at least. A rate lets a tenth of a second's worth go at once, and at
#: least one segment: parts smaller than this would together let more go at once than the whole.
PART_MIN: Final = 10.0

RATES: Final = ("pace", "pace_otp", "pace_alert", "pace_transaction", "pace_bulk", "pace_sender")


class Held(NamedTuple):
    """A shard's part of a link: its settings with the rates divided, and the addresses that it binds to, one for each bind."""

    link: Link
    places: tuple[tuple[str, int], ...]


def holders(link: Link, shards: int) -> int:
    """How many shards hold binds of a link: these are the first ones."""
    rates = [rate for name in RATES if (rate := getattr(link, name))] + list(link.pace_senders.values())
    parts = min((int(rate // PART_MIN) for rate in rates), default=shards)
    return max(1, min(shards, link.binds * len(link.addresses()), parts))


def carriers(links: Sequence[Link], shards: int) -> dict[str, int]:
    """By link: how many shards hold it."""
    return {link.name: holders(link, shards) for link in links}


def held(links: Sequence[Link], shard: int, shards: int) -> list[Held]:
    """The parts that a shard holds. Over all shards binds and rates add up to what the links' settings say."""
    return [Held(_part(link, of), _places(link, shard, of)) for link in links if shard < (of := holders(link, shards))]


def _part(link: Link, of: int) -> Link:
    if of == 1:
        return link
    rates = {name: getattr(link, name) / of for name in RATES}
    senders = {sender: rate / of for sender, rate in link.pace_senders.items()}
    return replace(link, pace_senders=senders, **rates)


def _places(link: Link, shard: int, of: int) -> tuple[tuple[str, int], ...]:
    """Dealt in turn, one further after each round in which addresses and shards met alike: an address that is lost takes no shard with it."""
    addresses = link.addresses()
    places = [address for _ in range(link.binds) for address in addresses]
    round_ = lcm(len(addresses), of)
    return tuple(place for n, place in enumerate(places) if (n + n // round_) % of == shard)

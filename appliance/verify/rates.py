"""What a code's rates are counted by: number, purpose, prefix, and who asks. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from .binding import keyed
from .states import Limits

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000


class Pace(NamedTuple):
    """A bucket's name, how many it takes in which time (0: no limit), and what to say when it is empty."""

    name: bytes
    most: int
    period_ms: int
    what: str


def paces(key: bytes, user: str | None, address: str | None, limits: Limits) -> list[Pace]:
    """The rates of who asks for a code, under keyed names: neither a customer's id nor an address stands in the book."""
    given = (
        (b"user", user, limits.per_user_hour, "too many codes for this user"),
        (b"address", address, limits.per_address_hour, "too many codes for this address"),
    )
    return [Pace(keyed(key, name, value), most, HOUR_MS, what) for name, value, most, what in given if value]

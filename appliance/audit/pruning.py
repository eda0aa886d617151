"""How far the log may be pruned, by the rule of C2SP tlog-tiles: entries and their hashes below a minimum index go, all that stays is provable. Pure.

The tops of pruned tiles stay, so that every root from the minimum on can be computed, and proofs made before remain valid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from appliance.clock import rfc3339

from .tree import ENTRIES, WIDTH, Tile

MINIMUM: Final = "minimum"  # file beside the tiles, and what the store remembers
DAY_MS: Final = 86_400_000


class Needed(NamedTuple):
    """From where on entries are still needed, whatever their age. None: nobody needs them so."""

    signed: int  # the checkpoint's size
    reviewed: int  # where the last daily review ended
    cosigned: int | None  # where the newest cosignature ends, if there are witnesses
    forwarded: int | None  # where the SIEM is, if there is one


def bound(needed: Needed) -> int:
    """The first entry that has to stay."""
    return min(n for n in needed if n is not None)


def cutoff(now_ms: int, keep_days: int, held: list[int]) -> str:
    """Entries from this moment on stay: of `keep_days`, and of the days under a legal hold and after them."""
    days = [now_ms // DAY_MS - keep_days, *held]
    return rfc3339(max(0, min(days) * DAY_MS))


def upto(first: int, needed: Needed, stays: str, newest: Callable[[int, int], str]) -> int:
    """The new minimum, never below `first`: whole tiles of entries that are all older than `stays`.

    `newest`: the newest time of entries from one place to before another.
    """
    place, end = first, bound(needed)
    while place + WIDTH <= end and newest(place, place + WIDTH) < stays:
        place += WIDTH
    return place


def kept(tile: Tile, minimum: int) -> bool:
    """Whether a tile stays. Upper tiles do, though tlog-tiles lets them go: they are 1/256 of it, and the way to the root."""
    return tile.level not in (ENTRIES, 0) or tile.number * WIDTH + tile.width > minimum

"""HOT: which shard takes a request. Pure.

Without an Idempotency-Key the least loaded that is well and can carry it; with one, always the same, so that a repeated request
meets the answer of the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Load(NamedTuple):
    """A shard as a gateway sees it."""

    ready: bool
    pending: int  # messages handed to it and not yet durable


def least_loaded(loads: Sequence[Load], first: int, turn: int) -> int | None:
    """Of the `first` shards the one with least to do, in turn among equals; None when none is well."""
    best: int | None = None
    for n in range(first):
        shard = (turn + n) % first
        if loads[shard].ready and (best is None or loads[shard].pending < loads[best].pending):
            best = shard
    return best


def home(key_mac: bytes, first: int) -> int:
    """The one of the `first` shards where a request with this key belongs."""
    return int.from_bytes(key_mac[:8], "big") % first


def homes(key_mac: bytes, counts: Iterable[int]) -> frozenset[int]:
    """Every shard where a request with this key may have been committed, under each number of shards that its routes have left it."""
    return frozenset(home(key_mac, first) for first in counts)

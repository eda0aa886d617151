"""How fast one API key may send: a token bucket that may run into debt. Pure: the time is passed in."""

from __future__ import annotations

import math


class Bucket:
    """`rate` messages a second on average, a second's worth at once.

    A request is let in while the bucket is not empty and takes one token a message, if need be more than there are: so a
    batch of 1,000 is possible at any rate, and what follows it waits until the debt is paid. The average holds exactly.
    """

    __slots__ = ("at_s", "rate", "tokens")

    def __init__(self, rate: float, at_s: float) -> None:
        self.rate = rate
        self.tokens = max(1.0, rate)
        self.at_s = at_s

    def take(self, count: int, at_s: float) -> int:
        """0 when `count` messages may pass now, else whole seconds until it is worth asking again."""
        full = max(1.0, self.rate)
        self.tokens = min(full, self.tokens + (at_s - self.at_s) * self.rate)
        self.at_s = at_s
        if self.tokens >= 1.0:
            self.tokens -= count
            return 0
        return max(1, math.ceil((1.0 - self.tokens) / self.rate))


class Rates:
    """The buckets of all callers of one gateway; each gateway gives its part of the rate."""

    def __init__(self, default_per_s: int, gateways: int) -> None:
        self.default_per_s = default_per_s
        self.gateways = gateways
        self._buckets: dict[int, Bucket] = {}

    def take(self, caller: int, rate_per_s: int | None, count: int, at_s: float) -> int:
        """0 when the caller may send `count` messages now, else seconds to wait. `rate_per_s` None: the default; 0: no limit."""
        rate = (self.default_per_s if rate_per_s is None else rate_per_s) / self.gateways
        if rate <= 0:
            return 0
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = self._buckets[caller] = Bucket(rate, at_s)
        bucket.rate = rate
        return bucket.take(count, at_s)

"""HOT: token buckets in segments, of a link, of each class on it and of each sender; the time passed in."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.limits import PACED_SENDERS_MAX
from appliance.settings import Link as LinkSettings

UNLIMITED = 1 << 30
SPENT_ASK_S = 1.0  # a sender whose day is spent is asked again so often


class Pace:
    """`rate` segments a second, at most a tenth of a second's worth (at least one) at once; 0: no limit."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.burst = max(1.0, rate / 10)
        self._tokens = self.burst
        self._at = 0.0

    def set_rate(self, rate: float) -> None:
        """Another rate from now on; what had been saved up is not more than its burst."""
        if rate != self.rate:
            self.rate = rate
            self.burst = max(1.0, rate / 10)
            self._tokens = min(self._tokens, self.burst)

    def allowed(self, now_s: float) -> int:
        """Whole segments that may go now."""
        if self.rate <= 0:
            return UNLIMITED
        if now_s > self._at:
            self._tokens = min(self.burst, self._tokens + (now_s - self._at) * self.rate)
        self._at = now_s
        return max(0, int(self._tokens + 1e-9))  # ten tenths of a token are one

    def spent(self, segments: int) -> None:
        if self.rate > 0:
            self._tokens -= segments

    def next_s(self) -> float:
        """Seconds until one more segment may go, counted from when it was last asked."""
        return 0.0 if self.rate <= 0 or self._tokens >= 1 else (1 - self._tokens) / self.rate


class DayCount:
    """At most `most` segments until `end_ms`; whoever rolls it says when the next day begins."""

    __slots__ = ("_used", "end_ms", "most")

    def __init__(self, most: int, end_ms: int, used: int = 0) -> None:
        self.most = most
        self.end_ms = end_ms
        self._used = used

    def begin(self, end_ms: int) -> None:
        """Another day, of which nothing is spent."""
        self.end_ms, self._used = end_ms, 0

    def allowed(self, now_s: float) -> int:
        return max(0, self.most - self._used)

    def spent(self, segments: int) -> None:
        self._used += segments

    def next_s(self) -> float:
        """Asked again after so long: when the day ends is not known in the clock of paces."""
        return 0.0 if self._used < self.most else SPENT_ASK_S


class Together:
    """Several that must all allow it."""

    __slots__ = ("_paces",)

    def __init__(self, paces: Sequence[Pace | DayCount | Together]) -> None:
        self._paces = tuple(paces)

    def allowed(self, now_s: float) -> int:
        return min(pace.allowed(now_s) for pace in self._paces)

    def spent(self, segments: int) -> None:
        for pace in self._paces:
            pace.spent(segments)

    def next_s(self) -> float:
        return max(pace.next_s() for pace in self._paces)


class SenderPaces:
    """A bucket for each sender that has a pace; those named have their own, the others `rate` each (0: none).

    `shared`: what a sender shares with others and on other links besides, its campaign's.
    """

    def __init__(self, rate: float, named: dict[str, float]) -> None:
        self.shared: dict[str, Together] = {}
        self._both: dict[str, Together] = {}
        self._rate = rate
        self._named = named
        self._buckets: dict[str, Pace] = {}

    def share(self, shared: dict[str, Together]) -> None:
        self.shared, self._both = shared, {}

    def of(self, sender: str) -> Pace | Together | None:
        """The bucket of a sender, None when nothing paces it."""
        shared = self.shared.get(sender) if self.shared else None
        if shared is None:
            return self._own(sender)
        both = self._both.get(sender)
        if both is None:
            own = self._own(sender)
            both = self._both[sender] = shared if own is None else Together((own, shared))
        return both

    def _own(self, sender: str) -> Pace | None:
        bucket = self._buckets.get(sender)
        if bucket is None:
            rate = self._named.get(sender, self._rate)
            if rate <= 0:
                return None
            if len(self._buckets) >= PACED_SENDERS_MAX:
                del self._buckets[next(iter(self._buckets))]  # it starts with a full bucket when it comes again
            bucket = self._buckets[sender] = Pace(rate)
        return bucket


class Paces:
    """All that paces one link by its settings. `classes` and `senders` are None where nothing is set: the usual case."""

    def __init__(self, settings: LinkSettings) -> None:
        s = settings
        self.link = Pace(s.pace)
        rates = (s.pace_otp, s.pace_alert, s.pace_transaction, s.pace_bulk)
        self.classes = tuple(Pace(rate) if rate > 0 else None for rate in rates)
        paced = s.pace_sender > 0 or any(rate > 0 for rate in s.pace_senders.values())
        self._own = SenderPaces(s.pace_sender, s.pace_senders)
        self._paced = paced
        self.senders = self._own if paced else None

    def share(self, shared: dict[str, Together]) -> None:
        """What senders share over all links from now on."""
        self._own.share(shared)
        self.senders = self._own if self._paced or shared else None

    def next_s(self) -> float:
        """Seconds until the link's own bucket lets one more segment go."""
        return self.link.next_s()

"""HOT: what a link does when its operator says "too fast": how long it pauses, and how fast it goes on afterwards. Pure.

Sources: messaging gateways' users ask for all three policies (the whole link pauses and keeps its order; only the message
waits; the link stops for a fixed time). The rate falls by a factor and comes back in even steps, as TCP's does (RFC 5681).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from appliance.limits import THROTTLED_RETRY_S_MIN
from appliance.settings import Link as LinkSettings

MEASURED_S: Final = 1.0  # what the operator took is counted over so long
TAKEN_BETWEEN: Final = 5  # segments taken since the last complaint: it is not the pause that was too short
SEEN_KEPT: Final = 0.9  # of what it took, at each complaint while slowed: an operator's limit may have fallen for good
SEEN_KEPT_LONG: Final = 0.98  # the same where it took some in between
SLOWEST: Final = 16  # a slowed link keeps at least this part of what was taken
SLOW_START: Final = 20.0  # segments a second, of a link without a pace (RFC 5681 section 3.1)
RATE_MIN: Final = 1.0  # segments a second that are always tried, unless the link's pace is lower


class Throttle:
    """The state of one link. Rates are in segments a second, 0 is without limit; times are monotonic seconds."""

    def __init__(self, settings: LinkSettings) -> None:
        self.policy = settings.throttle_policy
        self.total = 0  # throttled answers
        self.paused_until_s = 0.0
        self.rate = settings.pace  # what it may do now
        self.slowed = False
        self._pace = settings.pace
        self._first_s = max(settings.throttle_pause_s, THROTTLED_RETRY_S_MIN)
        self._most_s = max(settings.throttle_pause_s_max, self._first_s)
        self._keep = settings.throttle_slow
        self._recover_s = settings.throttle_recover_s
        self._pause_s = 0.0  # the last pause
        self._burst_until_s = 0.0  # throttled answers until then are one complaint
        self._whole = 0.0  # the rate it comes back to
        self._seen = 0.0  # the rate that it took
        self._taken_before = 0  # at the last complaint
        self._taken: deque[tuple[float, int]] = deque()  # (when, taken until then), of the last MEASURED_S
        self._at_s = 0.0

    def heard(self, taken: int, now_s: float) -> None:
        """A throttled answer; `taken`: segments that the operator ever took on this link."""
        self.total += 1
        if now_s < self._burst_until_s:
            if self.policy == "stop":
                self._pause(now_s)
            return
        soon = now_s <= self._burst_until_s + self._pause_s
        hard = soon and taken - self._taken_before < TAKEN_BETWEEN
        if hard:
            self._pause_s = min(self._pause_s * 2, self._most_s)
        else:
            self._pause_s = self._first_s
        self._taken_before = taken
        self._slow(taken, now_s, SEEN_KEPT if hard else SEEN_KEPT_LONG)
        self._pause(now_s)

    def delay_s(self, times: int) -> float:
        """How long a message waits by itself that was throttled for the `times`-th time, counted from 1."""
        return min(self._first_s * 2.0 ** min(times - 1, 16), self._most_s)

    def tick(self, taken: int, now_s: float) -> None:
        """Comes back a step; to be called some times a second."""
        self._taken.append((now_s, taken))
        while len(self._taken) > 1 and self._taken[1][0] <= now_s - MEASURED_S:
            self._taken.popleft()
        gone_s, self._at_s = now_s - self._at_s, now_s
        if not self.slowed or now_s < self.paused_until_s:
            return
        step = self._whole / 2 / self._recover_s
        if not self._pace and self.rate < SLOW_START:
            # What a quiet link sent says nothing of what its operator takes: it doubles each second until it does.
            step = max(step, self.rate)
        self.rate += step * gone_s
        # Without a limit of its own it is free again at twice what the operator was seen to take.
        if self.rate >= (self._pace or self._whole * 2):
            self.rate, self.slowed = self._pace, False

    def _pause(self, now_s: float) -> None:
        self._burst_until_s = now_s + (THROTTLED_RETRY_S_MIN if self.policy == "delay" else self._pause_s)
        if self.policy != "delay":
            self.paused_until_s = self._burst_until_s

    def _slow(self, taken: int, now_s: float, kept: float) -> None:
        since_s, before = self._taken[0] if self._taken else (now_s, 0)
        measured = (taken - before) / max(MEASURED_S, now_s - since_s)
        resumed_lately = self.slowed and now_s - self.paused_until_s < MEASURED_S
        rate = self.rate if resumed_lately or (self.slowed and not measured) else measured
        if self.slowed:
            rate = min(rate, self.rate)
        least = min(RATE_MIN, self._pace) if self._pace else RATE_MIN
        # What it took when nobody slowed it; measured anew between two complaints it would only ever shrink.
        self._seen = max(self._seen * kept, rate) if self.slowed else rate
        self._whole = self._pace or max(self._seen, least)
        # An operator that throttles one submit in ten, whatever the rate, is not to bring a link to a standstill.
        self.rate = max(rate * self._keep, least, self._seen / SLOWEST)
        if self._pace:
            self.rate = min(self.rate, self._pace)
        self.slowed = True

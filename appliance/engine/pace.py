"""HOT: a token bucket in segments, the time passed in."""

from __future__ import annotations


class Pace:
    """`rate` segments a second, at most a tenth of a second's worth (at least one) at once; 0: no limit."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.burst = max(1.0, rate / 10)
        self._tokens = self.burst
        self._at = 0.0

    def allowed(self, now_s: float) -> int:
        """Whole segments that may go now."""
        if self.rate <= 0:
            return 1 << 30
        if now_s > self._at:
            self._tokens = min(self.burst, self._tokens + (now_s - self._at) * self.rate)
        self._at = now_s
        return int(self._tokens)

    def spent(self, segments: int) -> None:
        if self.rate > 0:
            self._tokens -= segments

    def next_s(self) -> float:
        """Seconds until one more segment may go."""
        return 0.0 if self.rate <= 0 or self._tokens >= 1 else (1 - self._tokens) / self.rate

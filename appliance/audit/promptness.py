"""How soon what happened is in the log, and the log under a signed checkpoint: counted, the time passed in.

Promised: an entry that waits in an outbox is sequenced within a second of the act it tells, and covered by a checkpoint within a second of
that. Counted since the process started; an entry that waited while this process was away counts with all of its wait.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from appliance.limits import CHECKPOINT_S_MAX

from .journal import Call

#: Upper ends of the buckets, milliseconds.
BUCKETS_MS: Final = (50, 100, 250, 500, 1_000, 2_000, 5_000, 30_000)
PROMISED_MS: Final = int(CHECKPOINT_S_MAX * 1_000)
_AT: Final = slice(len('{"at":"'), len('{"at":"2026-11-22T18:30:07.123Z'))  # in an entry's canonical form

assert PROMISED_MS in BUCKETS_MS


class Waits:
    """Waits of one kind."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_MS) + 1)
        self.sum_ms = 0
        self.max_ms = 0

    def note(self, wait_ms: int) -> None:
        wait_ms = max(0, wait_ms)
        self.counts[bisect_left(BUCKETS_MS, wait_ms)] += 1
        self.sum_ms += wait_ms
        self.max_ms = max(self.max_ms, wait_ms)

    def told(self) -> dict[str, Any]:
        late = sum(self.counts[BUCKETS_MS.index(PROMISED_MS) + 1 :])
        row = {"count": sum(self.counts), "late": late, "sum_ms": self.sum_ms, "max_ms": self.max_ms}
        return {**row, "buckets_ms": list(BUCKETS_MS), "counts": list(self.counts)}


class Promptness:
    """`sequencing`: from the act to the log, once for each call of an outbox, by its oldest entry. `signing`: from there to a checkpoint."""

    def __init__(self) -> None:
        self.sequencing = Waits()
        self.signing = Waits()
        self._unsigned_ms: int | None = None  # since when the oldest entry without a checkpoint is durable

    def sequenced(self, calls: Iterable[Call], now_ms: int) -> None:
        """These calls are durable at `now_ms`."""
        for call in calls:
            if call.source and call.entries:
                self.sequencing.note(now_ms - at_ms(call.entries[0]))
        if self._unsigned_ms is None:
            self._unsigned_ms = now_ms

    def signed(self, left_ms: int | None, now_ms: int) -> None:
        """A checkpoint is out at `now_ms`; `left_ms`: the earliest time of an entry that it does not cover, None when it covers all."""
        if self._unsigned_ms is not None:
            self.signing.note(now_ms - self._unsigned_ms)
        self._unsigned_ms = left_ms

    def state(self) -> dict[str, Any]:
        return {"sequencing": self.sequencing.told(), "signing": self.signing.told()}


def at_ms(entry: bytes) -> int:
    """When what an entry tells happened."""
    return round(datetime.fromisoformat(entry[_AT].decode()).timestamp() * 1_000)

"""The only place that reads a clock. Decisions never do: they are given the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

DAY_MS: Final = 86_400_000


def now_ms() -> int:
    """Wall clock, milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds that never go back; only differences mean anything."""
    return time.monotonic()


def thread_cpu_s() -> float:
    """Processor time that this thread has spent."""
    return time.thread_time()


def process_cpu_s() -> float:
    """Processor time that this process has spent, in all its threads."""
    return time.process_time()


def day_of(at_ms: int) -> int:
    """Days since 1970-01-01 UTC: the number that names a partition and a data key."""
    return at_ms // DAY_MS


def day_name(day: int) -> str:
    """`2026-11-22` for a day number."""
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")


def rfc3339(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds: `2026-11-22T18:30:07.123Z`."""
    whole = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"

"""The only place that reads a clock. Decisions never do: they are given the time."""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

DAY_MS: Final = 86_400_000
_MOMENT_S: Final = 0.1
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")  # proc(5)


def now_ms() -> int:
    """Wall clock, milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds that never go back; only differences mean anything."""
    return time.monotonic()


def both() -> tuple[float, int]:
    """(seconds that never go back, wall clock in ms) of one moment, also when the process stood still between the two."""
    while True:
        before_s = monotonic_s()
        wall_ms = now_ms()
        after_s = monotonic_s()
        if after_s - before_s < _MOMENT_S:
            return after_s, wall_ms


def boot() -> str:
    """Names the time since the machine was started, in which `monotonic_s` goes on; "" where the kernel does not say."""
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return ""


class _Timex(ctypes.Structure):
    """`struct timex` of Linux with 64-bit longs (adjtimex(2)); what follows the time is not read."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("constant", ctypes.c_long), ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long), ("s", ctypes.c_long), ("us", ctypes.c_long), ("rest", ctypes.c_ubyte * 256),
    )  # fmt: skip


_UNSYNCHRONISED: Final = 0x40  # STA_UNSYNC: no daemon disciplines the clock, or somebody has set it since
_NANO: Final = 0x2000  # STA_NANO: `us` are nanoseconds


def synchronised_ms() -> int | None:
    """The kernel's wall clock while it says that it is synchronised to a time source (adjtimex(2)), else None."""
    told = _Timex()
    try:
        failed = ctypes.CDLL(None).adjtimex(ctypes.byref(told)) < 0
    except (OSError, AttributeError):
        return None
    if failed or told.status & _UNSYNCHRONISED:
        return None
    return int(told.s) * 1000 + int(told.us) // (1_000_000 if told.status & _NANO else 1_000)


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

"""The time formats of SMPP 3.4 section 7.1.1, both ways: `YYMMDDhhmmsstnnp`. The time is always given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

DAY_S: Final = 86_400
RELATIVE_S_MAX: Final = 31 * DAY_S  # the day field of a relative time; a month has no fixed length


@lru_cache(maxsize=64)
def _day(day: int) -> bytes:
    return datetime.fromtimestamp(day * DAY_S, UTC).strftime("%y%m%d").encode("ascii")


def absolute_validity(at_ms: int, offset_minutes: int = 0) -> bytes:
    """Section 7.1.1.1 for a wall-clock time in ms since 1970, tenths of a second kept.

    Written as the local time so many minutes (in steps of 15) ahead of UTC, `nn` and `p` saying so.
    """
    day, within = divmod(at_ms + 60_000 * offset_minutes, DAY_S * 1000)
    s, ms = divmod(within, 1000)
    return b"%b%02d%02d%02d%d%02d%c" % (
        _day(day),
        s // 3600,
        s // 60 % 60,
        s % 60,
        ms // 100,
        abs(offset_minutes) // 15,
        b"-" if offset_minutes < 0 else b"+",
    )


def relative_validity(seconds: int) -> bytes:
    """Section 7.1.1.2: so long after the operator takes it, in days and smaller; at least 1 s, at most 31 days."""
    s = min(max(int(seconds), 1), RELATIVE_S_MAX)
    return b"0000%02d%02d%02d%02d000R" % (s // DAY_S, s // 3600 % 24, s // 60 % 60, s % 60)


def validity_ms(octets: bytes, now_ms: int) -> int | None:
    """The wall-clock time in ms that a heard time means, None when it is empty or no time.

    Years and months of a relative time count 365 and 30 days.
    """
    if len(octets) != 16 or not octets[:15].isdigit() or octets[15:] not in (b"+", b"-", b"R"):
        return None
    year, month, day, hour, minute, second = (int(octets[k : k + 2]) for k in range(0, 12, 2))
    if octets[15:] == b"R":
        days = 365 * year + 30 * month + day
        return now_ms + 1000 * (DAY_S * days + 3600 * hour + 60 * minute + second)
    try:
        local = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    offset = timedelta(minutes=15 * int(octets[13:15]))
    if octets[15:] == b"-":
        offset = -offset
    return int((local - offset).timestamp()) * 1000 + 100 * int(octets[12:13])


def receipt_ms(text: str) -> int | None:
    """The wall-clock time in ms that a receipt's date means if it is UTC, None when it is none.

    Ten digits `YYMMDDhhmm`, twelve with seconds, fourteen with the century too. Operators write local times as often,
    so it is good for "about when", never for order.
    """
    if not text.isascii() or not text.isdigit() or len(text) not in (10, 12, 14):
        return None
    digits = text if len(text) == 14 else "20" + text
    year, rest = int(digits[:4]), digits[4:].ljust(10, "0")
    try:
        month, day, hour, minute, second = (int(rest[k : k + 2]) for k in range(0, 10, 2))
        at = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int(at.timestamp()) * 1000

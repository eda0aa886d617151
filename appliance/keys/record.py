"""What the HSM is asked to bind: the context a data key is wrapped for, and the text its record's HMAC is made over. Pure."""

from __future__ import annotations

import struct
from typing import Final

from appliance.clock import DAY_MS, day_of

from .register import Row

_CONTEXT: Final = b"casemate data key v1\0"
_RECORD: Final = b"casemate key record v1\0"
INDEX: Final = b"casemate blind index v1"
INDEX_VERSION: Final = 1


def context(key_id: int, day: int, purpose: str) -> bytes:
    """Additional data of the wrapping: a wrapped key opens only as the key it was made as."""
    return _CONTEXT + struct.pack(">qq", key_id, day) + purpose.encode()


def sealed_text(row: Row) -> bytes:
    """Every column but the HMAC itself, each with its length, so that no two records have the same text."""
    parts = (row.purpose.encode(), row.mechanism.encode(), row.wrapped, row.state.encode())
    head = _RECORD + struct.pack(">qqq", row.key_id, row.day, row.created_ms)
    return head + b"".join(struct.pack(">I", len(p)) + p for p in parts)


def derivation(purpose: str, subject: str) -> bytes:
    """What is MACed in the HSM to give a derived key."""
    return b"casemate " + purpose.encode() + b"\0" + subject.encode()


def days_wanted(now_ms: int, ahead_ms: int) -> tuple[int, ...]:
    """Days whose keys should exist at `now_ms`: today's, and tomorrow's when midnight UTC is less than `ahead_ms` away."""
    today = day_of(now_ms)
    return (today,) if day_of(now_ms + ahead_ms) == today else (today, today + 1)


def may_make(day: int, now_ms: int, skew_days: int) -> bool:
    """Keys are made only for days near today: a wrong clock or a mistake must not fill the store."""
    return abs(day - now_ms // DAY_MS) <= skew_days

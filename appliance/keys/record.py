"""What is bound to what: the context a key is wrapped for, the text its record's HMAC is made over, wrapping under a tenant key. Pure."""

from __future__ import annotations

import os
import struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.clock import DAY_MS, day_of
from appliance.errors import Error

from .register import FORM, Row

_CONTEXT: Final = b"casemate data key v1\0"
_RECORD: Final = b"casemate key record v1\0"
_RECORD_2: Final = b"casemate key record v2\0"
INDEX: Final = b"casemate blind index v1"
INDEX_VERSION: Final = 1
UNDER_TENANT: Final = "tenant-aes-gcm"  # mechanism of a key that another key of the register wraps
_NONCE_OCTETS: Final = 12


def context(key_id: int, day: int, purpose: str) -> bytes:
    """Additional data of the wrapping: a wrapped key opens only as the key it was made as."""
    return _CONTEXT + struct.pack(">qq", key_id, day) + purpose.encode()


def sealed_text(row: Row) -> bytes:
    """Every column but the HMAC itself, each with its length, so that no two records have the same text.

    A record of the first form, from before there were tenant keys, keeps the text it was made with until it is taken over.
    """
    parts = (row.purpose.encode(), row.mechanism.encode(), row.wrapped, row.state.encode())
    if row.form < FORM:
        head = _RECORD + struct.pack(">qqq", row.key_id, row.day, row.created_ms)
    else:
        numbers = (row.key_id, row.day, row.parent, row.root, row.created_ms, row.changed_ms, row.form)
        head = _RECORD_2 + struct.pack(">7q", *numbers)
    return head + b"".join(struct.pack(">I", len(p)) + p for p in parts)


def wrap(tenant_key: bytes, key: bytes, bound: bytes) -> bytes:
    """A key under a tenant key: AES-256-GCM, NIST SP 800-38D, nonce before it. A year's key wraps a few hundred."""
    nonce = os.urandom(_NONCE_OCTETS)
    return nonce + AESGCM(tenant_key).encrypt(nonce, key, bound)


def unwrap(tenant_key: bytes, wrapped: bytes, bound: bytes) -> bytes:
    """The key. Raises Error `key_refused`."""
    try:
        return AESGCM(tenant_key).decrypt(wrapped[:_NONCE_OCTETS], wrapped[_NONCE_OCTETS:], bound)
    except (InvalidTag, ValueError):
        raise Error("key_refused", "a wrapped key failed its check", "restore the key store from a backup") from None


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

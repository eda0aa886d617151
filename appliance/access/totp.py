"""Codes of a telephone's app: TOTP (RFC 6238). Pure; the time is passed in."""

from __future__ import annotations

import base64
import hmac
import struct
from typing import Final
from urllib.parse import quote, urlencode

STEP_S: Final = 30
DIGITS: Final = 6
AROUND: Final = 1  # steps that a telephone's clock may be off
SECRET_OCTETS: Final = 20  # RFC 4226 section 4, R6


def totp(secret: bytes, step: int) -> str:
    """RFC 4226 section 5.3 with the step as counter."""
    made = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    at = made[-1] & 15
    (number,) = struct.unpack_from(">I", made, at)
    return str((number & 0x7FFFFFFF) % 10**DIGITS).zfill(DIGITS)


def totp_step(secret: bytes, typed: str, at_s: int, used: int) -> int:
    """The step that a code is of, 0 for a wrong one. One that was used, or an older one, is wrong (RFC 6238 section 5.2)."""
    now = at_s // STEP_S
    found = 0
    for step in range(now - AROUND, now + AROUND + 1):
        if hmac.compare_digest(totp(secret, step).encode(), typed.strip().encode("utf-8")) and step > used:
            found = step
    return found


def secret_text(secret: bytes) -> str:
    """For the telephone's app: base32 (RFC 4648)."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")


def totp_uri(secret: bytes, box: str, name: str) -> str:
    """What the square on the page says: the key URI that the apps read."""
    label = f"{quote(box, safe='')}:{quote(name, safe='')}"
    return f"otpauth://totp/{label}?" + urlencode({"secret": secret_text(secret), "issuer": box}, quote_via=quote)

"""Codes that a person types: the answer to a break-glass challenge. Pure; the time is passed in.

**Break-glass.** The box shows its serial number, the purpose and a nonce; an officer of the bank answers with a code of 16 characters:

    box key  = SHA-256("casemate box key 1" || signature by the officer's key over "casemate break-glass 1" and the serial number)
    answer   = the first 80 bits of HMAC-SHA256(box key, challenge)  (RFC 2104), as 16 characters of Crockford's base32

The officer's key is RSA in a smartcard, an HSM or a file; an RSA signature by PKCS#1 v1.5 (RFC 8017) is always the same, so any such card can
make the box key again, and the key itself never leaves it. The box keeps only its own box key, given to it once: whoever reads a box can answer for that box, and for
no other. 80 bits against five tries in all.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NamedTuple

ANSWER_CHARACTERS: Final = 16
NONCE_CHARACTERS: Final = 8
LIFE_S: Final = 900  # a challenge that nobody answered in a quarter of an hour
TRIES_MAX: Final = 5
CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PURPOSES: Final = ("sign-in", "reset-administrator", "factory-reset")


class Challenge(NamedTuple):
    """What the box shows. `begun_s` Unix seconds."""

    serial: str
    purpose: str
    nonce: str
    begun_s: int

    @property
    def octets(self) -> bytes:
        return f"casemate challenge 1\n{self.serial}\n{self.purpose}\n{self.nonce}\n".encode()


def nonce(octets: bytes) -> str:
    """Eight characters that cannot be misread."""
    return crockford(octets)[:NONCE_CHARACTERS]


def crockford(octets: bytes) -> str:
    """Crockford's base32 (no I, L, O, U), most significant bits first, as many whole characters as there are bits for."""
    number, bits = int.from_bytes(octets, "big"), len(octets) * 8
    return "".join(CROCKFORD[number >> (bits - 5 * n - 5) & 31] for n in range(bits // 5))


def typed(text: str) -> str:
    """What a person typed, without blanks and dashes, with the letters that look like digits as those."""
    found = "".join(text.upper().split()).replace("-", "")
    return found.translate(str.maketrans("OIL", "011"))


def asked_of_key(serial: str) -> bytes:
    """What the officer's key signs, once for each box."""
    return f"casemate break-glass 1\n{serial}\n".encode()


def box_key(signature: bytes) -> bytes:
    return hashlib.sha256(b"casemate box key 1" + signature).digest()


def answer(key: bytes, challenge: Challenge) -> str:
    return crockford(hmac.digest(key, challenge.octets, "sha256"))[:ANSWER_CHARACTERS]


def right(key: bytes, challenge: Challenge, given: str) -> bool:
    return hmac.compare_digest(answer(key, challenge).encode(), typed(given).encode("utf-8"))

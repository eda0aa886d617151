"""The officer's end of break-glass: makes the box key from the officer's own key, and answers a challenge with it. Runs on the bank's desk.

The key is RSA: a file, or an object in a token by PKCS#11 URI (smartcard, HSM). It signs once for a box and never leaves its place.
"""

from __future__ import annotations

from pathlib import Path

from appliance.errors import Error
from appliance.updates import Tool, signed_by

from . import codes
from .codes import Challenge


def box_key(serial: str, key: Path | str) -> bytes:
    """Of one box, from the officer's key. Raises Error `internal`, `invalid` for a key whose signatures differ each time."""
    try:
        once, again = (signed_by(codes.asked_of_key(serial), key) for _ in range(2))
    except Tool as e:
        raise Error(
            "internal",
            str(e),
            "CASEMATE_PKCS11_MODULE names the token's library, CASEMATE_PIN_FILE the file with the PIN",
        ) from None
    if once != again:
        raise Error(
            "invalid",
            "this key does not sign the same way twice",
            "an RSA key does (PKCS#1 v1.5); an ECDSA key does not",
        )
    return codes.box_key(once)


def enrolment(key: bytes) -> str:
    """The box key as 52 characters to be typed, or read from a file, at the box."""
    return codes.crockford(key + b"\0")[:52]


def answer(serial: str, purpose: str, nonce: str, key: bytes) -> str:
    """Raises Error `invalid`."""
    if purpose not in codes.PURPOSES:
        raise Error("invalid", f"there is no purpose {purpose!r}", f"one of {', '.join(codes.PURPOSES)}")
    typed = codes.typed(nonce)
    if len(typed) != codes.NONCE_CHARACTERS:
        raise Error("invalid", f"a nonce has {codes.NONCE_CHARACTERS} characters", "as the box shows it")
    return codes.answer(key, Challenge(serial, purpose, typed, 0))

"""The HSM room's one error and its closed list of codes: the same words the appliance uses, so that `appliance.keys` only copies them."""

from __future__ import annotations

from typing import Final

CODES: Final[dict[str, str]] = {
    "hsm_unavailable": "the HSM or its worker does not answer; it is tried again by itself",
    "pin_invalid": "the token refused the PIN, or there is none; not tried again until the PIN file changes",
    "token_missing": "the PKCS#11 module or the token is not there",
    "mechanism_missing": "the token offers no mechanism for what is asked",
    "key_missing": "a key that should be in the token is not there",
    "key_refused": "a key operation failed its check",
    "sealed": "the token is closed until people open it",
    "invalid": "the request to a worker is not one it knows",
}


class HsmError(Exception):
    """An expected failure: `code` from CODES, `message` for a person, `hint` for what to do. Never holds a key or a PIN."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        assert code in CODES, code
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]" + (f" ({self.hint})" if self.hint else "")

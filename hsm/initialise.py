"""Makes a token ready for use: C_InitToken and C_InitPIN, inside a worker, so that no PIN is ever on a command line.

Source: PKCS#11 v2.40 base, sections 5.4 to 5.6.
"""

from __future__ import annotations

from .cryptoki import Cryptoki, TokenError, TokenSeen
from .errors import HsmError
from .numbers import CKF_TOKEN_INITIALIZED, CKF_USER_PIN_INITIALIZED, CKU_SO


def initialise_token(p11: Cryptoki, label: str, so_pin: bytes, pin: bytes) -> bool:
    """Makes a token `label` in the first uninitialised slot; True when it was made, False when it was already there with its PIN set.

    A token left half made by a crash (no user PIN yet) is finished. Raises HsmError `token_missing`.
    """
    try:
        token = _slot(p11, label)
        if token.flags & CKF_USER_PIN_INITIALIZED:
            return False
        if not token.flags & CKF_TOKEN_INITIALIZED:
            p11.init_token(token.slot, so_pin, label)
            token = _slot(p11, label)
        session = p11.open(token.slot, rw=True)
        p11.login(session, CKU_SO, so_pin)
        p11.init_pin(session, pin)
        p11.logout(session)
        p11.close(session)
    except TokenError as e:
        raise HsmError("token_missing", f"the token could not be initialised ({e})") from None
    return True


def _slot(p11: Cryptoki, label: str) -> TokenSeen:
    """The token `label`, else the first uninitialised one."""
    tokens = p11.tokens()
    named = [t for t in tokens if t.label == label and t.flags & CKF_TOKEN_INITIALIZED]
    empty = [t for t in tokens if not t.flags & CKF_TOKEN_INITIALIZED]
    if not named and not empty:
        raise HsmError("token_missing", "no slot is free for a new token")
    return (named or empty)[0]

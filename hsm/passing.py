"""Keys that pass from one token to another, without ever being in clear outside a token (the audit key's seed excepted, see below).

Runs in a worker. The receiver makes an RSA key pair for the occasion; the giver makes an AES key for the occasion, wraps it by RSA-OAEP
(RFC 8017) and the keys by it (RFC 3394). A key that was *born* for two is extractable for those seconds only, as a session object of the
giver: what stays in either token was unwrapped as not extractable. Keys that are in a token already pass only if they were made so
(`hsm.replicable`). An Ed25519 key cannot be wrapped by the tokens at hand (SoftHSM: KEY_NOT_WRAPPABLE): its seed is 32 octets of the
giver's random generator, in the memory of the two workers for a moment, and then in both tokens.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final

from . import wrapping
from .cryptoki import Oaep, TokenError
from .errors import HsmError
from .numbers import (
    CKA_CLASS,
    CKA_ENCRYPT,
    CKA_EXTRACTABLE,
    CKA_KEY_TYPE,
    CKA_MODULUS,
    CKA_MODULUS_BITS,
    CKA_PRIVATE,
    CKA_PUBLIC_EXPONENT,
    CKA_SENSITIVE,
    CKA_TOKEN,
    CKA_UNWRAP,
    CKA_VALUE,
    CKA_VALUE_LEN,
    CKA_WRAP,
    CKG_MGF1_SHA1,
    CKG_MGF1_SHA256,
    CKK_AES,
    CKK_GENERIC_SECRET,
    CKK_RSA,
    CKM_AES_KEY_GEN,
    CKM_AES_KEY_WRAP,
    CKM_RSA_PKCS_KEY_PAIR_GEN,
    CKM_RSA_PKCS_OAEP,
    CKM_SHA256,
    CKM_SHA_1,
    CKO_PRIVATE_KEY,
    CKO_PUBLIC_KEY,
    CKO_SECRET_KEY,
)
from .objects import AUDIT, find, import_audit, made_as, make
from .token import Token

RSA_BITS: Final = 3072  # NIST SP 800-57 part 1, table 2: 128 bits of security
#: Hashes of OAEP, the better first; SoftHSM takes SHA-1 only, which OAEP's security does not rest on.
HASHES: Final = {"sha256": Oaep(CKM_SHA256, CKG_MGF1_SHA256), "sha1": Oaep(CKM_SHA_1, CKG_MGF1_SHA1)}
_SEED_OCTETS: Final = 32
_HIDDEN: Final[dict[int, Any]] = {CKA_TOKEN: False, CKA_PRIVATE: True, CKA_SENSITIVE: True}
_TRANSPORT: Final[dict[int, Any]] = {CKA_CLASS: CKO_SECRET_KEY, CKA_KEY_TYPE: CKK_AES, **_HIDDEN}
_SEED: Final[dict[int, Any]] = {
    CKA_CLASS: CKO_SECRET_KEY,
    CKA_KEY_TYPE: CKK_GENERIC_SECRET,
    CKA_TOKEN: False,
    CKA_SENSITIVE: False,
    CKA_EXTRACTABLE: True,
}


class Passing:
    """One side of one passing, over a token that is logged in. Handles live as long as the worker."""

    def __init__(self, token: Token) -> None:
        self.token = token
        self.p11 = token.p11
        self._private = 0
        self._transport = 0
        self._born: dict[str, bytes] = {}  # the giver's own copy of what it passed, wrapped
        self._seed = b""

    def held(self, labels: list[str]) -> dict[str, Any]:
        """Which of the labels the token has, which of those may leave it, and what it can do."""
        found = {label: find(self.p11, self.token.login, label) for label in labels}
        return {
            "held": [label for label, key in found.items() if key],
            "leave": [label for label, key in found.items() if key and self._may_leave(key)],
            "capabilities": self.token.found,
            "manufacturer": self.token.seen.manufacturer,
            "model": self.token.seen.model,
        }

    def _may_leave(self, key: int) -> bool:
        try:
            return any(self.p11.attribute(self.token.login, key, CKA_EXTRACTABLE))
        except TokenError:
            return False

    # --- the receiver -------------------------------------------------------------------------------------

    def offer(self) -> dict[str, Any]:
        """The public half of a key pair that only this session has."""
        public, self._private = self.p11.generate_pair(
            self.token.login,
            CKM_RSA_PKCS_KEY_PAIR_GEN,
            {
                **{CKA_CLASS: CKO_PUBLIC_KEY, CKA_KEY_TYPE: CKK_RSA, CKA_TOKEN: False, CKA_WRAP: True},
                **{CKA_MODULUS_BITS: RSA_BITS, CKA_PUBLIC_EXPONENT: b"\1\0\1"},
            },
            {
                **{CKA_CLASS: CKO_PRIVATE_KEY, CKA_KEY_TYPE: CKK_RSA, **_HIDDEN},
                **{CKA_EXTRACTABLE: False, CKA_UNWRAP: True},
            },
        )
        return {
            "modulus": self.p11.attribute(self.token.login, public, CKA_MODULUS),
            "exponent": self.p11.attribute(self.token.login, public, CKA_PUBLIC_EXPONENT),
        }

    def receive(self, parcel: dict[str, Any], way: str) -> dict[str, Any]:
        """Puts what came into the token, not extractable unless it is `hsm.replicable` here too. Says which labels, and whether the audit key."""
        given = {**_TRANSPORT, CKA_EXTRACTABLE: False, CKA_UNWRAP: True}
        self._transport = self.p11.unwrap(
            self.token.login, CKM_RSA_PKCS_OAEP, self._private, parcel["transport"], given, HASHES[parcel["oaep"]]
        )
        for label, wrapped in parcel["keys"].items():
            self._unwrapped(label, wrapped, way)
        with contextlib.suppress(TokenError):  # without the seed the audit key is derived, on both
            if parcel["seed"]:
                passing = self.p11.unwrap(self.token.login, CKM_AES_KEY_WRAP, self._transport, parcel["seed"], _SEED)
                self._seed = self.p11.attribute(self.token.login, passing, CKA_VALUE)
        return {"labels": list(parcel["keys"]), "audit": self._import()}

    # --- the giver ----------------------------------------------------------------------------------------

    def give(self, modulus: bytes, exponent: bytes, labels: list[str], born: bool, way: str) -> dict[str, Any]:
        """Wraps the keys `labels` for who made the offer; with `born` they are made for it now, the audit key's seed among them."""
        session = self.token.login
        usage = {CKA_WRAP: True, CKA_UNWRAP: born}  # the giver unwraps its own copy of what is born
        made = {**_TRANSPORT, CKA_VALUE_LEN: 32, CKA_EXTRACTABLE: True, **usage}
        self._transport = self.p11.generate(session, CKM_AES_KEY_GEN, made)
        oaep, transport = self._to(modulus, exponent)
        seed = b""
        for label in labels:
            if label == AUDIT:
                seed = self._wrapped_seed()
                continue
            if born:
                key = make(self.p11, session, label, wrapping.BY_NAME[way], stays=False, leaves=True)
            else:
                key = find(self.p11, session, label)
            self._born[label] = self.p11.wrap(session, CKM_AES_KEY_WRAP, self._transport, key)
            if born:
                self.p11.destroy(session, key)
        return {"oaep": oaep, "transport": transport, "keys": dict(self._born), "seed": seed}

    def keep(self, way: str, audit: bool) -> dict[str, Any]:
        """The giver's own copy of what was born, once the receiver has it. `audit` is whether the receiver has the audit key too."""
        for label, wrapped in self._born.items():
            self._unwrapped(label, wrapped, way)
        return {"labels": list(self._born), "audit": audit and self._import()}

    def drop(self, label: str) -> None:
        """Takes a key out of the token that wraps nothing: half of a birth that was cut off."""
        key = find(self.p11, self.token.login, label)
        if key:
            self.p11.destroy(self.token.login, key)

    # --- what both need -----------------------------------------------------------------------------------

    def _to(self, modulus: bytes, exponent: bytes) -> tuple[str, bytes]:
        """The transport key wrapped for the receiver, and by which hash."""
        kind = {CKA_CLASS: CKO_PUBLIC_KEY, CKA_KEY_TYPE: CKK_RSA, CKA_TOKEN: False, CKA_ENCRYPT: False, CKA_WRAP: True}
        key = self.p11.create(self.token.login, {**kind, CKA_MODULUS: modulus, CKA_PUBLIC_EXPONENT: exponent})
        for n, (name, oaep) in enumerate(HASHES.items()):
            try:
                return name, self.p11.wrap(self.token.login, CKM_RSA_PKCS_OAEP, key, self._transport, oaep)
            except TokenError:
                if n + 1 == len(HASHES):
                    raise
        raise AssertionError

    def _wrapped_seed(self) -> bytes:
        """The audit key's seed for the receiver; empty when the token cannot take it in, and the key will be derived on both."""
        try:
            self._seed = self.p11.random(self.token.login, _SEED_OCTETS)
            passing = self.p11.create(self.token.login, {**_SEED, CKA_VALUE: self._seed})
            return self.p11.wrap(self.token.login, CKM_AES_KEY_WRAP, self._transport, passing)
        except TokenError:
            self._seed = b""
            return b""

    def _import(self) -> bool:
        seed, self._seed = self._seed, b""
        if not seed:
            return False
        try:
            import_audit(self.p11, self.token.login, seed)
        except TokenError:
            self.drop(AUDIT)
            return False
        return True

    def _unwrapped(self, label: str, wrapped: bytes, way: str) -> None:
        _, template = made_as(label, wrapping.BY_NAME[way], unwrapped=True)
        given = {**template, CKA_TOKEN: True, CKA_EXTRACTABLE: self.token.replicable}
        self.p11.unwrap(self.token.login, CKM_AES_KEY_WRAP, self._transport, wrapped, given)


def perform(passing: Passing, op: str, given: dict[str, Any]) -> Any:
    """One operation by name. Raises HsmError: `mechanism_missing` says which call the token refused."""
    ops: dict[str, Callable[..., Any]] = {
        **{"held": passing.held, "offer": passing.offer, "receive": passing.receive},
        **{"give": passing.give, "keep": passing.keep, "drop": passing.drop},
    }
    try:
        return ops[op](**given)
    except TokenError as e:
        raise HsmError(
            "mechanism_missing",
            f"the token {passing.token.seen.label} does not pass keys by wrapping ({e})",
            "clone its keys with the vendor's own tools",
        ) from None

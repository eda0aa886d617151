"""The token's objects: what they are called, how they are made and found, and the Ed25519 audit key, in the token or derived from it.

A token without Ed25519 (NSS softokn 3.87, a TPM) still signs checkpoints: the key's seed is then an HMAC made in the token by the MAC
key, over a text that nothing else is made from. It is the same on every token that holds that MAC key, is never on disk, and lives in
the memory of workers only; that it is not *in* the token is shown as `audit_key: derived`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from . import wrapping
from .cryptoki import Cryptoki, TokenError
from .numbers import (
    CKA_CLASS,
    CKA_EC_PARAMS,
    CKA_EC_POINT,
    CKA_EXTRACTABLE,
    CKA_ID,
    CKA_KEY_TYPE,
    CKA_LABEL,
    CKA_PRIVATE,
    CKA_SENSITIVE,
    CKA_SIGN,
    CKA_TOKEN,
    CKA_VALUE,
    CKA_VALUE_LEN,
    CKA_VERIFY,
    CKK_AES,
    CKK_EC_EDWARDS,
    CKK_GENERIC_SECRET,
    CKM_AES_KEY_GEN,
    CKM_EC_EDWARDS_KEY_PAIR_GEN,
    CKM_EDDSA,
    CKM_GENERIC_SECRET_KEY_GEN,
    CKM_SHA256_HMAC,
    CKO_PRIVATE_KEY,
    CKO_PUBLIC_KEY,
    CKO_SECRET_KEY,
)

KEK: Final = "casemate key-encryption key v1"  # the first root; see `root`
MAC: Final = "casemate mac key v1"
AUDIT: Final = "casemate audit key v1"
ALIVE: Final = b"casemate keep-alive"
DERIVED: Final = b"casemate audit key v1\0ed25519 seed"

#: Curve edwards25519 as EC_PARAMS. First the name as PrintableString (PKCS#11 v3.0 section 2.3.10), which SoftHSM insists on, then the
#: object identifier of RFC 8410, which others do. SoftHSM may crash on an identifier, so the order is not a matter of taste.
CURVES: Final = (b"\x13\x0cedwards25519", b"\x06\x03\x2b\x65\x70")


class Kind(NamedTuple):
    """One object of the token, found by label, id and class."""

    id: bytes
    of: int


OBJECTS: Final = {
    KEK: Kind(b"casemate-kek-1", CKO_SECRET_KEY),
    MAC: Kind(b"casemate-mac-1", CKO_SECRET_KEY),
    AUDIT: Kind(b"casemate-audit-1", CKO_PRIVATE_KEY),
}
_HELD: Final = {CKA_SENSITIVE: True, CKA_EXTRACTABLE: False, CKA_PRIVATE: True}
_MACS: Final[dict[int, Any]] = {
    CKA_CLASS: CKO_SECRET_KEY,
    CKA_KEY_TYPE: CKK_GENERIC_SECRET,
    CKA_VALUE_LEN: 32,
    CKA_SIGN: True,
    CKA_VERIFY: True,
}


def root(version: int) -> str:
    """Label of the root key-encryption key `version`: 1 from the first start on, one more at each rotation."""
    return f"casemate key-encryption key v{version}"


def kind_of(label: str) -> Kind:
    """Id and class of an object by its label."""
    known = OBJECTS.get(label)
    if known is not None:
        return known
    version = int(label.rpartition("v")[2])
    assert label == root(version)
    return Kind(b"casemate-kek-%d" % version, CKO_SECRET_KEY)


def find(p11: Cryptoki, session: int, label: str) -> int:
    """Handle of the object, 0 when it is not there."""
    kind = kind_of(label)
    found = p11.find(session, {CKA_CLASS: kind.of, CKA_LABEL: label.encode(), CKA_ID: kind.id})
    return found[0] if found else 0


def make(
    p11: Cryptoki, session: int, label: str, way: wrapping.Wrapping, stays: bool = True, leaves: bool = False
) -> int:
    """Makes the object, for ever in the token or for the length of the session; its handle. Raises TokenError.

    With `leaves` it can be wrapped for another token: how keys are born in two, and what `hsm.replicable` asks for.
    """
    if label == AUDIT:
        named: dict[int, Any] = {CKA_TOKEN: stays, CKA_LABEL: label.encode(), CKA_ID: kind_of(label).id}
        return ed25519(p11, session, named, {**named, **_HELD})[1]
    mechanism, template = made_as(label, way)
    return p11.generate(session, mechanism, {**template, CKA_TOKEN: stays, CKA_EXTRACTABLE: leaves})


def made_as(label: str, way: wrapping.Wrapping, unwrapped: bool = False) -> tuple[int, dict[int, Any]]:
    """Mechanism and template of a root or the MAC key, without saying whether it stays; `unwrapped`: its length comes with it."""
    named = {CKA_LABEL: label.encode(), CKA_ID: kind_of(label).id}
    if label == MAC:
        mechanism, kind = CKM_GENERIC_SECRET_KEY_GEN, dict(_MACS)
    else:
        mechanism = CKM_AES_KEY_GEN
        kind = {CKA_CLASS: CKO_SECRET_KEY, CKA_KEY_TYPE: CKK_AES, CKA_VALUE_LEN: 32, **wrapping.usage(way)}
    if unwrapped:
        del kind[CKA_VALUE_LEN]
    return mechanism, {**kind, **named, **_HELD}


def import_audit(p11: Cryptoki, session: int, seed: bytes) -> bytes:
    """Puts the audit key with this seed into the token, never to leave it; its public part. Raises TokenError."""
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    named = {CKA_TOKEN: True, CKA_LABEL: AUDIT.encode(), CKA_ID: OBJECTS[AUDIT].id, CKA_KEY_TYPE: CKK_EC_EDWARDS}
    kind = {**named, CKA_EC_PARAMS: CURVES[0]}
    p11.create(session, {CKA_CLASS: CKO_PRIVATE_KEY, **kind, **_HELD, CKA_SIGN: True, CKA_VALUE: seed})
    p11.create(session, {CKA_CLASS: CKO_PUBLIC_KEY, **kind, CKA_VERIFY: True, CKA_EC_POINT: b"\x04\x20" + public})
    return public


def ed25519(p11: Cryptoki, session: int, public: dict[int, Any], private: dict[int, Any]) -> tuple[int, int]:
    """Handles of a new pair's public and private key. Raises TokenError."""
    kind = {CKA_KEY_TYPE: CKK_EC_EDWARDS}
    for n, curve in enumerate(CURVES):
        try:
            return p11.generate_pair(
                session,
                CKM_EC_EDWARDS_KEY_PAIR_GEN,
                {CKA_CLASS: CKO_PUBLIC_KEY, **kind, CKA_EC_PARAMS: curve, CKA_VERIFY: True, **public},
                {CKA_CLASS: CKO_PRIVATE_KEY, **kind, CKA_SIGN: True, **private},
            )
        except TokenError as e:
            if n + 1 == len(CURVES) or e.reason in ("MECHANISM_INVALID", "FUNCTION_NOT_SUPPORTED"):
                raise
    raise AssertionError


def public_of(p11: Cryptoki, session: int) -> bytes:
    """The audit key's public part, 32 octets when all is well; EC_POINT is raw or wrapped as OCTET STRING, by vendor."""
    wanted = {CKA_CLASS: CKO_PUBLIC_KEY, CKA_LABEL: AUDIT.encode(), CKA_ID: OBJECTS[AUDIT].id}
    found = p11.find(session, wanted)
    point = p11.attribute(session, found[0], CKA_EC_POINT) if found else b""
    return point[2:] if point[:2] == b"\x04\x20" and len(point) == 34 else point


def hmac_of(p11: Cryptoki, session: int, key: int, body: bytes) -> bytes:
    return p11.sign(session, CKM_SHA256_HMAC, key, body)


class Signer:
    """Ed25519 by the audit key: in the token, or from a derived seed."""

    def __init__(self, public: bytes, private: Ed25519PrivateKey | None = None) -> None:
        self.public = public
        self._private = private

    @classmethod
    def derived(cls, seed: bytes) -> Signer:
        private = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(private.public_key().public_bytes_raw(), private)

    @property
    def in_token(self) -> bool:
        return self._private is None

    def sign(self, p11: Cryptoki, session: Callable[[], int], key: Callable[[], int], body: bytes) -> bytes:
        if self._private is not None:
            return self._private.sign(body)
        return p11.sign(session(), CKM_EDDSA, key(), body)


def trials(p11: Cryptoki, own: bool = False) -> dict[str, Callable[[int], bool]]:
    """What else is tried with throw-away keys, or the token's `own`: name -> trial in a session; raises TokenError."""

    def try_hmac(session: int) -> bool:
        key = find(p11, session, MAC) if own else 0
        key = key or p11.generate(session, CKM_GENERIC_SECRET_KEY_GEN, {**_MACS, CKA_TOKEN: False})
        first = hmac_of(p11, session, key, b"probe")
        return len(first) == 32 and first == hmac_of(p11, session, key, b"probe")

    def try_ed25519(session: int) -> bool:
        public, private = ed25519(p11, session, {CKA_TOKEN: False}, {CKA_TOKEN: False})
        p11.verify(session, CKM_EDDSA, public, b"probe", p11.sign(session, CKM_EDDSA, private, b"probe"))
        return True

    def try_random(session: int) -> bool:
        return p11.random(session, 32) != p11.random(session, 32)

    return {"hmac-sha256": try_hmac, "ed25519": try_ed25519, "random": try_random}

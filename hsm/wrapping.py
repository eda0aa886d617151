"""The ways a data key is wrapped by the key-encryption key, in order of preference, each really tried before it is believed.

Every way binds the wrapped key to its context: AES-GCM by its additional data, the others by an HMAC made in the HSM, because they
carry no additional data of their own.
"""

from __future__ import annotations

import hmac as compare
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .cryptoki import Cryptoki, Gcm, TokenError
from .errors import HsmError
from .numbers import (
    CKA_CLASS,
    CKA_DECRYPT,
    CKA_ENCRYPT,
    CKA_EXTRACTABLE,
    CKA_KEY_TYPE,
    CKA_SENSITIVE,
    CKA_TOKEN,
    CKA_UNWRAP,
    CKA_VALUE,
    CKA_VALUE_LEN,
    CKA_WRAP,
    CKK_AES,
    CKK_GENERIC_SECRET,
    CKM_AES_CBC,
    CKM_AES_GCM,
    CKM_AES_KEY_GEN,
    CKM_AES_KEY_WRAP,
    CKM_AES_KEY_WRAP_KWP,
    CKM_AES_KEY_WRAP_PAD,
    CKO_SECRET_KEY,
)

KEY_OCTETS: Final = 32
NONCE_OCTETS: Final = 12  # NIST SP 800-38D section 8.2.2: random, from the HSM
IV_OCTETS: Final = 16
MAC_OCTETS: Final = 32
_BINDING: Final = b"casemate wrap v1\0"

#: MACs under the HSM's key; given to the ways that need one.
Mac = Callable[[bytes], bytes]


class Wrapping(NamedTuple):
    """One way: its name in the key store, the PKCS#11 mechanism, what the key-encryption key must be allowed to do, octets of a wrapped key."""

    name: str
    mechanism: int
    permits: tuple[int, int]
    octets: int


_CIPHER: Final = (CKA_ENCRYPT, CKA_DECRYPT)
_WRAP: Final = (CKA_WRAP, CKA_UNWRAP)
_RFC3394: Final = KEY_OCTETS + 8 + MAC_OCTETS  # section 2.2.1: eight more

#: First that the token passes is taken. 0x210B is what PKCS#11 3.x calls RFC 5649; SoftHSM has it under 0x210A (SoftHSMv2#726).
#: CBC with HMAC (encrypt, then MAC) is for tokens that have nothing better, such as a TPM.
ORDER: Final = (
    Wrapping("aes-gcm", CKM_AES_GCM, _CIPHER, NONCE_OCTETS + KEY_OCTETS + 16),
    Wrapping("aes-kw", CKM_AES_KEY_WRAP, _WRAP, _RFC3394),
    Wrapping("aes-kwp-210b", CKM_AES_KEY_WRAP_KWP, _WRAP, _RFC3394),
    Wrapping("aes-kwp-210a", CKM_AES_KEY_WRAP_PAD, _WRAP, _RFC3394),
    Wrapping("aes-cbc-hmac", CKM_AES_CBC, _CIPHER, IV_OCTETS + KEY_OCTETS + MAC_OCTETS),
)
BY_NAME: Final = {w.name: w for w in ORDER}

#: A key that exists for the length of one call, so that its value can go in and out.
_PASSING: Final[dict[int, Any]] = {
    CKA_CLASS: CKO_SECRET_KEY,
    CKA_KEY_TYPE: CKK_GENERIC_SECRET,
    CKA_TOKEN: False,
    CKA_SENSITIVE: False,
    CKA_EXTRACTABLE: True,
}


def usage(way: Wrapping) -> dict[int, bool]:
    """What a key-encryption key may do, for this way and nothing else: one that may both wrap and decrypt gives away what it wraps."""
    return {permit: permit in way.permits for permit in (*_CIPHER, *_WRAP)}


def wrap(way: Wrapping, p11: Cryptoki, session: int, kek: int, key: bytes, context: bytes, mac: Mac) -> bytes:
    """The wrapped key. Raises TokenError as the token does."""
    if way.mechanism == CKM_AES_GCM:
        nonce = p11.random(session, NONCE_OCTETS)
        return nonce + p11.encrypt(session, way.mechanism, kek, key, Gcm(nonce, context))
    if way.mechanism == CKM_AES_CBC:
        iv = p11.random(session, IV_OCTETS)
        wrapped = iv + p11.encrypt(session, way.mechanism, kek, key, iv)
    else:
        passing = p11.create(session, {**_PASSING, CKA_VALUE: key})
        try:
            wrapped = p11.wrap(session, way.mechanism, kek, passing)
        finally:
            p11.destroy(session, passing)
    return wrapped + mac(_bound(way, wrapped, context))


def unwrap(way: Wrapping, p11: Cryptoki, session: int, kek: int, wrapped: bytes, context: bytes, mac: Mac) -> bytes:
    """The key. Raises HsmError `key_refused` when the HMAC differs, TokenError as the token does (SoftHSM: GENERAL_ERROR)."""
    if len(wrapped) != way.octets:
        raise HsmError("key_refused", "a wrapped key has the wrong length", "restore the key store from a backup")
    if way.mechanism == CKM_AES_GCM:
        parameter = Gcm(wrapped[:NONCE_OCTETS], context)
        return p11.decrypt(session, way.mechanism, kek, wrapped[NONCE_OCTETS:], parameter)
    wrapped, tag = wrapped[:-MAC_OCTETS], wrapped[-MAC_OCTETS:]
    if not compare.compare_digest(mac(_bound(way, wrapped, context)), tag):
        raise HsmError(
            "key_refused", "a wrapped key does not belong to its record", "restore the key store from a backup"
        )
    if way.mechanism == CKM_AES_CBC:
        return p11.decrypt(session, way.mechanism, kek, wrapped[IV_OCTETS:], wrapped[:IV_OCTETS])
    passing = p11.unwrap(session, way.mechanism, kek, wrapped, _PASSING)
    try:
        return p11.attribute(session, passing, CKA_VALUE)
    finally:
        p11.destroy(session, passing)


def _bound(way: Wrapping, wrapped: bytes, context: bytes) -> bytes:
    return _BINDING + way.name.encode() + b"\0" + len(context).to_bytes(4, "big") + context + wrapped


def probe(way: Wrapping, p11: Cryptoki, session: int, own: int = 0) -> str:
    """`ok` when the token wraps and unwraps this way and what was changed does not open; else why not.

    With a throw-away key, or with the token's `own` key-encryption key: for tokens that make no keys through PKCS#11.
    """
    key, context = bytes(range(KEY_OCTETS)), b"probe"

    def no_mac(_: bytes) -> bytes:
        return bytes(MAC_OCTETS)

    try:
        made = {CKA_TOKEN: False, CKA_VALUE_LEN: 32, CKA_SENSITIVE: True, CKA_EXTRACTABLE: False}
        described = {CKA_CLASS: CKO_SECRET_KEY, CKA_KEY_TYPE: CKK_AES}
        kek = own or p11.generate(session, CKM_AES_KEY_GEN, {**described, **made, **usage(way)})
        wrapped = wrap(way, p11, session, kek, key, context, no_mac)
        if len(wrapped) != way.octets:
            return "no: a wrapped key of another length"
        if unwrap(way, p11, session, kek, wrapped, context, no_mac) != key:
            return "no: another key came back"
    except TokenError as e:
        return f"no: {e.reason}"
    changed = bytes([wrapped[NONCE_OCTETS] ^ 1])
    try:
        again = wrapped[:NONCE_OCTETS] + changed + wrapped[NONCE_OCTETS + 1 :]
        if unwrap(way, p11, session, kek, again, context, no_mac) != key and way.mechanism == CKM_AES_CBC:
            return "ok"  # nothing in CBC notices a change: the HMAC does, and is tried on its own
    except TokenError:
        return "ok"
    return "no: a changed key was not refused"

"""The ways a data key is wrapped by the key-encryption key, in order of preference, each really tried before it is believed.

Every way binds the wrapped key to its context: AES-GCM by its additional data, the RFC 3394/5649 ways by an HMAC made in the HSM,
because they carry no additional data of their own.
"""

from __future__ import annotations

import hmac as compare
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, PKCS11Error
from pkcs11.mechanisms import GCMParams

from .errors import HsmError

KEY_OCTETS: Final = 32
NONCE_OCTETS: Final = 12  # NIST SP 800-38D section 8.2.2: random, from the HSM
MAC_OCTETS: Final = 32
_BINDING: Final = b"casemate wrap v1\0"

#: MACs under the HSM's key; given to the ways that need one.
Mac = Callable[[bytes], bytes]


class Wrapping(NamedTuple):
    """One way: its name in the key store, the PKCS#11 mechanism, what the key-encryption key must be allowed to do."""

    name: str
    mechanism: int
    usage: MechanismFlag
    permit: Attribute


#: First that the token passes is taken. 0x210B is what PKCS#11 3.x calls RFC 5649; SoftHSM has it under 0x210A (SoftHSMv2#726).
ORDER: Final = (
    Wrapping("aes-gcm", Mechanism.AES_GCM, MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT, Attribute.ENCRYPT),
    Wrapping("aes-kw", Mechanism.AES_KEY_WRAP, MechanismFlag.WRAP | MechanismFlag.UNWRAP, Attribute.WRAP),
    Wrapping("aes-kwp-210b", Mechanism.AES_KEY_WRAP_KWP, MechanismFlag.WRAP | MechanismFlag.UNWRAP, Attribute.WRAP),
    Wrapping("aes-kwp-210a", Mechanism.AES_KEY_WRAP_PAD, MechanismFlag.WRAP | MechanismFlag.UNWRAP, Attribute.WRAP),
)
BY_NAME: Final = {w.name: w for w in ORDER}

#: Attributes of a key that exists for the length of one call, so that its value can go in and out.
_PASSING: Final = {Attribute.TOKEN: False, Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}


def wrap(way: Wrapping, session: Any, kek: Any, key: bytes, context: bytes, mac: Mac) -> bytes:
    """The wrapped key. Raises PKCS11Error as the token does."""
    if way.name == "aes-gcm":
        nonce = session.generate_random(NONCE_OCTETS * 8)
        params = GCMParams(nonce, context, 128)
        return bytes(nonce + kek.encrypt(key, mechanism=Mechanism.AES_GCM, mechanism_param=params))
    passing = session.create_object(
        {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
            Attribute.VALUE: key,
            **_PASSING,
        }
    )
    try:
        wrapped = bytes(kek.wrap_key(passing, mechanism=Mechanism(way.mechanism)))
    finally:
        passing.destroy()
    return wrapped + mac(_bound(way, wrapped, context))


def unwrap(way: Wrapping, kek: Any, wrapped: bytes, context: bytes, mac: Mac) -> bytes:
    """The key. Raises HsmError `key_refused` when the HMAC differs, PKCS11Error as the token does (SoftHSM: GeneralError)."""
    if len(wrapped) != _octets(way):
        raise HsmError("key_refused", "a wrapped key has the wrong length", "restore the key store from a backup")
    if way.name == "aes-gcm":
        params = GCMParams(wrapped[:NONCE_OCTETS], context, 128)
        return bytes(kek.decrypt(wrapped[NONCE_OCTETS:], mechanism=Mechanism.AES_GCM, mechanism_param=params))
    wrapped, tag = wrapped[:-MAC_OCTETS], wrapped[-MAC_OCTETS:]
    if not compare.compare_digest(mac(_bound(way, wrapped, context)), tag):
        raise HsmError(
            "key_refused", "a wrapped key does not belong to its record", "restore the key store from a backup"
        )
    passing = kek.unwrap_key(
        ObjectClass.SECRET_KEY, KeyType.GENERIC_SECRET, wrapped, mechanism=Mechanism(way.mechanism), template=_PASSING
    )
    try:
        return bytes(passing[Attribute.VALUE])
    finally:
        passing.destroy()


def _octets(way: Wrapping) -> int:
    """Octets of a wrapped 32-octet key: nonce and tag for GCM, eight more (RFC 3394 section 2.2.1) and the HMAC for the others."""
    return NONCE_OCTETS + KEY_OCTETS + 16 if way.name == "aes-gcm" else KEY_OCTETS + 8 + MAC_OCTETS


def _bound(way: Wrapping, wrapped: bytes, context: bytes) -> bytes:
    return _BINDING + way.name.encode() + b"\0" + len(context).to_bytes(4, "big") + context + wrapped


def probe(way: Wrapping, session: Any) -> str:
    """`ok` when the token wraps and unwraps this way with a throw-away key and refuses a changed one; else why not."""
    key, context = bytes(range(KEY_OCTETS)), b"probe"

    def no_mac(_: bytes) -> bytes:
        return bytes(MAC_OCTETS)

    try:
        kek = session.generate_key(KeyType.AES, 256, store=False, capabilities=way.usage)
        wrapped = wrap(way, session, kek, key, context, no_mac)
        if unwrap(way, kek, wrapped, context, no_mac) != key:
            return "no: another key came back"
    except PKCS11Error as e:
        return f"no: {type(e).__name__}"
    changed = bytes([wrapped[NONCE_OCTETS] ^ 1])
    try:
        unwrap(way, kek, wrapped[:NONCE_OCTETS] + changed + wrapped[NONCE_OCTETS + 1 :], context, no_mac)
    except PKCS11Error:
        return "ok"
    return "no: a changed key was not refused"

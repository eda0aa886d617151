"""A data key in a process's memory, and the blind index: everything here happens without the HSM, per message.

HOT: sealing never formats, logs or reads a clock. Nothing here ever shows a key: not in repr, not in an error, not in a pickle.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.errors import Error

KEY_OCTETS: Final = 32
NONCE_OCTETS: Final = (
    12  # NIST SP 800-38D section 8.2.2; SEALS_PER_KEY_MAX is 49,710 a second for the whole day of a key
)
TAG_OCTETS: Final = 16
INDEX_OCTETS: Final = 16  # of HMAC-SHA256: enough that two numbers never meet, RFC 2104 section 5
_BLOCK_OCTETS: Final = 64  # of SHA-256


class DataKey:
    """AES-256-GCM under one day's key. `aad` binds what is sealed to where it belongs."""

    __slots__ = ("_cipher", "key_id", "retired")

    def __init__(self, key_id: int, key: bytes) -> None:
        assert len(key) == KEY_OCTETS
        self.key_id = key_id
        self.retired = False  # compromised or destroyed: whoever holds it to seal with fetches another
        self._cipher = AESGCM(key)

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """12 octets of random nonce, ciphertext, 16 octets of tag."""
        nonce = os.urandom(NONCE_OCTETS)
        return nonce + self._cipher.encrypt(nonce, plaintext, aad)

    def seal_many(self, plaintexts: Sequence[bytes], aads: Sequence[bytes]) -> list[bytes]:
        """As `seal` for each pair, with one reading of the system's random generator."""
        octets = os.urandom(NONCE_OCTETS * len(plaintexts))
        nonces = [octets[at : at + NONCE_OCTETS] for at in range(0, len(octets), NONCE_OCTETS)]
        encrypt = self._cipher.encrypt
        return [n + encrypt(n, text, aad) for n, text, aad in zip(nonces, plaintexts, aads, strict=True)]

    def open(self, blob: bytes, aad: bytes) -> bytes:
        """The plaintext. Raises Error `key_refused` when `blob` or `aad` is not what was sealed under this key."""
        if len(blob) >= NONCE_OCTETS + TAG_OCTETS:
            try:
                return self._cipher.decrypt(blob[:NONCE_OCTETS], blob[NONCE_OCTETS:], aad)
            except InvalidTag:
                pass
        raise Error(
            "key_refused",
            "what was sealed does not open",
            "it was changed, or belongs to another record",
            key_id=self.key_id,
        )

    def __repr__(self) -> str:
        return f"<DataKey {self.key_id}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a data key is not for writing down")


def blind_index(index_key: bytes, e164: str) -> bytes:
    """16 octets by which a number is found again without being readable: HMAC-SHA256 (RFC 2104), shortened."""
    return hmac.digest(index_key, e164.encode(), "sha256")[:INDEX_OCTETS]


def blind_indexer(index_key: bytes) -> Callable[[str], bytes]:
    """`blind_index` under one key, at half its cost: the key's two blocks are hashed once (RFC 2104 section 4)."""
    assert len(index_key) <= _BLOCK_OCTETS
    padded = index_key.ljust(_BLOCK_OCTETS, b"\0")
    inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in padded)).copy
    outer = hashlib.sha256(bytes(octet ^ 0x5C for octet in padded)).copy

    def index(e164: str) -> bytes:
        within = inner()
        within.update(e164.encode())
        around = outer()
        around.update(within.digest())
        return around.digest()[:INDEX_OCTETS]

    return index

"""age files (C2SP age, version 1) to X25519 recipients: what a backup is encrypted as, so that other people's tools open it without this appliance.

Encrypting needs the public half alone: the box that makes a backup cannot read it.
"""

from __future__ import annotations

import hmac
import io
import os
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import IO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from appliance.errors import Error

from . import bech32

MAGIC: Final = b"age-encryption.org/v1\n"
LABEL: Final = b"age-encryption.org/v1/X25519"
CHUNK: Final = 64 * 1024
TAG: Final = 16
LINE: Final = 64  # characters of base64 in a line of a stanza
HEADER_OCTETS_MAX: Final = 64 * 1024
WRONG: Final = "check the file, and that it is the identity of one of the backup's recipients"


def generate() -> tuple[str, str]:
    """A new pair: identity (secret), recipient."""
    key = X25519PrivateKey.generate()
    secret = bech32.encode("age-secret-key-", key.private_bytes_raw()).upper()
    return secret, bech32.encode("age", key.public_key().public_bytes_raw())


def recipient(text: str) -> X25519PublicKey:
    """`age1...`. Raises Error `settings_invalid`."""
    try:
        prefix, octets = bech32.decode(text.strip())
        if prefix != "age" or len(octets) != 32:
            raise ValueError(prefix)
        return X25519PublicKey.from_public_bytes(octets)
    except ValueError:
        raise Error("settings_invalid", "not the public key of an age recipient", "it begins with age1") from None


def identity(text: str) -> X25519PrivateKey:
    """The identity in a file as age-keygen(1) writes it: comments, then `AGE-SECRET-KEY-1...`. Raises Error `file_invalid`."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        prefix, octets = bech32.decode(lines[0] if len(lines) == 1 else "")
        if prefix != "age-secret-key-" or len(octets) != 32:
            raise ValueError
        return X25519PrivateKey.from_private_bytes(octets)
    except ValueError:
        raise Error(
            "file_invalid", "not a file with one age identity", "age-keygen or `casemate backup key` makes one"
        ) from None


def _hkdf(secret: bytes, salt: bytes, label: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt or None, label).derive(secret)


def _text(octets: bytes) -> bytes:
    return b64encode(octets).rstrip(b"=")


def _octets(text: bytes) -> bytes:
    out = b64decode(text + b"=" * (-len(text) % 4), validate=True)
    if _text(out) != text:
        raise ValueError("base64")
    return out


def _stanza(to: X25519PublicKey, file_key: bytes) -> bytes:
    mine = X25519PrivateKey.generate()
    share, theirs = mine.public_key().public_bytes_raw(), to.public_bytes_raw()
    wrap = _hkdf(mine.exchange(to), share + theirs, LABEL)
    body = ChaCha20Poly1305(wrap).encrypt(bytes(12), file_key, None)
    return b"-> X25519 " + _text(share) + b"\n" + _text(body) + b"\n"


class Writer(io.RawIOBase):
    """A stream that encrypts to `recipients` into `out`; `close` writes the last chunk and leaves `out` open."""

    def __init__(self, out: IO[bytes], recipients: list[X25519PublicKey]) -> None:
        super().__init__()
        file_key, nonce = os.urandom(16), os.urandom(16)
        head = MAGIC + b"".join(_stanza(to, file_key) for to in recipients) + b"---"
        mac = hmac.digest(_hkdf(file_key, b"", b"header"), head, sha256)
        out.write(head + b" " + _text(mac) + b"\n" + nonce)
        self._out, self._aead = out, ChaCha20Poly1305(_hkdf(file_key, nonce, b"payload"))
        self._kept, self._count = bytearray(), 0

    def writable(self) -> bool:
        return True

    def write(self, octets: object) -> int:
        view = bytes(memoryview(octets))  # type: ignore[arg-type]
        self._kept += view
        # One chunk is always kept: the last is marked, and only `close` knows which it is.
        while len(self._kept) > CHUNK:
            self._seal(bytes(self._kept[:CHUNK]), last=False)
            del self._kept[:CHUNK]
        return len(view)

    def _seal(self, chunk: bytes, last: bool) -> None:
        nonce = self._count.to_bytes(11, "big") + bytes([last])
        self._out.write(self._aead.encrypt(nonce, chunk, None))
        self._count += 1

    def close(self) -> None:
        if not self.closed:
            self._seal(bytes(self._kept), last=True)
            super().close()


def encrypted(octets: bytes, recipients: list[str]) -> bytes:
    """Few octets as a whole age file. Raises Error `settings_invalid`."""
    out = io.BytesIO()
    with Writer(out, [recipient(text) for text in recipients]) as sealed:
        sealed.write(octets)
    return out.getvalue()


class Reader(io.RawIOBase):
    """What was encrypted, from `source`, with the identity of one recipient. Raises Error `file_invalid` for any other octet than was written."""

    def __init__(self, source: IO[bytes], key: X25519PrivateKey) -> None:
        super().__init__()
        self._source, self._count, self._kept, self._ended = source, 0, b"", False
        self._aead = ChaCha20Poly1305(_hkdf(_file_key(source, key), source.read(16), b"payload"))
        self._next = source.read(CHUNK + TAG)

    def readable(self) -> bool:
        return True

    def readinto(self, into: object) -> int:
        view = memoryview(into)  # type: ignore[arg-type]
        while not self._kept and not self._ended:
            self._open()
        count = min(len(view), len(self._kept))
        view[:count] = self._kept[:count]
        self._kept = self._kept[count:]
        return count

    def _open(self) -> None:
        chunk, self._next = self._next, self._source.read(CHUNK + TAG)
        self._ended = not self._next
        nonce = self._count.to_bytes(11, "big") + bytes([self._ended])
        try:
            self._kept = self._aead.decrypt(nonce, chunk, None)
        except InvalidTag:
            raise Error("file_invalid", "the backup is damaged or was cut off", "take another copy of it") from None
        if not self._kept and self._count:
            raise Error("file_invalid", "the backup ends in a chunk that is empty", "take another copy of it")
        self._count += 1


def _file_key(source: IO[bytes], key: X25519PrivateKey) -> bytes:
    """The key of the file, from its header. Raises Error `file_invalid`."""
    head = source.readline(len(MAGIC))
    if head != MAGIC:
        raise Error("file_invalid", "not an age file", WRONG)
    found, stanza = b"", b""
    own = key.public_key().public_bytes_raw()
    while not (line := source.readline(1024)).startswith(b"---"):
        head += line
        if not line.endswith(b"\n") or len(head) > HEADER_OCTETS_MAX:
            raise Error("file_invalid", "the header of the age file is damaged", WRONG)
        if m := re.fullmatch(rb"-> X25519 ([A-Za-z0-9+/]{43})\n", line):
            stanza = m[1]
        elif stanza and len(line) <= LINE and not found:
            found, stanza = _unwrapped(stanza, line.strip(), key, own), b""
    if not found:
        raise Error("file_invalid", "the backup is not for this identity", WRONG)
    mac = hmac.digest(_hkdf(found, b"", b"header"), head + b"---", sha256)
    if not hmac.compare_digest(b"--- " + _text(mac) + b"\n", line):
        raise Error("file_invalid", "the header of the age file was changed", WRONG)
    return found


def _unwrapped(share: bytes, body: bytes, key: X25519PrivateKey, own: bytes) -> bytes:
    try:
        theirs = _octets(share)
        wrap = _hkdf(key.exchange(X25519PublicKey.from_public_bytes(theirs)), theirs + own, LABEL)
        return ChaCha20Poly1305(wrap).decrypt(bytes(12), _octets(body), None)
    except (InvalidTag, ValueError):
        return b""  # another recipient's

"""A bundle as a file: content, hash tree, signature, length of the signature (RAUC, "Bundle formats" `verity` and `crypt`). Opened, checked, read.

    content (squashfs; AES-256-CBC by sectors when encrypted) | dm-verity tree | CMS (RFC 5652) | its length, 8 octets big-endian

`check` is the whole way from a path to "may be installed"; it finds, firmware/trust.py decides. What is read afterwards is read from
the same open file, and each part's SHA-256 is compared with the signed manifest again while it is written (writer.py).
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from . import openssl, trust
from .authority import Authority
from .refusals import Refused
from .release import BLOCK, MANIFEST_OCTETS_MAX, PARTS, RELEASE_OCTETS_MAX, Manifest, Release, manifest, release
from .squash import Squash
from .trust import Box, Payload, Signature, Signer
from .verity import blocks, tree, tree_octets

CMS_OCTETS_MAX: Final = 1 << 20
BUNDLE_OCTETS_MAX: Final = 8 << 30
_SQUASHFS: Final = b"hsqs"
#: SignedData whose content is not inside: what the format `plain` has.
_DETACHED: Final = bytes.fromhex("300b06092a864886f70d010701")


Told = Callable[[int, int], None]  # octets read, octets in all


@dataclass(frozen=True)
class Recipient:
    """The key to which bundles of this bank are encrypted; `key` is a file or a PKCS#11 URI."""

    certificate: Path
    key: Path | str


class Bundle:
    """An open bundle. Close it; nothing in it is to be believed before `check`."""

    def __init__(self, path: Path, recipient: Recipient | None = None) -> None:
        """Raises Refused `unreadable`, `truncated`, `unsigned`, `not_for_us`, `plain_format`; OSError when the file cannot be read."""
        self.path = path
        self._file = path.open("rb", buffering=0)
        try:
            self._open(recipient)
        except BaseException:
            self._file.close()
            raise

    def _open(self, recipient: Recipient | None) -> None:
        size = os.fstat(self._file.fileno()).st_size
        if size > BUNDLE_OCTETS_MAX:
            raise Refused("unreadable", "it is too long")
        squash = self.at(0, 4) == _SQUASHFS
        octets = struct.unpack(">Q", self.at(size - 8, 8))[0] if size > BLOCK else 0
        if size <= BLOCK or octets > min(size - 8, CMS_OCTETS_MAX):
            raise Refused("truncated" if squash else "unreadable")
        self._before = size - 8 - octets
        cms = self.at(self._before, octets)
        self.encrypted = openssl.kind_of(cms) == openssl.SEALED
        if self.encrypted:
            if recipient is None:
                raise Refused("not_for_us", "this box has no such key")
            cms = openssl.opened(cms, recipient.certificate, recipient.key)
        if openssl.kind_of(cms) != openssl.SIGNED:
            raise Refused("unsigned")
        if _DETACHED in cms[:160]:
            raise Refused("plain_format")
        self._signed, self._signers, self._others, self.matches = openssl.verified(cms)

    def at(self, offset: int, octets: int) -> bytes:
        """Octets of the file as they are; fewer at its end."""
        return os.pread(self._file.fileno(), octets, offset)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- who and what ---------------------------------------------------------------------------------------

    def signature(self, authority: Authority) -> Signature:
        return Signature(tuple(authority.signer(c, self._others) for c in self._signers), self.matches)

    def manifest(self) -> Manifest:
        """What is signed; only after `signature` was found right. Raises Refused."""
        if len(self._signed) > MANIFEST_OCTETS_MAX:
            raise Refused("manifest_wrong", "the manifest is too long")
        return manifest(self._signed)

    def payload(self, signed: Manifest, told: Told | None = None) -> Payload:
        """The content as it is, every octet read. Raises OSError."""
        octets = self._before - signed.tree_octets
        self._file.seek(0)
        done = 0

        def read(more: int) -> None:
            nonlocal done
            done += more
            if told is not None:
                told(done, octets)

        found, whole = tree(blocks(self._file, max(0, octets), read), bytes.fromhex(signed.salt))
        stored = self.at(max(0, octets), signed.tree_octets) if octets > 0 else b""
        wanted = octets if tree_octets(max(0, octets)) == signed.tree_octets and octets % BLOCK == 0 else octets + BLOCK
        return Payload(octets, max(wanted, self._said(signed)), found, stored == whole)

    def _said(self, signed: Manifest) -> int:
        """How long the content says that it is: squashfs `bytes_used`, in whole blocks; 0 when it says nothing that can be."""
        head = self._plain(signed, 0, 96)
        if head[:4] != _SQUASHFS or len(head) < 96:
            return 0
        used = int(struct.unpack_from("<Q", head, 40)[0])
        return used + -used % BLOCK if used < BUNDLE_OCTETS_MAX else 0

    # --- content --------------------------------------------------------------------------------------------

    def content(self, signed: Manifest) -> Squash:
        """The files inside; only after `payload` was found right."""
        return Squash(lambda offset, octets: self._plain(signed, offset, octets))

    def _plain(self, signed: Manifest, offset: int, octets: int) -> bytes:
        if signed.format != "crypt":
            return self.at(offset, octets)
        first = offset - offset % BLOCK
        sealed = self.at(first, offset + octets - first + -(offset + octets) % BLOCK)
        return _decrypted(sealed, bytes.fromhex(signed.key), first // 512)[offset - first : offset - first + octets]


def _decrypted(sealed: bytes, key: bytes, sector: int) -> bytes:
    """dm-crypt's `aes-cbc-plain64`, 4096 octets at a time; the IV counts sectors of 512."""
    out = []
    for start in range(0, len(sealed) - len(sealed) % BLOCK, BLOCK):
        iv = struct.pack("<QQ", sector + start // 512, 0)
        out.append(Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor().update(sealed[start : start + BLOCK]))
    return b"".join(out)


@dataclass(frozen=True)
class Checked:
    """A bundle that may be installed, and why."""

    bundle: Bundle
    manifest: Manifest
    release: Release
    signer: Signer
    approvals: tuple[trust.Approval, ...]

    def pieces(self, part: str) -> Iterator[bytes]:
        return self.bundle.content(self.manifest).pieces(PARTS[part][0])

    def text(self, part: str) -> bytes:
        """A small part, compared with what was signed. Raises Refused."""
        return _part(self.bundle.content(self.manifest), self.manifest, part)


def check(
    bundle: Bundle,
    authority: Authority,
    box: Box,
    approvals: Sequence[trust.Approval] = (),
    told: Told | None = None,
    approved: bool = True,
) -> Checked:
    """Everything that is asked of a bundle. Raises Refused; `approved` False leaves out whether the bank signed already."""
    who = trust.signer(bundle.signature(authority), box.now_s)
    signed = bundle.manifest()
    trust.payload(bundle.payload(signed, told), signed)
    said = release(_part(bundle.content(signed), signed, "release"))
    trust.fitting(signed, said, box)
    counted = trust.bank(approvals, signed, box) if approved else []
    return Checked(bundle, signed, said, who, tuple(counted))


def looked_at(bundle: Bundle, authority: Authority) -> tuple[Signature, Manifest, Release, bytes]:
    """What a bundle says, for a person who asks what it is: nothing decided but that it can be read. Raises Refused."""
    signature = bundle.signature(authority)
    if not signature.matches:
        raise Refused("signature_wrong" if signature.signers else "unsigned")
    signed = bundle.manifest()
    content = bundle.content(signed)
    return signature, signed, release(_part(content, signed, "release")), _part(content, signed, "notes")


def _part(content: Squash, signed: Manifest, part: str) -> bytes:
    name, said = PARTS[part][0], signed.images[part]
    found = content.content(name, RELEASE_OCTETS_MAX)
    if len(found) != said.size or hashlib.sha256(found).hexdigest() != said.sha256:
        raise Refused("payload_tampered", name)
    return found

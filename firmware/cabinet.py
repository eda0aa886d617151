"""A cabinet with firmware of hardware, as vendors publish it and fwupd takes it: files (MS-CAB), what they say of themselves (AppStream metainfo), who
signed them (Jcat). Read strictly from octets in memory; it runs nothing but openssl(1) and decides nothing of devices: that is fwupd's, on the box.

    [MS-CAB]: https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-cab · https://github.com/hughsie/libjcat

Block checksums of the format are not looked at: the signature covers every octet that is used.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree

from cryptography import x509

from . import openssl
from .authority import Authority
from .refusals import Refused
from .trust import Signer

OCTETS_MAX: Final = 128 << 20  # of a cabinet: a server's BIOS has 16 to 64 MiB
CONTENT_OCTETS_MAX: Final = 256 << 20  # of its files, unpacked
TEXT_OCTETS_MAX: Final = 1 << 20  # of a metainfo or a Jcat file
FILES_MAX: Final = 64
FOLDERS_MAX: Final = 16
COMPONENTS_MAX: Final = 16
GUIDS_MAX: Final = 64
SIGNATURES_MAX: Final = 8  # of one file
_PREVIOUS_OR_NEXT: Final = 0x0003  # cabinets that go on in another file
_RESERVE: Final = 0x0004
_STORED, _MSZIP = 0, 1
_WINDOW: Final = 32 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+()-]{0,119}")
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PKCS7: Final = 3  # JcatBlobKind
_DIGESTS: Final = {1: "sha256", 4: "sha1", 10: "sha512"}
_SURE: Final = frozenset({1, 10})  # a signature over a SHA-1 is none


class Component(NamedTuple):
    """One firmware of a cabinet: what it is for, and which of the files is it."""

    name: str
    identity: str  # AppStream id, such as com.dell.uefi1d3e.firmware
    vendor: str
    version: str
    guids: tuple[str, ...]
    payload: str
    metainfo: str


class Cabinet(NamedTuple):
    """A cabinet that was read: its content by name, and what it says of itself. Nothing of it is believed before `signer`."""

    sha256: str
    octets: int
    files: dict[str, bytes]
    components: tuple[Component, ...]


def read(octets: bytes) -> Cabinet:
    """Raises Refused `cabinet_form`."""
    if len(octets) > OCTETS_MAX:
        raise Refused("cabinet_form", f"longer than {OCTETS_MAX >> 20} MiB")
    try:
        files = _files(octets)
    except (struct.error, zlib.error, IndexError) as e:
        raise Refused("cabinet_form", "it is cut off or damaged") from e
    found = tuple(_component(name, files) for name in sorted(files) if name.endswith(".metainfo.xml"))
    if not 0 < len(found) <= COMPONENTS_MAX:
        raise Refused("cabinet_form", "it does not say what it is for (no .metainfo.xml)")
    return Cabinet(hashlib.sha256(octets).hexdigest(), len(octets), files, found)


# --- MS-CAB -------------------------------------------------------------------------------------------------


def _files(octets: bytes) -> dict[str, bytes]:
    signature, _, size, _, first, _, minor, major, folders, files, flags, _, _ = struct.unpack_from(
        "<4sIIIIIBBHHHHH", octets
    )
    if signature != b"MSCF" or (major, minor) != (1, 3):
        raise Refused("cabinet_form")
    if size != len(octets) or flags & _PREVIOUS_OR_NEXT:
        raise Refused("cabinet_form", "it is not whole")
    if not (0 < folders <= FOLDERS_MAX and 0 < files <= FILES_MAX):
        raise Refused("cabinet_form", "it has too many parts, or none")
    at, per_folder, per_block = 36, 0, 0
    if flags & _RESERVE:
        header, per_folder, per_block = struct.unpack_from("<HBB", octets, at)
        at += 4 + header
    unpacked, room = [], CONTENT_OCTETS_MAX
    for _ in range(folders):
        begin, blocks, kind = struct.unpack_from("<IHH", octets, at)
        at += 8 + per_folder
        unpacked.append(_folder(octets, begin, blocks, kind & 0x000F, per_block, room))
        room -= len(unpacked[-1])
    out: dict[str, bytes] = {}
    at = first
    for _ in range(files):
        length, begin, folder = struct.unpack_from("<IIH", octets, at)
        end = octets.index(b"\0", at + 16, at + 16 + 256) if b"\0" in octets[at + 16 : at + 16 + 256] else -1
        name = octets[at + 16 : end].decode("utf-8", "replace")
        at = end + 1
        if end < 0 or not _NAME.fullmatch(name) or name in out:
            raise Refused("cabinet_form", "a file's name in it is none, or is there twice")
        if folder >= folders or begin + length > len(unpacked[folder]):
            raise Refused("cabinet_form", "it is cut off or damaged")
        out[name] = unpacked[folder][begin : begin + length]
    return out


def _folder(octets: bytes, at: int, blocks: int, kind: int, reserve: int, room: int) -> bytes:
    """The content of a folder: stored, or MSZIP, where each block goes on with the window of the one before."""
    if kind not in (_STORED, _MSZIP):
        raise Refused("cabinet_form", "it is packed in a way that fwupd does not take")
    out = bytearray()
    for _ in range(blocks):
        _, packed, plain = struct.unpack_from("<IHH", octets, at)
        block = octets[at + 8 + reserve : at + 8 + reserve + packed]
        at += 8 + reserve + packed
        if len(block) != packed or plain > _WINDOW or len(out) + plain > room:
            raise Refused("cabinet_form", "it is cut off, damaged or too long")
        if kind == _MSZIP:
            inflate = zlib.decompressobj(-15, bytes(out[-_WINDOW:]))
            block = inflate.decompress(block[2:], plain) if block[:2] == b"CK" else b""
        if len(block) != plain:
            raise Refused("cabinet_form", "it is cut off or damaged")
        out += block
    return bytes(out)


# --- what it says of itself ---------------------------------------------------------------------------------


def _component(name: str, files: dict[str, bytes]) -> Component:
    try:
        text = files[name][:TEXT_OCTETS_MAX].decode("utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise Refused("cabinet_form", f"{name} declares entities")
        root = ElementTree.fromstring(text)  # no document type, no entities, one MiB at most
    except (UnicodeDecodeError, ElementTree.ParseError) as e:
        raise Refused("cabinet_form", f"{name} cannot be read") from e
    release = root.find("releases/release")
    guids = [str(g.text or "").strip().lower() for g in root.findall("provides/firmware[@type='flashed']")]
    if root.tag != "component" or release is None or not guids or len(guids) > GUIDS_MAX:
        raise Refused("cabinet_form", f"{name} names no release and no device")
    if not all(_GUID.fullmatch(g) for g in guids):
        raise Refused("cabinet_form", f"{name} names a device by something that is no GUID")
    payload = _payload(release)
    if payload not in files:
        raise Refused("cabinet_form", f"{payload} is not in it")
    return Component(
        name=_words(root.findtext("name")),
        identity=_words(root.findtext("id")),
        vendor=_words(root.findtext("developer_name") or root.findtext("developer/name")),
        version=_words(release.get("version"))[:40],
        guids=tuple(guids),
        payload=payload,
        metainfo=name,
    )


def _payload(release: ElementTree.Element) -> str:
    """The file that is the firmware, as fwupd finds it: the source artifact, else the content's checksum, else firmware.bin."""
    artifact = release.find("artifacts/artifact[@type='source']")
    if artifact is not None:
        named = artifact.findtext("filename")
    else:
        content = release.find("checksum[@target='content']")
        named = content.get("filename") if content is not None else None
    return (named or "firmware.bin").strip().rpartition("/")[2]


def _words(text: str | None) -> str:
    return "".join(c for c in " ".join(str(text or "").split()) if c.isprintable())[:80]


# --- who signed it ------------------------------------------------------------------------------------------


def signer(cabinet: Cabinet, authority: Authority) -> Signer:
    """Who signed all of it: every firmware and what it says of itself, by one signer that the box trusts.

    Raises Refused `cabinet_unsigned`, `cabinet_tampered`, `cabinet_signer`, `cabinet_revoked`.
    """
    signatures = _jcat(cabinet.files)
    common: set[Signer] | None = None
    for name in sorted({n for c in cabinet.components for n in (c.payload, c.metainfo)}):
        found = _signers(name, cabinet.files[name], signatures.get(name, []), authority)
        common = found if common is None else common & found
    if not common:
        raise Refused("cabinet_signer", "no signer signed all of it")
    return min(common)


def _signers(name: str, content: bytes, blobs: list[dict[str, Any]], authority: Authority) -> set[Signer]:
    """Who signed this file, of those whom the box trusts."""
    for blob in blobs:
        kind = blob.get("Kind")
        if kind in _DIGESTS and "Target" not in blob and _octets(blob) != _digest(kind, content):
            raise Refused("cabinet_tampered", name)
    signed = [b for b in blobs if b.get("Kind") == _PKCS7][:SIGNATURES_MAX]
    if not signed:
        raise Refused("cabinet_unsigned", name)
    right: list[Signer] = []
    for blob in signed:
        target = blob.get("Target")
        if target is not None and target not in _SURE:
            continue
        over = content if target is None else _digest(target, content)
        _, signers, others, matches = openssl.verified(_der(_octets(blob)), over)
        if matches:
            right += [authority.signer(s, others) for s in signers]
    if not right:
        raise Refused("cabinet_tampered", name)
    trusted = {s for s in right if s.trusted and not s.revoked}
    if not trusted:
        revoked = [s for s in right if s.trusted]
        raise Refused("cabinet_revoked" if revoked else "cabinet_signer", (revoked or right)[0].name)
    return trusted


def may_sign(authority: x509.Certificate) -> bool:
    """Whether libjcat, and so fwupd, takes it for an authority: it wants a key usage that signs (jcat-pkcs7-engine.c)."""
    try:
        usage = authority.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return usage.key_cert_sign or usage.digital_signature


def _jcat(files: dict[str, bytes]) -> dict[str, list[dict[str, Any]]]:
    """Name of a file -> its blobs; empty without a Jcat file. Raises Refused `cabinet_form`."""
    name = next((n for n in sorted(files) if n.endswith(".jcat")), None)
    if name is None:
        return {}
    try:
        text = zlib.decompressobj(31).decompress(files[name], TEXT_OCTETS_MAX)
        return dict(_items(json.loads(text)))
    except (zlib.error, ValueError, TypeError, AttributeError) as e:
        raise Refused("cabinet_form", f"{name} cannot be read") from e


def _items(said: Any) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for item in said.get("Items", [])[:FILES_MAX]:
        blobs = [b for b in item.get("Blobs", []) if isinstance(b, dict)]
        yield from ((str(name), blobs) for name in (item["Id"], *item.get("AliasIds", [])))


def _octets(blob: dict[str, Any]) -> bytes:
    """Flag 1: text as it is; else base64."""
    text = str(blob.get("Data", ""))
    try:
        return text.encode() if int(blob.get("Flags", 0)) & 1 else base64.b64decode(text)
    except (ValueError, binascii.Error) as e:
        raise Refused("cabinet_form", "a signature in it cannot be read") from e


def _der(pem: bytes) -> bytes:
    body = b"".join(line for line in pem.splitlines() if not line.startswith(b"-----"))
    try:
        return base64.b64decode(body) if pem.startswith(b"-----") else pem
    except binascii.Error as e:
        raise Refused("cabinet_form", "a signature in it cannot be read") from e


def _digest(kind: int, content: bytes) -> bytes:
    return hashlib.new(_DIGESTS[kind], content, usedforsecurity=False).hexdigest().encode()

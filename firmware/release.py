"""What a bundle says of itself: the manifest that its signature covers, and `release.json` inside, whose digest the manifest holds.

The manifest is RAUC's (rauc.readthedocs.io, "Manifest"); `release.json` holds what RAUC has no word for. Both are read strictly:
an unknown version of the form, a missing part or a value of the wrong kind refuses the bundle.
"""

from __future__ import annotations

import configparser
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from .entries import TRIES_MAX
from .refusals import Refused
from .version import is_version

FORM: Final = 1
FORMATS: Final = ("verity", "crypt")
BLOCK: Final = 4096
MANIFEST_OCTETS_MAX: Final = 256 * 1024
RELEASE_OCTETS_MAX: Final = 256 * 1024
#: What a bundle holds: part -> (name of its file in the payload, largest size in MiB).
PARTS: Final[dict[str, tuple[str, int]]] = {
    "root": ("root.raw", 4096),
    "verity": ("root-verity.raw", 256),
    "signature": ("root-verity-sig.raw", 1),
    "kernel": ("kernel.efi", 256),
    "release": ("release.json", 1),
    "notes": ("notes.txt", 1),
    "components": ("components.cdx.json", 64),
    "revoked": ("revoked.crl", 1),
}
OPTIONAL: Final = frozenset({"revoked"})
_HEX32: Final = re.compile(r"[0-9a-f]{64}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Image:
    """One file of the payload as the manifest has it."""

    filename: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What is signed. `salt` and `root_hash` are dm-verity's over the payload, `key` is there when the payload is encrypted."""

    product: str
    version: str
    format: str
    root_hash: str
    salt: str
    tree_octets: int
    images: dict[str, Image]
    key: str = field(default="", repr=False)


@dataclass(frozen=True)
class Release:
    """`release.json`. Times are Unix seconds; 0: none."""

    product: str
    version: str
    built: int
    hardware: tuple[str, ...]
    needs: str  # oldest release that this one can be installed over
    floor: str  # after this one nothing older than this is ever installed
    until: int  # the last moment at which it may be installed
    tries: int
    root_hash: str  # of the root file system: what the kernel's command line names
    uuids: dict[str, str]  # root, verity, signature: of the partitions


def manifest(octets: bytes) -> Manifest:
    """Reads manifest.raucm. Raises Refused `manifest_wrong`, or `plain_format` for a bundle whose payload is not tied to it."""
    if len(octets) > MANIFEST_OCTETS_MAX:
        raise Refused("manifest_wrong", "the manifest is too long")
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",), strict=True)
    try:
        parser.read_string(octets.decode("utf-8"))
    except (UnicodeDecodeError, configparser.Error):
        raise Refused("manifest_wrong", "the manifest cannot be read") from None
    said = parser.get("bundle", "format", fallback="plain")
    if said == "plain":
        raise Refused("plain_format")
    if said not in FORMATS:
        raise Refused("manifest_wrong", "its format is not known")
    images = {}
    for section in parser.sections():
        if section.startswith("image."):
            name = section.removeprefix("image.")
            images[name] = _image(name, parser[section])
    missing = [name for name in PARTS if name not in images and name not in OPTIONAL]
    if missing:
        raise Refused("manifest_wrong", f"it holds no {', no '.join(missing)}")
    found = Manifest(
        product=parser.get("update", "compatible", fallback=""),
        version=parser.get("update", "version", fallback=""),
        format=said,
        root_hash=parser.get("bundle", "verity-hash", fallback=""),
        salt=parser.get("bundle", "verity-salt", fallback=""),
        tree_octets=_whole(parser.get("bundle", "verity-size", fallback="")),
        images=images,
        key=parser.get("bundle", "crypt-key", fallback=""),
    )
    if not (_HEX32.fullmatch(found.root_hash) and _HEX32.fullmatch(found.salt) and found.tree_octets % BLOCK == 0):
        raise Refused("manifest_wrong", "the hash over its content is missing")
    if (found.format == "crypt") != bool(_HEX32.fullmatch(found.key)):
        raise Refused("manifest_wrong", "its format and its key do not agree")
    if not is_version(found.version):
        raise Refused("manifest_wrong", "it has no version")
    return found


def _image(name: str, section: configparser.SectionProxy) -> Image:
    filename, mib = PARTS.get(name, ("", 0))
    said = Image(section.get("filename", ""), _whole(section.get("size", "")), section.get("sha256", ""))
    if not filename or said.filename != filename or not _HEX32.fullmatch(said.sha256) or said.size < 0:
        raise Refused("manifest_wrong", f"part {name[:32]!r} is not as it should be")
    if said.size > mib << 20:
        raise Refused("manifest_wrong", f"part {name} is larger than {mib} MiB")
    return said


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else -1


def release(octets: bytes) -> Release:
    """Reads release.json. Raises Refused `manifest_wrong`."""
    try:
        said = json.loads(octets)
        found = Release(
            product=_text(said["product"]),
            version=_text(said["version"]),
            built=_number(said["built"]),
            hardware=tuple(_text(h) for h in said["hardware"]),
            needs=_text(said["needs"]),
            floor=_text(said["floor"]),
            until=_number(said["until"]),
            tries=_number(said["tries"]),
            root_hash=_text(said["root_hash"]),
            uuids={name: _text(said["uuids"][name]) for name in ("root", "verity", "signature")},
        )
        form = said["form"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused("manifest_wrong", "release.json is not as it should be") from None
    fits = form == FORM and found.hardware and 1 <= found.tries <= TRIES_MAX and _HEX32.fullmatch(found.root_hash)
    versions = all(map(is_version, (found.version, found.needs, found.floor)))
    if not fits or not versions or not all(map(_UUID.fullmatch, found.uuids.values())):
        raise Refused("manifest_wrong", "release.json is not as it should be")
    return found


def release_text(r: Release) -> str:
    """`release.json` as it is written."""
    said: dict[str, Any] = {"form": FORM, **r.__dict__, "hardware": list(r.hardware)}
    return json.dumps(said, indent=1, sort_keys=True) + "\n"


def uuids_of(root_hash: str) -> tuple[str, str]:
    """UUIDs of the root and the verity partition: first and last half of the root's hash (Discoverable Partitions Specification)."""
    return _uuid(root_hash[:32]), _uuid(root_hash[-32:])


def _uuid(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 200:
        raise TypeError
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise TypeError
    return value

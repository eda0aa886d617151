"""A vendor's desk with its release key, and every way in which a bundle of it can be wrong, each with the code of its refusal."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from cryptography.x509.oid import ExtendedKeyUsageOID

from firmware import building
from firmware.release import BLOCK
from tests.support.release_keys import NOW, YEAR, Issuer, parts, release, trusted

AT = int(NOW.timestamp())


class Desk:
    """A vendor's desk: an authority, the release key of the year, and a bundle of 0.2.0."""

    def __init__(self, folder: Path, vendor: Issuer | None = None) -> None:
        self.folder = folder
        self.vendor, self.other = vendor or Issuer("Vendor", folder / "vendor"), Issuer("Vendor", folder / "other")
        self.key = self.vendor.issued("Release 2026")
        self.parts = parts(folder / "parts")
        self.trust = trusted(folder / "trust", self.vendor)
        self.bundle = self.built("plainly-right")

    def built(self, name: str, key: building.Key | None = None, form: str = "verity", **said: object) -> Path:
        out = self.folder / f"{name}.raucb"
        building.build(self.parts, release(**said), form, key or self.key, out)  # type: ignore[arg-type]
        return out

    def copy(self, name: str) -> Path:
        return Path(shutil.copy(self.bundle, self.folder / f"{name}.raucb"))


def flipped(path: Path, at: int) -> None:
    octets = bytearray(path.read_bytes())
    octets[at] ^= 0x40
    path.write_bytes(octets)


def layout(path: Path) -> tuple[int, int, int]:
    """Where the hash tree begins, where the signature begins, how long it is."""
    octets = path.read_bytes()
    (length,) = struct.unpack(">Q", octets[-8:])
    signature = len(octets) - 8 - length
    (used,) = struct.unpack_from("<Q", octets, 40)
    return used + -used % BLOCK, signature, length


def spliced(desk: Desk) -> Path:
    """The signature of the right bundle under the content of another."""
    path = desk.copy("spliced")
    other = desk.built("other-content", version="0.2.0", built=AT - 5)
    tree, _, _ = layout(desk.bundle)
    octets = bytearray(desk.bundle.read_bytes())
    octets[:tree] = other.read_bytes()[: layout(other)[0]].ljust(tree, b"\0")[:tree]
    path.write_bytes(octets)
    return path


def changed(desk: Desk, name: str, change: Callable[[Path], None]) -> Path:
    path = desk.copy(name)
    change(path)
    return path


def cut(octets: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, path.stat().st_size - octets)


def no_signature(path: Path) -> None:
    octets = path.read_bytes()
    path.write_bytes(octets[: layout(path)[1]] + struct.pack(">Q", 0))


def detached(desk: Desk) -> Path:
    """RAUC's old format: one signature over all of the content, which has to be read before it can be checked."""
    folder = desk.folder / "plain"
    folder.mkdir()
    shutil.copy(desk.parts["notes"], folder / "notes.txt")
    (folder / "manifest.raucm").write_text(
        "[update]\ncompatible=casemate\nversion=0.2.0\n[image.notes]\nfilename=notes.txt\n"
    )
    out = desk.folder / "plain.raucb"
    words = ["rauc", "bundle", f"--cert={desk.key.certificate}", f"--key={desk.key.key}", str(folder), str(out)]
    subprocess.run(words, check=True, capture_output=True)
    return out


#: What was done to a bundle -> (how, the code).
TAMPERED: dict[str, tuple[Callable[[Desk], Path], str]] = {
    "one bit of the root": (lambda d: changed(d, "1", lambda p: flipped(p, 9_000)), "payload_tampered"),
    "one bit at the content's end": (
        lambda d: changed(d, "2", lambda p: flipped(p, layout(p)[0] - 1)),
        "payload_tampered",
    ),
    "one bit of the hash tree": (
        lambda d: changed(d, "3", lambda p: flipped(p, layout(p)[0] + 70)),
        "payload_tampered",
    ),
    "one bit of the manifest": (lambda d: changed(d, "4", lambda p: flipped(p, layout(p)[1] + 120)), "signature_wrong"),
    "one bit of the signature": (
        lambda d: changed(d, "5", lambda p: flipped(p, p.stat().st_size - 20)),
        "signature_wrong",
    ),
    "signature taken off": (lambda d: changed(d, "6", no_signature), "unsigned"),
    "cut short": (lambda d: changed(d, "7", cut(50_000)), "truncated"),
    "cut short by a block, signature put back": (
        lambda d: changed(
            d, "8", lambda p: p.write_bytes(p.read_bytes()[: layout(p)[0] - BLOCK] + p.read_bytes()[layout(p)[0] :])
        ),
        "truncated",
    ),
    "something put before the signature": (
        lambda d: changed(
            d,
            "9",
            lambda p: p.write_bytes(p.read_bytes()[: layout(p)[1]] + bytes(BLOCK) + p.read_bytes()[layout(p)[1] :]),
        ),
        "payload_tampered",
    ),
    "another content under the right signature": (spliced, "payload_tampered"),
    "signed by another authority of the same name": (
        lambda d: d.built("11", d.other.issued("Release 2026 again")),
        "wrong_signer",
    ),
    "signed with a certificate for e-mail": (
        lambda d: d.built("12", d.vendor.issued("Mail", use=ExtendedKeyUsageOID.EMAIL_PROTECTION)),
        "wrong_purpose",
    ),
    "signed with last year's key": (
        lambda d: d.built("13", d.vendor.issued("Release 2025", NOW - 2 * YEAR, NOW - timedelta(days=9))),
        "signer_expired",
    ),
    "in the old format": (detached, "plain_format"),
    "a downgrade": (lambda d: d.built("14", version="0.0.9"), "downgrade"),
    "for another machine": (lambda d: d.built("15", hardware=("aarch64-*",)), "wrong_hardware"),
    "for another product": (lambda d: d.built("16", product="casemate-lab"), "wrong_product"),
    "past its day": (lambda d: d.built("17", until=AT - 1), "expired"),
    "not a bundle": (lambda d: changed(d, "18", lambda p: p.write_bytes(b"%PDF-1.7\n" * 9_000)), "unreadable"),
}

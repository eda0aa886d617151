"""Whether a bundle may be installed on this box: every decision, as pure functions over what was found. No file, no clock, no key.

In the order in which they are asked: who signed (`signer`), is what they signed whole (`payload`), is it for this box and this
moment (`fitting`), did the bank sign too (`bank`). Each raises Refused with a code of its own; tests/unit/firmware/test_trust.py has a named case for each.
The order follows The Update Framework's client workflow: keys before content, content before version (theupdateframework.github.io).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from .refusals import Refused
from .release import Manifest, Release
from .version import version

APPROVALS_MAX: Final = 8


class Signer(NamedTuple):
    """What a certificate and its chain were found to be. `trusted`: its chain ends at an authority of this box, each link checked."""

    name: str
    fingerprint: str  # SHA-256 of the certificate, hexadecimal
    serial: int
    from_s: int
    until_s: int
    trusted: bool
    signs_code: bool
    revoked: bool = False


class Signature(NamedTuple):
    """The signature of a bundle as found: `matches` is the arithmetic alone, it says nothing of who."""

    signers: tuple[Signer, ...]
    matches: bool


class Payload(NamedTuple):
    """The content as found: how long it is, and the root of dm-verity's tree over it, computed anew."""

    octets: int
    expected_octets: int
    root_hash: str
    tree_matches: bool


class Approval(NamedTuple):
    """One statement of a bank's officer over one bundle. Times are Unix seconds."""

    signer: Signer
    matches: bool
    bundle: str  # the bundle's root hash
    boxes: tuple[str, ...]  # serial numbers; "*" is every box
    until_s: int
    nonce: str


class Box(NamedTuple):
    """What the decision has to know of this box. `now_s` is the later of its clock and the day its own release was built."""

    product: str
    hardware: str
    serial: str
    version: str
    floor: str
    now_s: int
    officers_needed: int = 0
    withdrawn: Collection[str] = ()  # root hashes of bundles that failed here or were withdrawn
    nonces: Collection[str] = ()  # of approvals that were used


def signer(signature: Signature | None, now_s: int) -> Signer:
    """The vendor's signer. Raises Refused; of several signatures every one has to be right."""
    if signature is None or not signature.signers:
        raise Refused("unsigned")
    if not signature.matches:
        raise Refused("signature_wrong")
    for found in signature.signers:
        _certificate(found, now_s, "wrong_signer")
    return signature.signers[0]


def _certificate(found: Signer, now_s: int, stranger: str) -> None:
    if not found.trusted:
        raise Refused(stranger, f"{found.name}, SHA-256 {grouped(found.fingerprint)}")
    if not found.signs_code:
        raise Refused("wrong_purpose", found.name)
    if found.revoked:
        raise Refused("signer_revoked", f"{found.name}, serial {found.serial:x}")
    if now_s < found.from_s:
        raise Refused("signer_early", found.name)
    if now_s > found.until_s:
        raise Refused("signer_expired", found.name)


def payload(found: Payload, signed: Manifest) -> None:
    """Is the content what was signed. Raises Refused `truncated` or `payload_tampered`."""
    if found.octets < found.expected_octets:
        raise Refused("truncated", f"{found.octets} of {found.expected_octets} octets")
    if found.octets > found.expected_octets:
        raise Refused("payload_tampered", "there is more than what was signed")
    if found.root_hash != signed.root_hash or not found.tree_matches:
        raise Refused("payload_tampered")


def fitting(signed: Manifest, release: Release, box: Box) -> None:
    """Is it for this product, this hardware, this moment, and newer than what runs. Raises Refused."""
    if signed.product != box.product or release.product != box.product:
        raise Refused("wrong_product", f"{signed.product[:40]!r}")
    if release.version != signed.version:
        raise Refused("manifest_wrong", "two versions")
    if not any(fnmatchcase(box.hardware, pattern) for pattern in release.hardware):
        raise Refused("wrong_hardware", f"it is for {', '.join(release.hardware)[:80]}; this box is {box.hardware}")
    if release.until and box.now_s > release.until:
        raise Refused("expired")
    offered = version(release.version)
    if offered < max(version(box.version), version(box.floor)):
        raise Refused("downgrade", f"{release.version} after {max(box.version, box.floor, key=version)}")
    if signed.root_hash in box.withdrawn:
        raise Refused("replayed", release.version)
    if offered == version(box.version):
        raise Refused("same_version", release.version)
    if version(box.version) < version(release.needs):
        raise Refused("too_far", f"{release.version} goes over {release.needs} or newer, not over {box.version}")


def bank(approvals: Iterable[Approval], signed: Manifest, box: Box) -> list[Approval]:
    """The approvals that count: of as many different officers as the box asks for. Raises Refused when there are not enough.

    One that is wrong refuses the bundle even when there are enough others: somebody tried something.
    """
    counted: dict[str, Approval] = {}
    if not box.officers_needed:
        return []
    for found in approvals:
        if not found.matches or found.bundle != signed.root_hash:
            raise Refused("bank_wrong")
        _certificate(found.signer, box.now_s, "bank_stranger")
        if box.now_s > found.until_s:
            raise Refused("bank_expired", found.signer.name)
        if "*" not in found.boxes and box.serial not in found.boxes:
            raise Refused("bank_other_box", f"this one is {box.serial}")
        if found.nonce in box.nonces:
            raise Refused("bank_replayed", found.signer.name)
        counted.setdefault(found.signer.fingerprint, found)
    if len(counted) < box.officers_needed:
        raise Refused("bank_missing", f"{len(counted)} of {box.officers_needed}")
    return list(counted.values())


def floor_after(release: Release, box: Box) -> str:
    """The oldest version that may be installed once `release` proved itself; it only ever rises."""
    return max(release.floor, box.floor, key=version)


def newest_list(numbers: dict[str, int], held: int) -> str:
    """Which of several revocation lists to keep (name -> CRL number, RFC 5280 5.2.3): the newest one, "" when the one held is. Never an older one."""
    newer = {name: number for name, number in numbers.items() if number > held}
    return max(newer, key=lambda name: newer[name]) if newer else ""


def grouped(digits: str) -> str:
    """A fingerprint for people to compare: `3f9a 0c11 ...`."""
    return " ".join(digits[n : n + 4] for n in range(0, len(digits), 4))

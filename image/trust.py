"""Whom a box made from this image believes when it is offered a release, and the release as a bundle for boxes that are there already.

`--trust FOLDER` names the vendor's (`authority/*.pem`, `revoked.crl` if there is one): it goes into the root. Without it a development authority
and release key are made on the first build, beside the other development keys; git ignores them. firmware/README.md says what a bundle is.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firmware import building
from firmware.openssl import Tool
from firmware.release import Release, uuids_of
from image.recipe import Fault

PLACE: Final = "trust"  # below image/keys
YEARS: Final = {"authority": 10, "release": 1}
HARDWARE: Final = ("x86_64-uefi-*",)


def trusted(keys: Path, given: Path | None) -> Path:
    """The folder that goes into the root. Raises Fault for one that trusts nobody."""
    folder = given or keys / PLACE
    if given is None and not (folder / "authority").exists():
        _made(folder)
    found = sorted((folder / "authority").glob("*.pem"))
    if not found:
        raise Fault(f"{folder} trusts nobody", "authority/*.pem are the certificates of who may sign releases")
    for path in found:
        try:
            x509.load_pem_x509_certificates(path.read_bytes())
        except ValueError as e:
            raise Fault(f"{path} is no certificate: {e}", "PEM, as openssl writes it") from None
    return folder.absolute()


def development(folder: Path) -> building.Key:
    """The development release key."""
    return building.Key(folder / "release.pem", folder / "release.key")


def _made(folder: Path) -> None:
    """A root and a key of a year for code signing that it issues, as files. Renamed whole."""
    fresh = folder.with_name(folder.name + ".new")
    (fresh / "authority").mkdir(parents=True, exist_ok=True)
    fresh.chmod(0o700)
    root, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("Casemate release authority (development)")
    authority = _certificate(issuer, issuer, root.public_key(), "authority", root)
    release = _certificate(_name("Casemate release key (development)"), issuer, own.public_key(), "release", root)
    pem = serialization.Encoding.PEM
    (fresh / "authority/development.pem").write_bytes(authority.public_bytes(pem))
    (fresh / "release.pem").write_bytes(release.public_bytes(pem))
    for name, private in (("authority.key", root), ("release.key", own)):
        octets = private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (fresh / name).touch(mode=0o600)
        (fresh / name).write_bytes(octets)
    fresh.rename(folder)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    kind: str,
    signer: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    now = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    builder = builder.not_valid_after(now + timedelta(days=365 * YEARS[kind]))
    builder = builder.add_extension(x509.BasicConstraints(ca=kind == "authority", path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.add_extension(above, critical=False)
    if kind == "release":
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def bundle(
    out: Path, work: Path, stem: str, version: str, epoch: int, notes: str, key: building.Key, needs: str, floor: str
) -> Path:
    """`STEM.raucb` in the release folder, from what the last build made. Raises Fault."""
    try:
        said: list[dict[str, Any]] = json.loads((work / "verity/said.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Fault("there is no build to bundle", "`make image` first") from None
    kinds = {"root": "root", "root-verity": "verity", "root-verity-sig": "signature"}
    rows = {kinds[str(p["type"]).replace("-x86-64", "")]: p for p in said}
    parts = {part: work / "verity" / Path(row["split_path"]).name for part, row in rows.items()}
    (work / "notes.txt").write_text(notes, encoding="utf-8")
    parts |= {"kernel": out / f"{stem}.efi", "components": out / f"{stem}.cdx.json", "notes": work / "notes.txt"}
    root_hash = next(str(p["roothash"]) for p in said if p.get("roothash"))
    root, verity = uuids_of(root_hash)
    release = Release(
        product="casemate",
        version=version,
        built=epoch,
        hardware=HARDWARE,
        needs=needs,
        floor=floor,
        until=0,
        tries=3,
        root_hash=root_hash,
        uuids={"root": root, "verity": verity, "signature": str(rows["signature"]["uuid"])},
    )
    try:
        building.build(parts, release, "verity", key, out / f"{stem}.raucb")
    except Tool as e:
        raise Fault(f"the bundle was not made: {e}", "rauc and squashfs-tools are Debian packages") from None
    return out / f"{stem}.raucb"

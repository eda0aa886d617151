"""Authorities, release keys and bank officers made for a test, and small bundles signed by them: with rauc as a vendor does it."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firmware import building, openssl
from firmware.release import Release, uuids_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Issuer:
    """An authority that issues release keys of a year and lists of revoked ones."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._made(
            self.subject, self.private.public_key(), NOW - YEAR * 5, NOW + YEAR * 20, True, None
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "authority.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    @classmethod
    def kept(cls, certificate: Path, key: Path, folder: Path) -> Issuer:
        """An authority that is there already; what it issues is put into `folder`."""
        it = cls.__new__(cls)
        it.folder, it.path = folder, certificate
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        it.private, it.certificate = private, x509.load_pem_x509_certificate(certificate.read_bytes())
        it.subject = it.certificate.subject
        folder.mkdir(parents=True, exist_ok=True)
        return it

    def _made(self, subject, public, begin, end, authority, use):  # type: ignore[no-untyped-def]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.private.public_key()), critical=False
            )
        )
        if authority:
            signs = {"key_cert_sign": True, "crl_sign": True}
            others = (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
            )
            usage = x509.KeyUsage(**signs, **dict.fromkeys((*others, "encipher_only", "decipher_only"), False))
            builder = builder.add_extension(usage, critical=True)
        if use is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        return builder.sign(self.private, hashes.SHA256())

    def issued(
        self,
        name: str,
        begin: datetime = NOW - YEAR / 2,
        end: datetime = NOW + YEAR / 2,
        use: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
        private: Private | None = None,
    ) -> building.Key:
        """A key and its certificate as files NAME.pem and NAME.key."""
        private = private or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._made(subject, private.public_key(), begin, end, False, use)
        slug = name.replace(" ", "-")
        paths = self.folder / f"{slug}.pem", self.folder / f"{slug}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return building.Key(*paths)

    def revoked(self, number: int, *keys: building.Key) -> bytes:
        """A list with this number (DER)."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.subject)
            .last_update(NOW)
            .next_update(NOW + YEAR)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        for key in keys:
            serial = x509.load_pem_x509_certificate(key.certificate.read_bytes()).serial_number
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW).build()
            builder = builder.add_revoked_certificate(one)
        return builder.sign(self.private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def release(version: str = "0.2.0", **changes: object) -> Release:
    """What a small release says of itself; its root hash follows from its version."""
    root_hash = hashlib.sha256(version.encode()).hexdigest()
    root, verity = uuids_of(root_hash)
    said: dict[str, object] = {
        "product": "casemate",
        "version": version,
        "built": int(NOW.timestamp()) - 86_400,
        "hardware": ("x86_64-uefi-*",),
        "needs": "0.1.0",
        "floor": "0.1.0",
        "until": 0,
        "tries": 3,
        "root_hash": root_hash,
        "uuids": {"root": root, "verity": verity, "signature": "11111111-2222-4333-8444-555555555555"},
    }
    return Release(**{**said, **changes})  # type: ignore[arg-type]


def parts(folder: Path, octets: int = 300_000, revoked: bytes = b"") -> dict[str, Path]:
    """Small files in place of an image's parts: half of the root cannot be packed, half can."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "root": os.urandom(octets // 2) + b"root" * (octets // 8) + b"x" * 1234,
        "verity": os.urandom(20_000),
        "signature": b'{"rootHash": ""}',
        "kernel": b"MZ" + os.urandom(140_000),
        "notes": b"Second release.\nNothing to do before or after.\n",
        "components": b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}\n' * 20,
    }
    if revoked:
        made["revoked"] = revoked
    for name, octets_of in made.items():
        (folder / name).write_bytes(octets_of)
    return {name: folder / name for name in made}


def trusted(folder: Path, *issuers: Issuer, revoked: bytes = b"") -> Path:
    """A folder as `Authority.at` reads it."""
    (folder / "authority").mkdir(parents=True, exist_ok=True)
    for n, issuer in enumerate(issuers):
        (folder / "authority" / f"{n}.pem").write_bytes(issuer.path.read_bytes())
    if revoked:
        (folder / "revoked.crl").write_bytes(revoked)
    return folder


def approved(bundle: Path, text: bytes, key: building.Key, suffix: str = "") -> Path:
    """Writes an approval beside a bundle."""
    out = bundle.with_name(f"{bundle.name}.approval{suffix}")
    out.write_bytes(openssl.signed(text, key.certificate, key.key))
    return out

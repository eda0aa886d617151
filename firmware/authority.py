"""Whom this box trusts: a folder with the authorities' certificates and a revocation list, and what a certificate is under them.

    trust/authority/*.pem     roots of the vendor's release keys (or the bank's, who may sign its own builds)
    trust/revoked.crl         the newest list of revoked certificates (RFC 5280 section 5), PEM or DER

A release key lives a year and is signed by an authority, so next year's needs nothing on the box. A key that was lost is put on
the list, which comes with the next bundle and is taken only when it is signed by an authority and newer than the one held.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from .trust import Signer

CHAIN_MAX: Final = 4


class Authority:
    """The authorities of a folder, and the list that one of them signed."""

    def __init__(
        self, roots: Sequence[x509.Certificate], revoked: x509.CertificateRevocationList | None = None
    ) -> None:
        self.roots = tuple(roots)
        self.list = revoked if revoked is not None and self.vouches(revoked) else None

    @classmethod
    def at(cls, folder: Path) -> Authority:
        """Raises ValueError for a file that is no certificate. An empty folder trusts nobody."""
        roots = [
            c
            for p in sorted((folder / "authority").glob("*.pem"))
            for c in x509.load_pem_x509_certificates(p.read_bytes())
        ]
        held = folder / "revoked.crl"
        return cls(roots, crl(held.read_bytes()) if held.exists() else None)

    @property
    def list_number(self) -> int:
        """-1 when there is no list."""
        return -1 if self.list is None else number_of(self.list)

    def vouches(self, revoked: x509.CertificateRevocationList) -> bool:
        """Whether an authority signed this list."""
        for root in self.roots:
            try:
                if revoked.issuer == root.subject and revoked.is_signature_valid(root.public_key()):  # type: ignore[arg-type]
                    return True
            except (ValueError, TypeError, UnsupportedAlgorithm):
                continue
        return False

    def signer(self, certificate: x509.Certificate, others: Sequence[x509.Certificate] = ()) -> Signer:
        """What a certificate is here; `others` came with it and may stand between it and a root."""
        chain = self._chain(certificate, others)
        return Signer(
            name=certificate.subject.rfc4514_string()[:120],
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
            serial=certificate.serial_number,
            from_s=_latest(c.not_valid_before_utc for c in chain or [certificate]),
            until_s=_earliest(c.not_valid_after_utc for c in chain or [certificate]),
            trusted=bool(chain),
            signs_code=_signs_code(certificate),
            revoked=any(self._revoked(c) for c in chain or [certificate]),
        )

    def _chain(self, certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> list[x509.Certificate]:
        chain = [certificate]
        for _ in range(CHAIN_MAX):
            last = chain[-1]
            for root in self.roots:
                if last == root or _issued(last, root):
                    return chain if last == root else [*chain, root]
            above = next((c for c in others if c not in chain and _is_authority(c) and _issued(last, c)), None)
            if above is None:
                return []
            chain.append(above)
        return []

    def _revoked(self, certificate: x509.Certificate) -> bool:
        if self.list is None or self.list.issuer != certificate.issuer:
            return False
        return self.list.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def crl(octets: bytes) -> x509.CertificateRevocationList:
    """A revocation list, PEM or DER. Raises ValueError."""
    return x509.load_pem_x509_crl(octets) if octets.startswith(b"-----") else x509.load_der_x509_crl(octets)


def number_of(revoked: x509.CertificateRevocationList) -> int:
    """Its CRL number; 0 when it has none."""
    try:
        return revoked.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0


def _issued(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return _is_authority(parent)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _signs_code(certificate: x509.Certificate) -> bool:
    """Code signing by its extended key usage (RFC 5280 4.2.1.12), and not forbidden by its key usage."""
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.CODE_SIGNING not in uses:
            return False
    except x509.ExtensionNotFound:
        return False
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except x509.ExtensionNotFound:
        return True


def _latest(moments: object) -> int:
    return max(int(m.timestamp()) for m in moments if isinstance(m, datetime))  # type: ignore[attr-defined]


def _earliest(moments: object) -> int:
    return min(int(m.timestamp()) for m in moments if isinstance(m, datetime))  # type: ignore[attr-defined]

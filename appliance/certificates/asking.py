"""A certificate signing request (PKCS#10, RFC 2986) with a new key, which is sealed under the HSM or, on demand, written in clear."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.errors import Error
from appliance.keys import seal_text

#: Name -> how a key is made. RSA for operators whose systems know nothing else.
KINDS: Final[dict[str, Callable[[], ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa3072": lambda: rsa.generate_private_key(public_exponent=65_537, key_size=3072),
}


class Asked(NamedTuple):
    """Names of the two files, and the SHA-256 of the public key."""

    request: Path
    key: Path
    fingerprint: str


def ask(
    purpose: str,
    name: str,
    hosts: list[str],
    organisation: str,
    country: str,
    kind: str,
    folder: Path,
    sealing: bytes | None,
) -> Asked:
    """Writes `PURPOSE.csr` and `PURPOSE.key` (0600) into `folder`; `sealing` is the derived key, None: in clear. Raises Error."""
    if kind not in KINDS:
        raise Error("invalid", f"{kind!r} is no kind of key", f"one of {', '.join(KINDS)}")
    key = KINDS[kind]()
    try:
        request = _request(key, purpose, name, hosts, organisation, country)
    except ValueError as e:
        raise Error("invalid", f"a name in the request is not as it has to be: {e}") from None
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    stem = purpose.replace(" ", "-")
    written = Asked(folder / f"{stem}.csr", folder / f"{stem}.key", _fingerprint(key))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = pem if sealing is None else seal_text(pem, purpose, sealing).encode()
    for path, octets in ((written.key, content), (written.request, request.public_bytes(serialization.Encoding.PEM))):
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise Error("invalid", f"{path} is there already", "nothing is written over; name another folder") from None
        with os.fdopen(fd, "wb") as file:
            file.write(octets)
            os.fsync(file.fileno())
    return written


def _request(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    purpose: str,
    name: str,
    hosts: list[str],
    organisation: str,
    country: str,
) -> x509.CertificateSigningRequest:
    parts = [(NameOID.COUNTRY_NAME, country), (NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, name)]
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in parts if value])
    server = purpose.endswith("server")
    usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    names = [_host(host) for host in hosts or ([name] if server else [])]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
    return builder.sign(key, hashes.SHA256())


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _fingerprint(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(
        key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return digest.finalize().hex()

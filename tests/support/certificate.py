"""A certificate of a test's own, for `localhost` and 127.0.0.1, that signs itself."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance import clock


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Paths of (certificate, key), PEM. Both an authority and a server, which is what every TLS library accepts to trust."""
    now = datetime.fromtimestamp(clock.now_ms() / 1000, UTC)
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
    server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])

    def made(subject: x509.Name, key: ec.EllipticCurvePrivateKey, is_authority: bool) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=2))
            .add_extension(x509.BasicConstraints(is_authority, None), True)
        )
        if not is_authority:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        return builder.sign(authority_key, hashes.SHA256())

    pem = serialization.Encoding.PEM
    (folder / "authority.pem").write_bytes(made(authority, authority_key, True).public_bytes(pem))
    (folder / "server.pem").write_bytes(made(server, server_key, False).public_bytes(pem))
    key = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(key)
    return folder / "server.pem", folder / "server.key"

"""Signed JWTs of the bank: what CAMARA's profile asks of them, checked with the public key."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from appliance.courier.assertion import client_claims, key_at, number_claims, signed
from appliance.errors import Error

AUDIENCE = "https://auth.tim.example/token"
PLAIN = serialization.NoEncryption()


def written(folder: Path, key: Any, lock: Any = PLAIN) -> str:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    (folder / "key.pem").write_bytes(pem)
    return str(folder / "key.pem")


def octets(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_jwt_signed_with_p256(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    said = signed(key_at(written(tmp_path, key)), "k1", client_claims("bank", AUDIENCE, 1_700_000_000))
    head, claims, signature = said.split(".")
    assert json.loads(octets(head)) == {"alg": "ES256", "typ": "JWT", "kid": "k1"}
    read = json.loads(octets(claims))
    assert (read["iss"], read["sub"], read["aud"], read["iat"]) == ("bank", "bank", AUDIENCE, 1_700_000_000)
    assert 0 < read["exp"] - read["iat"] <= 300 and len(read["jti"]) == 36
    raw = octets(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.public_key().verify(der, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))


def test_a_jwt_about_one_number_signed_with_rsa(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65_537, 2048)
    claims = number_claims("bank", AUDIENCE, "+393331234567", "dpv:FraudPreventionAndDetection sim-swap:check", 1)
    said = signed(key_at(written(tmp_path, key)), "", claims)
    head, body, signature = said.split(".")
    assert json.loads(octets(head)) == {"alg": "RS256", "typ": "JWT"}
    assert json.loads(octets(body))["sub"] == "tel:+393331234567"
    key.public_key().verify(octets(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    assert claims["jti"] != number_claims("bank", AUDIENCE, "+393331234567", "x", 1)["jti"]


@pytest.mark.parametrize("kind", ["none", "text", "ed25519", "p384", "locked"])
def test_a_file_that_holds_no_such_key_is_said_to(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "key.pem")
    if kind == "text":
        (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    elif kind == "ed25519":
        written(tmp_path, ed25519.Ed25519PrivateKey.generate())
    elif kind == "p384":
        written(tmp_path, ec.generate_private_key(ec.SECP384R1()))
    elif kind == "locked":
        written(tmp_path, ec.generate_private_key(ec.SECP256R1()), serialization.BestAvailableEncryption(b"x"))
    with pytest.raises(Error) as e:
        key_at(path)
    assert e.value.code == "settings_invalid" and str(tmp_path) not in e.value.message

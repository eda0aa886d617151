"""Signed JWTs by which the bank says who it is (RFC 7523): to prove itself as a client, or to ask for a token about one number.

By CAMARA's Security and Interoperability Profile: `aud` is the very address that is asked, and none is good for more than 300 seconds.
"""

from __future__ import annotations

import base64
import json
import uuid
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from appliance.errors import Error
from appliance.limits import CAMARA_ASSERTION_S

RSA_BITS_MIN: Final = 2048  # RFC 7518 section 3.3
P256_OCTETS: Final = 32

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def key_at(path: str) -> Key:
    """The key in a PEM file, as it is now. Raises Error `settings_invalid`."""
    try:
        stamp = Path(path).stat().st_mtime_ns
        return _key(path, stamp)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        raise Error(
            "settings_invalid",
            "camara: `key_file` holds no key that can sign",
            "an unencrypted PEM key, P-256 or RSA of 2048 bits, readable by the courier",
        ) from None


@lru_cache(maxsize=32)
def _key(path: str, stamp: int) -> Key:
    key = serialization.load_pem_private_key(Path(path).read_bytes(), None)
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= RSA_BITS_MIN:
        return key
    raise ValueError


def client_claims(client_id: str, audience: str, at_s: int) -> dict[str, Any]:
    """OpenID Connect Core section 9, `private_key_jwt`."""
    return {"iss": client_id, "sub": client_id, "aud": audience, **_times(at_s)}


def number_claims(client_id: str, audience: str, number: str, scope: str, at_s: int) -> dict[str, Any]:
    """RFC 7523 section 3, about one number (E.164 with its plus), as CAMARA's JWT Bearer Flow has it."""
    return {"iss": client_id, "sub": f"tel:{number}", "aud": audience, "scope": scope, **_times(at_s)}


def _times(at_s: int) -> dict[str, Any]:
    return {"jti": str(uuid.uuid4()), "iat": at_s, "exp": at_s + CAMARA_ASSERTION_S}


def signed(key: Key, key_id: str, claims: dict[str, Any]) -> str:
    """JWS compact serialisation (RFC 7515), ES256 or RS256 by the key."""
    elliptic = isinstance(key, ec.EllipticCurvePrivateKey)
    head = {"alg": "ES256" if elliptic else "RS256", "typ": "JWT"} | ({"kid": key_id} if key_id else {})
    signing = f"{_text(head)}.{_text(claims)}"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(signing.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(P256_OCTETS, "big") + s.to_bytes(P256_OCTETS, "big")  # RFC 7518 section 3.4
    else:
        signature = key.sign(signing.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signing}.{_octets(signature)}"


def _text(part: dict[str, Any]) -> str:
    return _octets(json.dumps(part, separators=(",", ":")).encode())


def _octets(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

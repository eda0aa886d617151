"""A support bundle: redacted, packed, encrypted. And keys destroyed."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from appliance.errors import Error

SUPPORT_OCTETS_MAX: Final = 32 << 20
SECRET: Final = re.compile(r"(?i)\b(\w*(?:password|secret|token|pin|key|credential)\w*)(\s*[=:]\s*)(\"[^\"]*\"|\S+)")
NUMBER: Final = re.compile(r"\+?\d(?:[ ()/.-]{0,2}\d){6,}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*Z?")


def redacted(text: str) -> str:
    """Without values of what is named like a secret, without anything that could be a telephone number; times stay. Pure."""
    out = []
    for line in text.splitlines():
        times = _TIME.findall(line)
        line = SECRET.sub(lambda m: f"{m[1]}{m[2]}***", _TIME.sub("\0", line))
        line = NUMBER.sub("***", line)
        for time in times:
            line = line.replace("\0", time, 1)
        out.append(line)
    return "\n".join(out) + "\n"


def parts(status: list[str], facts: dict[str, Any], settings: str, logs: dict[str, list[str]]) -> dict[str, str]:
    """Name -> redacted text of each part of a support bundle. Pure."""
    made = {
        "status.txt": "\n".join(status),
        "processes.json": json.dumps(facts, indent=1, default=str),
        "casemate.toml": settings,
    }
    made |= {f"log/{name}.log": "\n".join(lines) for name, lines in logs.items()}
    return {name: redacted(text) for name, text in made.items()}


def packed(texts: dict[str, str]) -> bytes:
    """The archive, not encrypted yet. Raises Error `too_large`."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=6) as tar:
        for name, text in sorted(texts.items()):
            octets = text.encode()
            row = tarfile.TarInfo(name)
            row.size = len(octets)
            tar.addfile(row, io.BytesIO(octets))
    octets = archive.getvalue()
    if len(octets) > SUPPORT_OCTETS_MAX:
        raise Error("too_large", "the support bundle is too large", "it holds the ends of all logs; see the disk")
    return octets


def enveloped(octets: bytes, certificate: bytes) -> bytes:
    """CMS encrypted to the certificate (RFC 5652, AES-256). Raises Error `settings_invalid`."""
    try:
        to = x509.load_pem_x509_certificate(certificate)
        builder = pkcs7.PKCS7EnvelopeBuilder().set_data(octets).add_recipient(to)
        builder = builder.set_content_encryption_algorithm(algorithms.AES256)
        return builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    except (ValueError, TypeError) as e:
        raise Error(
            "settings_invalid", f"field.support_certificate cannot be used: {e}", "a certificate with an RSA key, PEM"
        ) from None


def destroy_keys(home: Path) -> list[str]:
    """Overwrites and removes the embedded token and the key store: without them every message and number on the box is ciphertext.

    Overwriting does not reach every cell of a flash disk: what counts there is the volume's own key, and a real HSM's being cleared.
    """
    out = []
    for folder in ("hsm", "keys"):
        for path in sorted((home / folder).rglob("*"), reverse=True) if (home / folder).exists() else []:
            if path.is_file() and not path.is_symlink():
                with path.open("r+b") as file:
                    file.write(os.urandom(path.stat().st_size))
                    os.fsync(file.fileno())
                path.unlink()
            elif path.is_dir():
                path.rmdir()
        out.append(f"{folder}: destroyed")
    for path in (home / "field" / "field.db",):
        path.unlink(missing_ok=True)
    return out

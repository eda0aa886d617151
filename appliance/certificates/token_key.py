"""A private key that lives in a token, for programs that take a key by a file's name: the file holds where the key is, not the key.

The form is that of OpenSSL's pkcs11-provider (PEM `PKCS#11 PROVIDER URI`): the provider, where it is loaded, opens the key that the URI (RFC 7512)
names. nginx and Python's ssl read such a file as any other.
"""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Final

from appliance.errors import Error

LABEL: Final = "PKCS#11 PROVIDER URI"
_WHAT: Final = b"PKCS#11 Provider URI v1.0"
_OCTETS_MAX: Final = 255
_SEQUENCE, _VISIBLE, _UTF8 = 0x30, 0x1A, 0x0C


def pem_of(uri: str) -> str:
    """Raises Error `invalid`: no URI of a private key, or one with a PIN in it."""
    fields = dict(part.partition("=")[::2] for part in re.split("[;?&]", uri.removeprefix("pkcs11:")))
    if not uri.startswith("pkcs11:") or not uri.isascii() or not uri.isprintable() or len(uri) > _OCTETS_MAX:
        raise Error("invalid", "this is no PKCS#11 URI", "pkcs11:token=LABEL;object=LABEL;type=private (RFC 7512)")
    if "pin-value" in fields:
        raise Error("invalid", "the URI holds a PIN", "the provider's settings name the PIN's file")
    if fields.get("type") != "private" or not {"object", "id"} & fields.keys():
        raise Error("invalid", "the URI names no private key", "type=private, and object= or id=")
    body = _tagged(_SEQUENCE, _tagged(_VISIBLE, _WHAT) + _tagged(_UTF8, uri.encode()))
    text = base64.b64encode(body).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {LABEL}-----", *lines, f"-----END {LABEL}-----", ""])


def _tagged(tag: int, value: bytes) -> bytes:
    """DER (ITU-T X.690)."""
    size = len(value)
    octets = size.to_bytes((size.bit_length() + 7) // 8 or 1)
    return bytes([tag]) + (bytes([size]) if size < 0x80 else bytes([0x80 | len(octets)]) + octets) + value


def write(uri: str, path: Path) -> None:
    """Into a new file. Raises Error `invalid`."""
    text = pem_of(uri)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    except OSError as e:
        raise Error("invalid", f"{path} cannot be written: {e.strerror}", "name a new file") from None
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(text)

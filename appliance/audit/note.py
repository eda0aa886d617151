"""Signed notes, checkpoints and proofs as text: C2SP signed-note, tlog-checkpoint, tlog-proof. Pure; it never signs."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.errors import Error

ED25519: Final = b"\x01"  # signature type of signed-note
PROOF: Final = "c2sp.org/tlog-proof@v1"
_NAME: Final = re.compile(r"[^\s+\x00-\x1f\x7f]+")


class Checkpoint(NamedTuple):
    """What a checkpoint says: the log of this origin had `size` entries under this root."""

    origin: str
    size: int
    root: bytes

    def body(self) -> bytes:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{_b64(self.root)}\n".encode()


class Verifier(NamedTuple):
    """A key that notes are checked against."""

    name: str
    key: bytes  # 32 octets, Ed25519

    def vkey(self) -> str:
        """`name+hex(key id)+base64(type || key)`."""
        return f"{self.name}+{key_id(self.name, self.key).hex()}+{_b64(ED25519 + self.key)}"


def key_id(name: str, key: bytes) -> bytes:
    """The four octets that name a key in a signature line."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + key).digest()[:4]


def check_name(name: str) -> str:
    """The name, if it may stand in a signature line. Raises Error `settings_invalid`."""
    if not _NAME.fullmatch(name):
        raise Error(
            "settings_invalid", "`audit.origin` is empty or holds a space or a plus", "for example bank.example/audit"
        )
    return name


def parse_vkey(text: str) -> Verifier:
    """The key of a vkey line. Raises Error `audit_invalid`."""
    name, _, rest = text.partition("+")
    number, _, coded = rest.partition("+")
    key = _unb64(coded)
    if not _NAME.fullmatch(name) or key is None or len(key) != 33 or key[:1] != ED25519:
        raise Error("audit_invalid", "the verifier key is not an Ed25519 vkey")
    if number != key_id(name, key[1:]).hex():
        raise Error("audit_invalid", "the verifier key does not match its own key id")
    return Verifier(name, key[1:])


def signed(checkpoint: Checkpoint, verifier: Verifier, signature: bytes) -> str:
    """The note: body, blank line, one signature line."""
    return f"{checkpoint.body().decode()}\n{signature_line(verifier, signature)}"


def signature_line(verifier: Verifier, signature: bytes) -> str:
    """What stands under the text of a signed note."""
    return f"\u2014 {verifier.name} {_b64(key_id(verifier.name, verifier.key) + signature)}\n"


def open_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """What a note says, once a signature by `verifier` was checked. Raises Error `audit_invalid`."""
    body, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise Error("audit_invalid", "the checkpoint is not a signed note")
    body += "\n"
    fields = body.split("\n")
    root = _unb64(fields[2]) if len(fields) >= 4 else None
    if root is None or len(root) != 32 or not fields[0] or not re.fullmatch(r"0|[1-9][0-9]*", fields[1], re.ASCII):
        raise Error("audit_invalid", "the checkpoint is not origin, size and root")
    wanted = key_id(verifier.name, verifier.key)
    for line in lines[:-1].split("\n"):
        match = re.fullmatch("\u2014 (\\S+) (\\S+)", line)
        raw = _unb64(match[2]) if match else None
        if match is None or raw is None or len(raw) < 5:
            raise Error("audit_invalid", "the checkpoint has a malformed signature line")
        if match[1] == verifier.name and raw[:4] == wanted:
            if not genuine(verifier.key, body.encode(), raw[4:]):
                raise Error("audit_invalid", "the checkpoint's signature does not match its text")
            return Checkpoint(fields[0], int(fields[1]), root)
    raise Error("audit_invalid", "the checkpoint carries no signature of the log's key")


def genuine(key: bytes, body: bytes, signature: bytes) -> bool:
    """Whether `signature` is the key's on `body` (RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, body)
    except (InvalidSignature, ValueError):
        return False
    return True


def proof_text(index: int, proof: list[bytes], note: str, extra: bytes = b"") -> str:
    """A `.tlog-proof` file. `extra` holds the entry itself, so that the file is complete; it is not signed by itself."""
    lines = [PROOF, *([f"extra {_b64(extra)}"] if extra else []), f"index {index}", *map(_b64, proof), "", note]
    return "\n".join(lines)


def _b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _unb64(text: str) -> bytes | None:
    """Strict: what encodes to exactly `text`, or None."""
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return octets if _b64(octets) == text else None

"""The custody key: what custodians hold shares of, how a share is written, and what the key opens: the copies of the HSM's keys, the PIN.

Shares are Shamir's (Crypto.Protocol.SecretSharing, over GF(2^128)): fewer than M say nothing about the key, and no share is a part of it
(PCI DSS 4 requirement 3.7.6). Pure: octets in, octets out; nothing here keeps a key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import Any, Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.errors import Error
from appliance.limits import CUSTODIANS_MAX, CUSTODIANS_MIN, PIN_CHARACTERS_MAX

KEY_OCTETS: Final = 32
_HALF: Final = 16  # Shamir.split takes 16 octets: the key is two, shared by the same custodians
_FORM: Final = 1
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U to misread
_TO_OURS: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _ALPHABET.encode())
_FROM_OURS: Final = bytes.maketrans(_ALPHABET.encode(), b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_MISREAD: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "U": "V"})
LINES: Final = 4
_LINE: Final = 15  # characters of a line, in groups of five
_CHECK: Final = 2
_NONCE: Final = 12


class Share(NamedTuple):
    """One custodian's: `number` of the custodian, how many are needed, and of which set it is."""

    set_id: str
    number: int
    needed: int
    octets: bytes

    def __repr__(self) -> str:
        return f"<share {self.number} of set {self.set_id}>"


def check_quorum(needed: int, custodians: int) -> None:
    """Raises Error `invalid` unless M of N is dual control: at least two of at least two."""
    if not CUSTODIANS_MIN <= needed <= custodians <= CUSTODIANS_MAX:
        raise Error(
            "invalid",
            f"{needed} of {custodians} custodians is no quorum",
            f"2 to {CUSTODIANS_MAX}, and no more are needed than there are",
        )


def split(key: bytes, needed: int, custodians: int, set_id: str) -> list[Share]:
    """`custodians` shares, any `needed` of which give the key back."""
    check_quorum(needed, custodians)
    assert len(key) == KEY_OCTETS
    from Crypto.Protocol.SecretSharing import (
        Shamir,
    )  # here: every process loads this room's front door, one splits keys

    halves = [Shamir.split(needed, custodians, key[at : at + _HALF]) for at in (0, _HALF)]
    return [
        Share(set_id, number, needed, first + second)
        for (number, first), (_, second) in zip(halves[0], halves[1], strict=True)
    ]


def joined(shares: list[Share]) -> bytes:
    """The key of as many shares of one set as are needed. Wrong shares give a wrong key: what it opens has to tell."""
    enough = shares[: shares[0].needed]
    assert len({s.set_id for s in enough}) == 1
    from Crypto.Protocol.SecretSharing import Shamir

    return b"".join(Shamir.combine([(s.number, s.octets[at : at + _HALF]) for s in enough]) for at in (0, _HALF))


# --- a share on paper -------------------------------------------------------------------------------------


def written(share: Share) -> list[str]:
    """Four lines of three groups of five characters, each with two check characters of its own: `7ZK3M 0Q2ST 9VWXY  4F`."""
    head = bytes([_FORM, share.number, share.needed]) + bytes.fromhex(share.set_id)
    text = base64.b32encode(head + share.octets).rstrip(b"=").translate(_TO_OURS).decode()
    lines = [text[at : at + _LINE] for at in range(0, _LINE * LINES, _LINE)]
    return [f"{_grouped(line)}  {_check(n, line)}" for n, line in enumerate(lines)]


def checks(lines: list[str]) -> str:
    """The check characters of a written share, in order: what a custodian reads back to show that it was written down."""
    return " ".join(line.split()[-1] for line in lines)


def read_line(n: int, typed: str) -> str:
    """The 15 characters of line `n` (0 to 3). Raises Error `invalid` when its check characters do not fit."""
    plain = "".join(typed.upper().split()).replace("-", "").translate(_MISREAD)
    line, check = plain[:_LINE], plain[_LINE:]
    if len(plain) != _LINE + _CHECK or not hmac.compare_digest(_check(n, line).encode(), check.encode()):
        raise Error("invalid", f"line {n + 1} is not as it was written", "read it again, with its two check characters")
    return line


def read(lines: list[str]) -> Share:
    """The share of its four lines as typed. Raises Error `invalid`."""
    if len(lines) != LINES:
        raise Error("invalid", f"a share has {LINES} lines")
    text = "".join(read_line(n, line) for n, line in enumerate(lines)).encode().translate(_FROM_OURS)
    try:
        octets = base64.b32decode(text + b"=" * (-len(text) % 8))
    except ValueError:
        raise Error("invalid", "this is no share") from None
    form, number, needed = octets[:3]
    if (
        form != _FORM
        or len(octets) != 5 + KEY_OCTETS
        or not (1 <= number <= CUSTODIANS_MAX and needed >= CUSTODIANS_MIN)
    ):
        raise Error("invalid", "this is no share of a form that this version knows")
    return Share(octets[3:5].hex(), number, needed, octets[5:])


def new_set() -> str:
    """Two octets that tell the shares of one set from those of another; not a secret."""
    return os.urandom(2).hex()


def _grouped(line: str) -> str:
    return " ".join(line[at : at + 5] for at in range(0, _LINE, 5))


def _check(n: int, line: str) -> str:
    digest = hashlib.sha256(b"casemate share line v1\0" + bytes([n]) + line.encode()).digest()
    return _ALPHABET[digest[0] & 31] + _ALPHABET[digest[1] & 31]


TRANSCRIPT: Final = "casemate ceremony transcript v1"  # first line of what is signed of one: no checkpoint begins so


def signed_text(name: str, digest: str) -> bytes:
    """What the audit key signs of a ceremony's transcript: three lines."""
    return f"{TRANSCRIPT}\n{name}\n{digest}\n".encode()


# --- what the key opens -----------------------------------------------------------------------------------


class Copies(NamedTuple):
    """The HSM's keys wrapped under a key made from the custody key: what lies on disk and in a backup. No secret by itself."""

    set_id: str
    needed: int
    custodians: int
    made_ms: int
    way: str
    root_way: str
    wrapped: dict[str, bytes]
    pin: bytes  # the token's PIN, sealed; empty when it is not in custody

    @property
    def ways(self) -> dict[str, str]:
        return {"way_name": self.way, "root_way_name": self.root_way}


def derived(key: bytes, purpose: str) -> bytes:
    """A key of the custody key for one purpose: HMAC-SHA256 (RFC 2104) over the purpose."""
    return hmac.digest(key, b"casemate custody v1\0" + purpose.encode(), "sha256")


def packed(copies: Copies, key: bytes) -> bytes:
    """The file, with an HMAC under the custody key over all of it: copies of one set cannot be exchanged for another's."""
    body = _body(copies)
    return msgspec.json.format(msgspec.json.encode({**body, "mac": _mac(body, key).hex()}), indent=1) + b"\n"


def unpacked(octets: bytes) -> Copies:
    """What the file says; nothing is proven before `genuine`. Raises Error `file_invalid`."""
    try:
        said = msgspec.json.decode(octets)
        if said["form"] != _FORM:
            raise ValueError
        return Copies(
            str(said["set"]),
            int(said["needed"]),
            int(said["custodians"]),
            int(said["made_ms"]),
            str(said["way"]),
            str(said["root_way"]),
            {str(label): bytes.fromhex(blob) for label, blob in said["wrapped"].items()},
            bytes.fromhex(said["pin"]),
        )
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise Error("file_invalid", "this is no backup of keys", "its name is root-keys.json") from None


def genuine(octets: bytes, key: bytes) -> Copies:
    """The copies, once the custody key has vouched for every octet of them. Raises Error `key_refused`."""
    copies = unpacked(octets)
    told = str(msgspec.json.decode(octets).get("mac", ""))
    if not hmac.compare_digest(_mac(_body(copies), key).hex(), told):
        raise Error("key_refused", "the shares do not fit this backup", "is each of this set, and typed as written?")
    return copies


def pin_sealed(pin: str, key: bytes) -> bytes:
    """The PIN under the custody key: AES-256-GCM, nonce before it; filled up, so that its length is not told."""
    nonce, filled = os.urandom(_NONCE), pin.encode().ljust(PIN_CHARACTERS_MAX + 1, b"\0")
    return nonce + AESGCM(derived(key, "pin")).encrypt(nonce, filled, b"casemate pin v1")


def pin_opened(sealed: bytes, key: bytes) -> str:
    """Raises Error `key_refused`."""
    try:
        filled = AESGCM(derived(key, "pin")).decrypt(sealed[:_NONCE], sealed[_NONCE:], b"casemate pin v1")
        return filled.rstrip(b"\0").decode()
    except (InvalidTag, ValueError):
        raise Error(
            "key_refused", "the shares do not open the PIN", "is each of this set, and typed as written?"
        ) from None


def _body(copies: Copies) -> dict[str, Any]:
    return {
        "form": _FORM,
        "what": "keys of the HSM of a Casemate, wrapped; restored with the shares of its custodians",
        "set": copies.set_id,
        "needed": copies.needed,
        "custodians": copies.custodians,
        "made_ms": copies.made_ms,
        "way": copies.way,
        "root_way": copies.root_way,
        "wrapped": {label: blob.hex() for label, blob in sorted(copies.wrapped.items())},
        "pin": copies.pin.hex(),
    }


def _mac(body: dict[str, Any], key: bytes) -> bytes:
    return hmac.digest(derived(key, "file"), msgspec.json.encode(body, order="sorted"), "sha256")

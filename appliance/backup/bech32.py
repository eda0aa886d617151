"""Bech32 (BIP 173) as age uses it for keys: no limit of 90 characters. Pure."""

from __future__ import annotations

from typing import Final

LETTERS: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for n, part in enumerate(GENERATOR):
            check ^= part if top >> n & 1 else 0
    return check


def _expanded(prefix: str) -> list[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def _regrouped(values: bytes | list[int], have: int, want: int, pad: bool) -> list[int]:
    kept, bits, out = 0, 0, []
    for value in values:
        kept, bits = kept << have | value, bits + have
        while bits >= want:
            bits -= want
            out.append(kept >> bits & (1 << want) - 1)
    rest = kept << want - bits & (1 << want) - 1
    if pad and bits:
        out.append(rest)
    elif not pad and (bits >= have or rest):
        raise ValueError("padding")
    return out


def encode(prefix: str, octets: bytes) -> str:
    values = _regrouped(octets, 8, 5, pad=True)
    check = _polymod([*_expanded(prefix), *values, 0, 0, 0, 0, 0, 0]) ^ 1
    return prefix + "1" + "".join(LETTERS[v] for v in [*values, *(check >> 5 * (5 - n) & 31 for n in range(6))])


def decode(text: str) -> tuple[str, bytes]:
    """Prefix in lower case and octets. Raises ValueError."""
    if text not in (text.lower(), text.upper()):
        raise ValueError("mixed case")
    prefix, _, letters = text.lower().rpartition("1")
    values = [LETTERS.index(c) for c in letters]
    if not prefix or len(values) < 6 or _polymod([*_expanded(prefix), *values]) != 1:
        raise ValueError("checksum")
    return prefix, bytes(_regrouped(values[:-6], 5, 8, pad=False))

"""The GSM 7 bit default alphabet and its extension table (3GPP TS 23.038 section 6.2.1), and C-speed maps of them."""

from __future__ import annotations

import codecs
from typing import Any, Final

ESCAPE: Final = 0x1B
ESC: Final = b"\x1b"

#: Section 6.2.1, one row of sixteen a line; the place of ESCAPE holds U+001B, which is no character of the alphabet.
ALPHABET: Final = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)

#: Section 6.2.1.1: septet after ESCAPE -> its character. CR2 (0x0D) and SS2 (0x1B) are control codes, not characters.
EXTENSION: Final[dict[int, str]] = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}

assert len(ALPHABET) == len(set(ALPHABET)) == 128
assert ALPHABET[ESCAPE] == "\x1b"
assert not set(EXTENSION.values()) & set(ALPHABET)

_UNUSED: Final = "\ufffe"  # what codecs take as "no character here"

# CPython turns a 256-character table into an EncodingMap, five times faster than a dict, but only when octet 0 is U+0000.
# So while encoding, "@" stands at 0x80 and octet 0 means "a NUL, which GSM has not"; an extension character is one
# octet with the high bit set until it is written out as a pair. 0x80 is free: no extension character has septet 0.
AT_STAND_IN: Final = b"\x80"
ESCAPED: Final = tuple((bytes((0x80 | septet,)), ESC + bytes((septet,))) for septet in EXTENSION)


def _table(at: int) -> str:
    table = [*ALPHABET, *([_UNUSED] * 128)]
    table[ESCAPE] = _UNUSED
    table[0] = "\0"
    for septet, character in EXTENSION.items():
        table[0x80 | septet] = character
    table[at] = "@"
    return "".join(table)


ENCODING_MAP: Final[Any] = codecs.charmap_build(_table(AT_STAND_IN[0]))
DECODING_TABLE: Final = _table(0)

_CHARACTERS: Final = frozenset(ALPHABET) - {"\x1b"}


def in_alphabet(text: str) -> bool:
    """Whether every character is in the default alphabet itself, at one septet (extension table not counted)."""
    return _CHARACTERS.issuperset(text)

"""Text to octets in the smallest encoding, and exactly back.

HOT: runs once per message; no loop over characters in Python.
"""

from __future__ import annotations

import codecs
from typing import Final

from appliance import limits
from appliance.errors import Error
from appliance.message import GSM7, UCS2

from .gsm import AT_STAND_IN, DECODING_TABLE, ENCODING_MAP, ESC, ESCAPED
from .parts import segments_of

_encode: Final = codecs.charmap_encode
_decode: Final = codecs.charmap_decode

__all__ = ["GSM7", "UCS2", "decode", "encode"]


def encode(text: str) -> tuple[int, bytes, int]:
    """`(encoding, payload, segments)` in the smallest encoding that carries every character.

    GSM7: unpacked septets, one an octet, extension characters as ESCAPE pairs. UCS2: UTF-16BE without byte order mark,
    so characters above U+FFFF are surrogate pairs. GSM7 is never the larger one: an extension character costs 14 bits
    there and 16 in UCS2. `segments` does not depend on the link's reference size (see `reference_bits_for`).

    Length is counted in Python code points, as the caller's JSON string counts them, whatever they cost in octets.
    Raises Error `invalid` (empty), `text_too_long` (over TEXT_CHARACTERS_MAX), `text_unmappable` (a lone surrogate).
    """
    if not 0 < len(text) <= limits.TEXT_CHARACTERS_MAX:
        raise _length(text)
    try:
        payload: bytes = _encode(text, "strict", ENCODING_MAP)[0]
    except UnicodeEncodeError:
        return _ucs2(text)
    if b"\0" in payload:
        return _ucs2(text)
    if not payload.isascii():
        payload = payload.replace(AT_STAND_IN, b"\0")
        if not payload.isascii():
            for mark, pair in ESCAPED:
                payload = payload.replace(mark, pair)
    return GSM7, payload, 1 if len(payload) <= 160 else segments_of(GSM7, payload)


def decode(encoding: int, payload: bytes) -> str:
    """The text that `encode` made `payload` from. Raises Error `malformed` for octets that it never makes."""
    try:
        if encoding == UCS2:
            return payload.decode("utf-16-be")
        if not payload.isascii():
            raise _septets()
        if ESC in payload:
            for mark, pair in ESCAPED:
                payload = payload.replace(pair, mark)
        text, _ = _decode(payload, "strict", DECODING_TABLE)
        return text
    except UnicodeDecodeError:
        raise (_septets() if encoding == GSM7 else Error("malformed", "the octets are not UTF-16BE")) from None


def _ucs2(text: str) -> tuple[int, bytes, int]:
    try:
        payload = text.encode("utf-16-be")
    except UnicodeEncodeError as e:
        raise Error(
            "text_unmappable",
            f"character {e.start + 1} of the text is half of a surrogate pair",
            "send the text as well-formed Unicode",
            position=e.start,
        ) from None
    return UCS2, payload, 1 if len(payload) <= 140 else segments_of(UCS2, payload)


def _length(text: str) -> Error:
    if not text:
        return Error("invalid", "the text is empty", "send at least one character")
    return Error(
        "text_too_long",
        f"the text has {len(text)} characters, at most {limits.TEXT_CHARACTERS_MAX} are sent",
        "characters are Unicode code points; send the text as several messages",
        characters=len(text),
        most=limits.TEXT_CHARACTERS_MAX,
    )


def _septets() -> Error:
    return Error("malformed", "the octets are not unpacked septets of the GSM default alphabet")

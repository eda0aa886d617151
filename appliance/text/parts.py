"""Cutting an encoded text into parts and heading each with its concatenation header (3GPP TS 23.040 section 9.2.3.24).

HOT: runs once per message; its loops turn once per part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appliance import limits
from appliance.message import GSM7, UCS2

from .clusters import clusters
from .gsm import ESCAPE

CR_LF: Final = b"\r\n"

#: (encoding, bits of the reference number; 0: no header) -> payload octets that fit one part. A header of 6 octets
#: takes 48 bits of 1,120: 7 septets with one bit of fill; one of 7 octets takes exactly 8 septets.
ROOM: Final[dict[tuple[int, int], int]] = {
    (GSM7, 0): 160,
    (GSM7, 8): 153,
    (GSM7, 16): 152,
    (UCS2, 0): 140,
    (UCS2, 8): 134,
    (UCS2, 16): 132,
}


def segments_of(encoding: int, payload: bytes) -> int:
    """Parts that `payload` leaves as, whatever reference size the link prefers: `reference_bits_for` sees to that."""
    return 1 if len(payload) <= ROOM[encoding, 0] else len(split(encoding, payload, 8))


def split(encoding: int, payload: bytes, reference_bits: int) -> list[bytes]:
    """`payload` in parts without header, for a header with a reference of exactly `reference_bits` (8 or 16).

    One part when it fits without any header. Never cuts an escape pair or a surrogate pair.
    """
    if len(payload) <= ROOM[encoding, 0]:
        return [payload]
    parts = cut_at(encoding, payload, ROOM[encoding, reference_bits])
    assert len(parts) <= limits.SEGMENTS_MAX
    return parts


def cut_at(encoding: int, payload: bytes, room: int) -> list[bytes]:
    """`payload` in pieces of at most `room` octets; never cuts an escape pair, a surrogate pair or a grapheme cluster.

    A cluster that no part has room for is cut between its code points.
    """
    parts = []
    start, length = 0, len(payload)
    if encoding == GSM7:
        while start < length:
            end = start + room
            # An ESCAPE is always the first of a pair: the extension table has no character at the septet ESCAPE.
            # CR LF is the alphabet's only cluster of two characters.
            if end < length and (payload[end - 1] == ESCAPE or payload[end - 1 : end + 1] == CR_LF):
                end -= 1
            parts.append(payload[start:end])
            start = end
        return parts
    found = clusters(payload.decode("utf-16-be", "surrogatepass")) if length > room else None
    if found is not None:
        return fill_parts([[c.encode("utf-16-be", "surrogatepass") for c in cluster] for cluster in found], room)
    while start < length:
        end = start + room
        if end < length and payload[end - 2] & 0xFC == 0xD8:  # a high surrogate, U+D800 to U+DBFF
            end -= 2
        parts.append(payload[start:end])
        start = end
    return parts


def fill_parts(units: Sequence[Sequence[bytes]], room: int) -> list[bytes]:
    """As few pieces of at most `room` octets as can be, parted between units; within a unit only where it is longer."""
    parts = []
    piece: list[bytes] = []
    size = 0
    for unit in units:
        octets = b"".join(unit)
        for each in (octets,) if len(octets) <= room else unit:
            if size + len(each) > room:
                parts.append(b"".join(piece))
                piece, size = [], 0
            piece.append(each)
            size += len(each)
    parts.append(b"".join(piece))
    return parts


def reference_bits_for(encoding: int, payload: bytes, preferred: int = 16) -> int:
    """8 or 16: the reference size for this message on a link that prefers `preferred`.

    The wider reference is worth having (an 8-bit one comes round every 256 messages to the same handset) but not worth
    a segment: where 16 bits would need one part more, the message goes with 8. So the parts of a message are as many on
    every link, and what was told and charged is what is sent.
    """
    if preferred == 8 or len(payload) <= ROOM[encoding, 0]:
        return preferred
    return 16 if len(split(encoding, payload, 16)) == len(split(encoding, payload, 8)) else 8


def udh(reference: int, reference_bits: int, total: int, part: int) -> bytes:
    """User data header of part `part` (from 1) of `total`: IE 0x00 with an 8-bit reference, 0x08 with a 16-bit one.

    `reference` is taken modulo its size, so one counter serves both.
    """
    assert 1 <= part <= total <= limits.SEGMENTS_MAX
    if reference_bits == 8:
        return bytes((5, 0x00, 3, reference & 0xFF, total, part))
    assert reference_bits == 16, reference_bits
    return bytes((6, 0x08, 4, reference >> 8 & 0xFF, reference & 0xFF, total, part))


def parts_with_udh(encoding: int, payload: bytes, reference: int, preferred_bits: int = 16) -> list[bytes]:
    """The short_message of each part: one without header when it fits (UDHI off), else each with its own (UDHI on).

    GSM7 parts are the header's octets followed by unpacked septets, as SMPP links take them.
    """
    if len(payload) <= ROOM[encoding, 0]:
        return [payload]
    bits = reference_bits_for(encoding, payload, preferred_bits)
    parts = split(encoding, payload, bits)
    total = len(parts)
    return [udh(reference, bits, total, n) + part for n, part in enumerate(parts, 1)]

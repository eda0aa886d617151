"""Septets packed eight to seven octets, and back (3GPP TS 23.038 section 6.1.2), for links that want them so."""

from __future__ import annotations

from typing import Final

CR: Final = 0x0D  # section 6.1.2.3.1: fills seven spare bits, so that nobody reads them as "@"


def fill_bits(header_octets: int) -> int:
    """Bits between a header of so many octets and the next septet boundary (3GPP TS 23.040 section 9.2.3.24)."""
    return -8 * header_octets % 7


def pack_septets(septets: bytes, fill: int = 0) -> bytes:
    """Unpacked septets as packed octets, after `fill` bits of zero. Seven spare bits at the end are a CR, which nobody sees."""
    bits = fill + 7 * len(septets)
    if bits % 8 == 1:
        septets += bytes((CR,))
        bits += 7
    number = 0
    for septet in reversed(septets):
        number = number << 7 | septet
    return (number << fill).to_bytes((bits + 7) // 8, "little")


def unpack_septets(octets: bytes, fill: int = 0) -> bytes:
    """The septets in packed octets; a CR that only fills the last seven bits is no part of them."""
    count = (8 * len(octets) - fill) // 7
    number = int.from_bytes(octets, "little") >> fill
    out = bytes(number >> 7 * k & 0x7F for k in range(count))
    filled = count and out[-1] == CR and fill + 7 * count == 8 * len(octets)
    return out[:-1] if filled else out

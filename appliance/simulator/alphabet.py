"""What octets mean to a handset, with tables of its own, so that a mistake of the sender shows: alphabets, sizes, cutting."""

from __future__ import annotations

from typing import Final

from .shifts import locking, single

# 3GPP TS 23.038 section 6.2.1, column by column as it is printed there (eight columns of sixteen).
_COLUMNS: Final = (
    "@£$¥èéùìòÇ\nØø\rÅå",
    "Δ_ΦΓΛΩΠΨΣΘΞ\0ÆæßÉ",
    " !\"#¤%&'()*+,-./",
    "0123456789:;<=>?",
    "¡ABCDEFGHIJKLMNO",
    "PQRSTUVWXYZÄÖÑÜ§",
    "¿abcdefghijklmno",
    "pqrstuvwxyzäöñüà",
)
_DEFAULT: Final = "".join(_COLUMNS)
_AFTER_ESCAPE: Final = dict(zip(b"\x0a\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65", "\f^{}\\[~]|€", strict=True))
_ESCAPE: Final = 0x1B
_UDHI: Final = 0x40
#: What an operator's default alphabet (data_coding 0) can be: GSM-7 with a septet in each octet, packed, or Latin-1.
ALPHABETS: Final = ("gsm", "gsm-packed", "latin-1")


def is_unicode(data_coding: int) -> bool:
    """3GPP TS 23.038 section 4: UCS-2 in the general groups; group 1110 is message waiting in UCS-2."""
    return data_coding & 0x8C == 0x08 or data_coding & 0xF0 == 0xE0


def is_gsm(data_coding: int) -> bool:
    """Whether an SMSC whose default is the GSM alphabet takes the octets as unpacked septets."""
    return data_coding == 0 or data_coding & 0xFC in (0x10, 0xF0)


def fits(esm_class: int, data_coding: int, short_message: bytes, alphabet: str = "gsm") -> bool:
    """Whether it goes into one segment's 140 octets, septets packed (3GPP TS 23.040 section 9.2.3.24.1)."""
    header = short_message[0] + 1 if esm_class & _UDHI and short_message else 0
    if is_gsm(data_coding) and alphabet == "gsm":
        return len(short_message) - header <= (1120 - 8 * header) // 7
    return len(short_message) <= 140


def unpacked(octets: bytes, header: int = 0) -> bytes:
    """Septets of packed octets that stand after a header of so many octets: they begin at a septet's border (section 9.2.3.24).

    A last septet of zeros, or the carriage return that stands for it, fills the last octet and is no character.
    """
    fill = -8 * header % 7
    bits = int.from_bytes(octets, "little") >> fill
    count = (len(octets) * 8 - fill) // 7
    septets = bytes(bits >> 7 * n & 0x7F for n in range(count))
    if count and (len(octets) * 8 - fill) % 7 == 0 and septets[-1] in (0x00, 0x0D):
        septets = septets[:-1]
    return septets


def packed(septets: bytes, header: int = 0) -> bytes:
    """The reverse; a carriage return where seven bits would be left that look like a character."""
    fill = -8 * header % 7
    if (len(septets) * 7 + fill) % 8 == 1:
        septets += b"\r"
    bits = 0
    for n, septet in enumerate(septets):
        bits |= septet << 7 * n + fill
    return bits.to_bytes((len(septets) * 7 + fill + 7) // 8, "little")


def decoded(
    data_coding: int, body: bytes, alphabet: str = "gsm", header: int = 0, tables: tuple[int, int] = (0, 0)
) -> str:
    """The text a person reads; what cannot be read is U+FFFD, binary is in hexadecimal. `header`: octets before `body`.

    `tables`: the numbers of the national language tables that the header names, locking and single.
    """
    if is_unicode(data_coding):
        return body.decode("utf-16-be", "replace")
    if is_gsm(data_coding):
        if alphabet == "latin-1":
            return body.decode("latin-1")
        septets = unpacked(body, header) if alphabet == "gsm-packed" else body
        return _gsm(septets) if tables == (0, 0) else _national(septets, *tables)
    if data_coding in (1, 3):
        return body.decode("ascii" if data_coding == 1 else "latin-1", "replace")
    return body.hex()


def _gsm(body: bytes) -> str:
    if body.isascii() and _ESCAPE not in body:
        return "".join(map(_DEFAULT.__getitem__, body))
    out: list[str] = []
    escaped = False
    for octet in body:
        if escaped:
            out.append(_AFTER_ESCAPE.get(octet, "\ufffd"))
            escaped = False
        elif octet == _ESCAPE:
            escaped = True
        else:
            out.append(_DEFAULT[octet] if octet < 128 else "\ufffd")
    return "".join(out) + ("\ufffd" if escaped else "")


def _national(septets: bytes, locked: int, shifted: int) -> str:
    """By national language tables; what a single shift table has not is the character without ESCAPE (section 6.2.1.1).

    A table that the handset has not is the standard's own.
    """
    plain = locking(locked) or dict(enumerate(_DEFAULT))
    after = single(shifted) or _AFTER_ESCAPE
    out = []
    at = 0
    while at < len(septets):
        septet = septets[at]
        at += 1
        if septet == _ESCAPE:
            septet = septets[at] if at < len(septets) else -1
            at += 1
            out.append(after.get(septet) or plain.get(septet, "\ufffd"))
        else:
            out.append(plain.get(septet, "\ufffd"))
    return "".join(out)


def written(text: str, reference: int) -> tuple[int, int, list[bytes]]:
    """`(esm_class, data_coding, short messages)` of a text that a customer writes; long ones with an 8-bit reference."""
    octets = bytearray()
    after = {c: n for n, c in _AFTER_ESCAPE.items()}
    cuts = [0]  # places where a part may begin
    for c in text:
        place = _DEFAULT.find(c) if c != "\0" else -1
        if place >= 0:
            octets.append(place)
        elif c in after:
            octets += bytes((_ESCAPE, after[c]))
        else:
            break
        cuts.append(len(octets))
    else:
        return _cut(bytes(octets), cuts, 0, 160, 153, reference)
    whole = text.encode("utf-16-be", "replace")
    cuts = [0]
    for c in text:
        cuts.append(cuts[-1] + (4 if ord(c) > 0xFFFF else 2))
    return _cut(whole, cuts, 8, 140, 134, reference)


def _cut(
    whole: bytes, cuts: list[int], coding: int, one: int, each: int, reference: int
) -> tuple[int, int, list[bytes]]:
    if len(whole) <= one:
        return 0, coding, [whole]
    bodies = []
    begin = before = 0
    for cut in cuts:
        if cut - begin > each:
            bodies.append(whole[begin:before])
            begin = before
        before = cut
    bodies.append(whole[begin:])
    heads = [bytes((5, 0, 3, reference & 0xFF, len(bodies), n)) for n in range(1, len(bodies) + 1)]
    return _UDHI, coding, [head + body for head, body in zip(heads, bodies, strict=True)]

"""What numbers and bits of a PDU mean, in words for people. Sections are those of SMPP 3.4 Issue 1.2; nothing here raises."""

from __future__ import annotations

from typing import Final

#: Section 5.2.5.
TONS: Final = {
    **{0: "unknown", 1: "international", 2: "national", 3: "network's own, short code"},
    **{4: "subscriber", 5: "alphanumeric", 6: "abbreviated"},
}
#: Section 5.2.6.
NPIS: Final = {
    **{0: "unknown", 1: "E.164", 3: "X.121", 4: "telex", 6: "E.212", 8: "national", 9: "private"},
    **{10: "ERMES", 14: "internet", 18: "WAP"},
}
#: Section 5.2.19.
CODINGS: Final = {
    **{0: "the operator's default alphabet", 1: "IA5 (ASCII)", 2: "octets", 3: "Latin-1", 4: "octets", 5: "JIS"},
    **{6: "Cyrillic", 7: "Hebrew", 8: "UCS-2", 9: "pictograms", 10: "ISO-2022-JP", 13: "kanji", 14: "KS C 5601"},
}
#: Section 5.2.28.
MESSAGE_STATES: Final = {
    **{1: "ENROUTE", 2: "DELIVERED", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIVERABLE"},
    **{6: "ACCEPTED", 7: "UNKNOWN", 8: "REJECTED", 9: "SKIPPED (SMPP 5.0)"},
}
_MODES: Final = ("default mode", "datagram", "transaction (forward)", "store and forward")
_TYPES: Final = {
    0x04: "delivery receipt",
    0x08: "acknowledged by the handset",
    0x10: "acknowledged by the person",
    0x18: "conversation abort",
    0x20: "intermediate receipt",
}
_GSM_ALPHABETS: Final = ("GSM alphabet", "octets", "UCS-2", "reserved alphabet")
_NETWORKS: Final = {1: "ANSI-136", 2: "IS-95", 3: "GSM", 4: "reserved"}
#: 3GPP TS 23.040 section 9.2.3.24.
_ELEMENTS: Final = {
    **{0x00: "concatenation", 0x04: "ports, 8 bit", 0x05: "ports, 16 bit", 0x08: "concatenation, 16 bit"},
    **{0x24: "single shift table", 0x25: "locking shift table"},
}


def esm_class(value: int) -> str:
    """Section 5.2.12."""
    words = [_MODES[value & 0x03]]
    if value & 0x3C:
        words.append(_TYPES.get(value & 0x3C, "reserved type"))
    if value & 0x40:
        words.append("user data header")
    if value & 0x80:
        words.append("reply path")
    return ", ".join(words)


def registered_delivery(value: int) -> str:
    """Section 5.2.17."""
    words = [("no receipt", "receipt when final", "receipt when failed", "reserved")[value & 0x03]]
    if value & 0x0C:
        words.append(("", "handset acknowledges", "person acknowledges", "both acknowledge")[value >> 2 & 0x03])
    if value & 0x10:
        words.append("intermediate receipts")
    return ", ".join(words)


def data_coding(value: int) -> str:
    """Section 5.2.19, and 3GPP TS 23.038 section 4 above 0x0F."""
    if value in CODINGS:
        return CODINGS[value]
    if 0x10 <= value <= 0x1F:
        return f"{_GSM_ALPHABETS[value >> 2 & 0x03]}, message class {value & 0x03}" + (
            " (flash)" if not value & 3 else ""
        )
    if 0xC0 <= value <= 0xEF:
        return "message waiting"
    if value >= 0xF0:
        return f"{'octets' if value & 4 else 'GSM alphabet'}, message class {value & 3}" + (
            " (flash)" if not value & 3 else ""
        )
    return "reserved"


def is_ucs2(coding: int) -> bool:
    """Whether texts with this data_coding are pairs of octets."""
    return coding == 8 or (0x10 <= coding <= 0x1F and coding & 0x0C == 0x08)


def time(raw: bytes) -> str:
    """Section 7.1.1: `YYMMDDhhmmsstnnp`."""
    text = str(raw, "latin-1")
    if not text:
        return "none: the operator's default"
    if len(text) != 16 or not text[:15].isdigit() or not text.isascii() or text[15] not in "+-R":
        return "not a time"
    year, month, day, hour, minute, second = (int(text[k : k + 2]) for k in range(0, 12, 2))
    if text[15] == "R":
        parts = zip((year, month, day, hour, minute, second), ("years", "months", "d", "h", "min", "s"), strict=True)
        return "after " + (" ".join(f"{n} {unit}" for n, unit in parts if n) or "0 s")
    quarters = int(text[13:15])
    zone = f"{text[15]}{quarters // 4:02}:{quarters % 4 * 15:02}"
    return f"20{year:02}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} {zone}"


def network_error(value: bytes) -> str:
    """Section 5.3.2.31: the network's type, then its code."""
    if len(value) != 3:
        return "not a network error code"
    return f"{_NETWORKS.get(value[0], f'network {value[0]}')}, code {value[1] << 8 | value[2]}"


def header_elements(header: bytes) -> tuple[list[str], bool]:
    """A user data header without its length octet, an element a line (3GPP TS 23.040 section 9.2.3.24).

    And whether every element is one we know: else it may be no header at all but words of a message.
    """
    out: list[str] = []
    at, known = 0, True
    while at < len(header):
        if at + 2 > len(header) or at + 2 + header[at + 1] > len(header):
            return [*out, f"ends within an element: {header[at:].hex()}"], False
        element, value = header[at], header[at + 2 : at + 2 + header[at + 1]]
        name = _ELEMENTS.get(element, f"element 0x{element:02X}")
        if element == 0x00 and len(value) == 3:
            name += f": reference {value[0]}, part {value[2]} of {value[1]}"
        elif element == 0x08 and len(value) == 4:
            name += f": reference {value[0] << 8 | value[1]}, part {value[3]} of {value[2]}"
        elif element == 0x05 and len(value) == 4:
            name += f": to {value[0] << 8 | value[1]}, from {value[2] << 8 | value[3]}"
        elif element in (0x24, 0x25) and len(value) == 1:
            name += f": language {value[0]}"
        else:
            name += f": {value.hex() or 'empty'}"
            known = False
        out.append(name)
        at += 2 + len(value)
    return out, known

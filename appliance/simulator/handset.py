"""What a handset makes of the segments it gets: joined and decoded with tables of its own, so that a mistake of the sender shows."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

import msgspec

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

UDHI: Final = 0x40
SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER = 0x020C, 0x020E, 0x020F


class Part(NamedTuple):
    """Which part of which long message a segment is."""

    bits: int  # of the reference: 8, 16, or 0 when SAR parameters say it
    reference: int
    total: int
    number: int

    def __str__(self) -> str:
        return f"{self.reference}/{self.total}/{self.number}"


class Segment(msgspec.Struct, gc=False):
    """One submit as it was heard; addresses are as a handset shows them."""

    to: str
    sender: str
    esm_class: int
    data_coding: int
    short_message: bytes
    tlvs: dict[int, bytes]
    at_ms: int


class Received(NamedTuple):
    """A whole message on the screen."""

    to: str
    sender: str
    text: str
    at_ms: int


def shown(address: str, ton: int) -> str:
    """An address as a handset shows it: an international number with its plus."""
    return f"+{address}" if ton == 1 and address[:1] != "+" else address


def is_unicode(data_coding: int) -> bool:
    """3GPP TS 23.038 section 4: UCS-2 in the general groups; group 1110 is message waiting in UCS-2."""
    return data_coding & 0x8C == 0x08 or data_coding & 0xF0 == 0xE0


def is_gsm(data_coding: int) -> bool:
    """Whether an SMSC whose default is the GSM alphabet takes the octets as unpacked septets."""
    return data_coding == 0 or data_coding & 0xFC in (0x10, 0xF0)


def fits(esm_class: int, data_coding: int, short_message: bytes) -> bool:
    """Whether it goes into one segment's 140 octets, septets packed (3GPP TS 23.040 section 9.2.3.24.1)."""
    header = short_message[0] + 1 if esm_class & UDHI and short_message else 0
    if is_gsm(data_coding):
        return len(short_message) - header <= (1120 - 8 * header) // 7
    return len(short_message) <= 140


def unfold(segment: Segment) -> tuple[Part | None, bytes]:
    """The part that user data header or SAR parameters name, and the octets without the header."""
    body = segment.short_message
    part = None
    if segment.esm_class & UDHI and body:
        header, body = body[1 : 1 + body[0]], body[1 + body[0] :]
        part = _part_of(header)
    elif SAR_REFERENCE in segment.tlvs:
        values = [int.from_bytes(segment.tlvs.get(tag, b""), "big") for tag in (SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER)]
        part = Part(0, *values)
    if part is not None and (part.total < 2 or not 1 <= part.number <= part.total):
        part = None
    return part, body


def _part_of(header: bytes) -> Part | None:
    at = 0
    while at + 2 <= len(header):
        kind, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if kind == 0x00 and len(value) == length == 3:
            return Part(8, value[0], value[1], value[2])
        if kind == 0x08 and len(value) == length == 4:
            return Part(16, value[0] << 8 | value[1], value[2], value[3])
        at += 2 + length
    return None


def decoded(data_coding: int, body: bytes) -> str:
    """The text a person reads; what cannot be read is U+FFFD, binary is in hexadecimal."""
    if is_unicode(data_coding):
        return body.decode("utf-16-be", "replace")
    if is_gsm(data_coding):
        return _gsm(body)
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


def joined(segments: list[Segment]) -> list[Received]:
    """Whole messages in the order in which they became whole; what still lacks a part is left out."""
    out = []
    waiting: dict[tuple[str, str, int, int, int], dict[int, tuple[bytes, int]]] = {}
    for segment in segments:
        part, body = unfold(segment)
        if part is None:
            out.append(Received(segment.to, segment.sender, decoded(segment.data_coding, body), segment.at_ms))
            continue
        key = (segment.to, segment.sender, part.bits, part.reference, part.total)
        parts = waiting.setdefault(key, {})
        parts[part.number] = (body, segment.data_coding)
        if len(parts) == part.total:
            del waiting[key]
            # Each part is decoded by itself, as a handset does: half a character at a cut shows as U+FFFD.
            text = "".join(decoded(parts[n][1], parts[n][0]) for n in sorted(parts))
            out.append(Received(segment.to, segment.sender, text, segment.at_ms))
    return out


class Inbox:
    """The last `keep` segments of all handsets, found by number. Decoding waits until somebody looks."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._all: deque[Segment] = deque()
        self._of: dict[str, list[Segment]] = {}  # mostly one or two: a list is a tenth of a deque

    def __len__(self) -> int:
        return len(self._all)

    def put(self, segment: Segment) -> None:
        self._all.append(segment)
        key = segment.to.removeprefix("+")
        of = self._of.get(key)
        if of is None:
            self._of[key] = [segment]
        else:
            of.append(segment)
        if len(self._all) > self._keep:
            oldest = self._all.popleft().to.removeprefix("+")
            of = self._of[oldest]
            del of[0]
            if not of:
                del self._of[oldest]

    def messages(self, to: str | None, limit: int) -> list[Received]:
        """The newest `limit` whole messages, oldest of them first; `to` with or without its plus."""
        segments = self._all if to is None else self._of.get(to.removeprefix("+"), ())
        return joined(list(segments))[-limit:]

    def clear(self) -> None:
        self._all.clear()
        self._of.clear()


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
    return UDHI, coding, [head + body for head, body in zip(heads, bodies, strict=True)]

"""What a handset makes of the segments it gets: joined by user data header or SAR parameters, decoded when somebody looks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from appliance.smpp import parse_submit, spec

from .alphabet import decoded

UDHI: Final = 0x40
SINGLE, LOCKING = 0x24, 0x25  # information elements that name national language tables
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
    alphabet: str = "gsm"  # what the operator's default alphabet is, a word of `alphabet.ALPHABETS`


class Record(msgspec.Struct, gc=False):
    """A plain submit as `plain.py` keeps it: unread until somebody looks. `account`: whom its receipt is owed to."""

    frame: bytes
    number: int  # its message id
    at_ms: int
    due_s: float  # when it is at the handset
    account: Any
    octets: bytes  # the receipt's deliver_sm from its header's end on; empty: none is wanted
    sent_s: float = 0.0
    state: int = spec.STATE_DELIVERED
    esm_class: int = spec.ESM_RECEIPT  # the receipt's

    def segment(self) -> Segment:
        heard = parse_submit(self.frame)
        to, sender = shown(heard.dest, heard.dest_ton), shown(heard.source, heard.source_ton)
        return Segment(to, sender, heard.esm_class, heard.data_coding, heard.short_message, heard.tlvs, self.at_ms)


class Received(NamedTuple):
    """A whole message on the screen."""

    to: str
    sender: str
    text: str
    at_ms: int


def shown(address: str, ton: int) -> str:
    """An address as a handset shows it: an international number with its plus."""
    return f"+{address}" if ton == 1 and address[:1] != "+" else address


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


def _elements(header: bytes) -> dict[int, bytes]:
    """The information elements of a header, the last of each kind (3GPP TS 23.040 section 9.2.3.24)."""
    out = {}
    at = 0
    while at + 2 <= len(header):
        kind, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if len(value) == length:
            out[kind] = value
        at += 2 + length
    return out


def _part_of(header: bytes) -> Part | None:
    elements = _elements(header)
    value = elements.get(0x00, b"")
    if len(value) == 3:
        return Part(8, value[0], value[1], value[2])
    value = elements.get(0x08, b"")
    if len(value) == 4:
        return Part(16, value[0] << 8 | value[1], value[2], value[3])
    return None


def _text(segment: Segment, body: bytes) -> str:
    header = len(segment.short_message) - len(body)
    elements = _elements(segment.short_message[1:header]) if header else {}
    locking, single = (int.from_bytes(elements.get(kind, b"")[:1], "big") for kind in (LOCKING, SINGLE))
    return decoded(segment.data_coding, body, segment.alphabet, header, (locking, single))


def joined(segments: list[Segment]) -> list[Received]:
    """Whole messages in the order in which they became whole; what still lacks a part is left out."""
    out = []
    waiting: dict[tuple[str, str, int, int, int], dict[int, str]] = {}
    for segment in segments:
        part, body = unfold(segment)
        if part is None:
            out.append(Received(segment.to, segment.sender, _text(segment, body), segment.at_ms))
            continue
        key = (segment.to, segment.sender, part.bits, part.reference, part.total)
        parts = waiting.setdefault(key, {})
        # Each part is decoded by itself, as a handset does: half a character at a cut shows as U+FFFD.
        parts[part.number] = _text(segment, body)
        if len(parts) == part.total:
            del waiting[key]
            text = "".join(parts[n] for n in sorted(parts))
            out.append(Received(segment.to, segment.sender, text, segment.at_ms))
    return out


class Inbox:
    """The last `keep` segments of all handsets. Finding a number and decoding wait until somebody looks."""

    def __init__(self, keep: int) -> None:
        self._all: deque[Segment | Record] = deque(maxlen=keep)
        self.put = self._all.append

    def __len__(self) -> int:
        return len(self._all)

    def messages(self, to: str | None, limit: int) -> list[Received]:
        """The newest `limit` whole messages, oldest of them first; `to` with or without its plus."""
        kept: Iterable[Segment | Record] = list(self._all)
        if to is not None:
            number = to.removeprefix("+")
            octets = number.encode("latin-1", "replace")
            kept = [
                k for k in kept if (octets in k.frame if isinstance(k, Record) else k.to.removeprefix("+") == number)
            ]
        segments = [k.segment() if isinstance(k, Record) else k for k in kept]
        if to is not None:
            segments = [s for s in segments if s.to.removeprefix("+") == number]
        return joined(segments)[-limit:]

    def take_back(self, kept: Segment | Record) -> None:
        """It is cancelled before the handset shows it."""
        if kept in self._all:
            self._all.remove(kept)

    def clear(self) -> None:
        self._all.clear()

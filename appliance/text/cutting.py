"""HOT: an encoded text as the parts that leave over one link: its alphabet, its room, its way of joining long messages.

A link that cuts as the default does (`plain`) sends exactly the parts that were told when the message was accepted.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from appliance import limits
from appliance.errors import Error
from appliance.message import GSM7, UCS2
from appliance.settings import Link

from .codec import decode, encode
from .parts import cut_at, udh
from .septets import fill_bits, pack_septets
from .shifting import shifted

_SHORT_OCTETS: Final = 140  # 3GPP TS 23.040 section 9.2.3.24: what one short message carries


class Shape(NamedTuple):
    """What of a link's settings says how a message is cut: links of one shape cut it alike."""

    alphabet: str = "gsm7"
    long_message: str = "udh"
    reference_bits: int = 16
    segment_octets: int = _SHORT_OCTETS
    always_long: bool = False
    shift_tables: tuple[str, ...] = ()


class Cut(NamedTuple):
    """A message as it leaves: the encoding it has on this link, how its parts are joined, the parts."""

    encoding: int  # GSM7: whatever the operator's default alphabet is; or UCS2
    how: str  # "" for a short message; else "udh" (each part opens with a header), "sar" or "payload"
    octets: list[bytes]
    tables: tuple[str, ...] = ()  # language tags of the national tables that its parts need: locking, single


def shape_of(link: Link) -> Shape:
    """What of a link's settings its Cutter needs."""
    return Shape(
        link.alphabet,
        link.long_message,
        link.reference_bits,
        link.segment_octets,
        link.always_long,
        link.shift_tables,
    )


class Cutter:
    """Cuts messages for links of one shape. `plain`: into as many parts as `segments_of` told."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.plain = (
            shape.alphabet != "latin1"
            and shape.long_message != "payload"
            and shape.segment_octets == _SHORT_OCTETS
            and not shape.always_long
            and not shape.shift_tables
        )
        self._one = {encoding: self._room(encoding, 0) for encoding in (GSM7, UCS2)}
        self._recoded = shape.alphabet != "gsm7"

    def cut(self, encoding: int, payload: bytes, reference: int) -> Cut:
        """`payload` of `text.encode` as parts. `reference` is the header's, taken modulo its size.

        Never cuts an escape pair, a surrogate pair or a grapheme cluster. Nothing is replaced: what Latin-1 cannot carry
        goes as UCS-2, which may be more parts than were told; with `shift_tables` it may be fewer. More than SEGMENTS_MAX
        parts are given as they are: the caller refuses.
        """
        cut = self._cut(encoding, payload, reference)
        if self.shape.shift_tables and len(cut.octets) > 1:
            return self._shifted(decode(encoding, payload), reference, len(cut.octets)) or cut
        return cut

    def _shifted(self, text: str, reference: int, fewer_than: int) -> Cut | None:
        """The text by national language tables, where that is fewer parts."""
        shape = self.shape
        septets = (8 * shape.segment_octets) // 7
        found = shifted(text, shape.shift_tables, septets, fewer_than, shape.reference_bits, shape.always_long)
        if found is None or len(found[2]) > limits.SEGMENTS_MAX:
            return None
        way, bits, parts = found
        elements = way.elements()
        octets = []
        for n, part in enumerate(parts, 1):
            joining = udh(reference, bits, len(parts), n)[1:] if bits else b""
            header = bytes((len(joining) + len(elements),)) + joining + elements
            octets.append(header + self._coded(GSM7, part, fill_bits(len(header))))
        return Cut(GSM7, "udh", octets, (way.locking, way.single))

    def _cut(self, encoding: int, payload: bytes, reference: int) -> Cut:
        """The same without national language tables."""
        shape = self.shape
        if shape.alphabet == "latin1" and encoding == GSM7:
            text = decode(GSM7, payload)
            try:
                text.encode("latin-1")
            except UnicodeEncodeError:
                encoding, payload = UCS2, text.encode("utf-16-be")
        if len(payload) <= self._one[encoding] and not shape.always_long:
            return Cut(encoding, "", [self._coded(encoding, payload, 0)])
        if shape.long_message == "payload":
            return Cut(encoding, "payload", [self._coded(encoding, payload, 0)])
        bits = self._bits(encoding, payload)
        parts = cut_at(encoding, payload, self._room(encoding, bits))
        total = len(parts)
        if shape.long_message == "sar" or total > limits.SEGMENTS_MAX:
            return Cut(encoding, "sar", [self._coded(encoding, part, 0) for part in parts])
        fill = fill_bits(5 + bits // 8)
        return Cut(
            encoding,
            "udh",
            [udh(reference, bits, total, n) + self._coded(encoding, part, fill) for n, part in enumerate(parts, 1)],
        )

    def _room(self, encoding: int, bits: int) -> int:
        """Octets of `payload` that fit one part with a reference of so many bits; 0: no header."""
        header = 5 + bits // 8 if bits else 0
        if encoding == UCS2:
            return (self.shape.segment_octets - header) & ~1
        return (8 * self.shape.segment_octets) // 7 - (8 * header + 6) // 7

    def _bits(self, encoding: int, payload: bytes) -> int:
        """8 or 16: the wider one unless it costs a part. The sar_ parameters become a header at the operator's."""
        if self.shape.reference_bits == 8:
            return 8
        wide = len(cut_at(encoding, payload, self._room(encoding, 16)))
        return 16 if wide == len(cut_at(encoding, payload, self._room(encoding, 8))) else 8

    def _coded(self, encoding: int, part: bytes, fill: int) -> bytes:
        """The part in the link's alphabet."""
        if encoding == UCS2 or not self._recoded:
            return part
        if self.shape.alphabet == "latin1":
            return decode(GSM7, part).encode("latin-1")
        return pack_septets(part, fill)


def sender_octets(name: str, charset: str) -> bytes:
    """An alphanumeric sender in a link's `sender_charset`. Raises ValueError for what the charset cannot carry.

    In GSM 03.38 that includes "@": its octet is 0, which ends the address, so that BANK@HOME would arrive as BANK.
    """
    if charset != "gsm7":
        return name.encode("latin-1" if charset == "latin1" else "ascii")
    if "@" in name:
        raise ValueError("@ is octet 0 in GSM 03.38, which ends an address")
    try:
        encoding, octets, _ = encode(name)
    except Error as e:
        raise ValueError(e.message) from None
    if encoding != GSM7:
        raise ValueError("a character is not in GSM 03.38")
    return octets

"""Customers' long messages put together: parts in any order, doubled, of many conversations at once, or missing. Pure.

3GPP TS 23.040 section 9.2.3.24.1 (8-bit reference) and .8 (16-bit), SMPP 3.4 sections 5.3.2.22 to .24 (SAR parameters).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from appliance.errors import Error
from appliance.smpp import spec
from appliance.text import GSM7, decode, fill_bits, unpack_septets

Where = tuple[int, int]  # day, number of the row
ALPHABETS: Final[dict[int, str]] = {
    1: "latin1",
    3: "latin1",
    8: "ucs2",
}  # by data_coding; 0 and message classes: the link's
DEFAULT: Final = frozenset({0, 0x10, 0x11, 0x12, 0x13, 0xF0, 0xF1, 0xF2, 0xF3})
GAP: Final = "[…]"  # stands in a text where a part did not come


class Piece(NamedTuple):
    """One deliver_sm of a customer: where its row is, what it says it belongs to, its octets without a header."""

    where: Where
    id: bytes
    at_ms: int
    link: str
    subject: bytes
    number: str
    recipient: str
    alphabet: str  # "" for what is no text
    octets: bytes
    part: tuple[str, int, int, int] | None = None  # kind of reference, reference, total, number from 1


class Whole(NamedTuple):
    """A customer's message. `text` None: not a text. `missing`: numbers of parts that did not come in time."""

    first: Piece
    wheres: tuple[Where, ...]
    text: str | None
    total: int
    missing: tuple[int, ...]


class _Conversation:
    def __init__(self, first: Piece, since_ms: int) -> None:
        self.first = first
        self.since_ms = since_ms
        self.parts: dict[int, Piece] = {}
        self.wheres: list[Where] = []


class _Done(NamedTuple):
    """A message that is over: when its last part came by the box's clock, its parts, and since when that is known here."""

    at_ms: int
    octets: frozenset[bytes]
    since_ms: int


class Joiner:
    """Parts that wait for others of their message, by customer, recipient, link and reference.

    `now_ms` is of a clock that nobody sets, and begins with the process: neither a clock that was wrong nor an outage of the
    box ends the wait for parts that the operator still has.
    """

    def __init__(self, wait_ms: int) -> None:
        self.wait_ms = wait_ms
        self._open: dict[tuple[Any, ...], _Conversation] = {}
        self._done: dict[tuple[Any, ...], _Done] = {}

    def take(self, piece: Piece, now_ms: int) -> list[Whole]:
        """What is whole by this piece: itself, the message it ends, or one that its reference is used for again."""
        if piece.part is None:
            return [Whole(piece, (piece.where,), text_of([piece]), 1, ())]
        _, _, total, number = piece.part
        key = self._key(piece, piece.part)
        out: list[Whole] = []
        conversation = self._open.get(key)
        if conversation is None:
            done = self._done.get(key)
            if done is not None and piece.at_ms < done.at_ms + self.wait_ms and piece.octets in done.octets:
                return [Whole(piece, (piece.where,), None, 0, ())]  # once more what was joined already
        elif number in conversation.parts and conversation.parts[number].octets != piece.octets:
            out.append(self._end(key))
            conversation = None
        if conversation is None:
            conversation = self._open[key] = _Conversation(piece, now_ms)
        conversation.parts.setdefault(number, piece)
        conversation.wheres.append(piece.where)
        if len(conversation.parts) == total:
            self._over(key, piece.at_ms, now_ms)
            out.append(self._end(key))
        return out

    def remember(self, piece: Piece, now_ms: int) -> None:
        """One that was joined before a restart: when it comes once more it is known."""
        if piece.part is not None:
            key = self._key(piece, piece.part)
            before = self._done.get(key, _Done(0, frozenset(), 0))
            self._done[key] = _Done(max(before.at_ms, piece.at_ms), before.octets | {piece.octets}, now_ms)

    @staticmethod
    def _key(piece: Piece, part: tuple[str, int, int, int]) -> tuple[Any, ...]:
        kind, reference, total, _ = part
        return (piece.link, piece.subject, piece.recipient, kind, reference, total)

    def overdue(self, now_ms: int) -> list[Whole]:
        """Messages whose missing parts are waited for no longer."""
        late = [key for key, c in self._open.items() if c.since_ms + self.wait_ms <= now_ms]
        if late or len(self._done) > 1_000:
            self._done = {key: done for key, done in self._done.items() if done.since_ms + self.wait_ms > now_ms}
        for key in late:
            last_ms = max(piece.at_ms for piece in self._open[key].parts.values())
            self._over(key, last_ms + self.wait_ms, now_ms)
        return [self._end(key) for key in late]

    def _over(self, key: tuple[Any, ...], at_ms: int, now_ms: int) -> None:
        self._done[key] = _Done(at_ms, frozenset(p.octets for p in self._open[key].parts.values()), now_ms)

    def forget(self, subject: bytes) -> None:
        """Keeps nothing of what a customer wrote, whole or not."""
        self._open = {key: c for key, c in self._open.items() if c.first.subject != subject}
        self._done = {key: done for key, done in self._done.items() if key[1] != subject}

    def firsts(self) -> list[bytes]:
        """Id of the first part of each open conversation."""
        return [c.first.id for c in self._open.values()]

    def drop(self, first_id: bytes) -> list[Where]:
        """Forgets a conversation; where its parts are."""
        for key, conversation in list(self._open.items()):
            if conversation.first.id == first_id:
                del self._open[key]
                return conversation.wheres
        return []

    def __len__(self) -> int:
        return len(self._open)

    def _end(self, key: tuple[Any, ...]) -> Whole:
        conversation = self._open.pop(key)
        total = key[-1]
        missing = tuple(n for n in range(1, total + 1) if n not in conversation.parts)
        text = text_of([conversation.parts.get(n) for n in range(1, total + 1)])
        return Whole(conversation.first, tuple(conversation.wheres), text, total, missing)


def piece_of(where: Where, row: tuple[Any, ...], number: str, content: dict[str, Any], alphabet: str) -> Piece:
    """A row of `appliance.store.letters`, opened. `alphabet` is what data_coding 0 means on its link."""
    _, message_id, link, at_ms, _, subject, _, recipient, _ = row
    tlvs = {int(tag): value for tag, value in content["tlvs"].items()}
    octets: bytes = content["short_message"] or tlvs.get(spec.TLV_MESSAGE_PAYLOAD, b"")
    coding = int(content["data_coding"])
    part, end = None, 0
    if content["esm_class"] & spec.ESM_UDHI:
        part, end = _header(octets)
    elif len(tlvs.get(spec.TLV_SAR_MSG_REF_NUM, b"")) == 2:
        total = int.from_bytes(tlvs.get(spec.TLV_SAR_TOTAL_SEGMENTS, b""), "big")
        n = int.from_bytes(tlvs.get(spec.TLV_SAR_SEGMENT_SEQNUM, b""), "big")
        reference = int.from_bytes(tlvs[spec.TLV_SAR_MSG_REF_NUM], "big")
        part = ("sar", reference, total, n) if 1 <= n <= total and total > 1 else None
    text = octets[end:]
    meant = alphabet if coding in DEFAULT else ALPHABETS.get(coding, "")
    if meant == "gsm7_packed":
        meant, text = "gsm7", unpack_septets(text, fill_bits(end))
    return Piece(where, message_id, at_ms, link, subject, number, recipient, meant, text, part)


def _header(octets: bytes) -> tuple[tuple[str, int, int, int] | None, int]:
    """The concatenation in a user data header, if it has one, and where the text begins."""
    end = 1 + octets[0] if octets else 0
    if end > len(octets):
        return None, 0
    at, found = 1, None
    while at + 2 <= end:
        element, length = octets[at], octets[at + 1]
        value = octets[at + 2 : at + 2 + length]
        at += 2 + length
        if element == 0x00 and len(value) == 3 == length:
            found = ("8", value[0], value[1], value[2])
        elif element == 0x08 and len(value) == 4 == length:
            found = ("16", value[0] << 8 | value[1], value[2], value[3])
    if found is not None and not 1 <= found[3] <= found[2]:
        found = None
    return (found if found and found[2] > 1 else None), end


def text_of(pieces: list[Piece | None]) -> str | None:
    """The text of the parts, a gap where one is missing; None when one of them is no text."""
    runs: list[tuple[str, bytes] | None] = []
    for piece in pieces:
        last = runs[-1] if runs else None
        if piece is None:
            runs.append(None)
        elif last is not None and last[0] == piece.alphabet:
            runs[-1] = (last[0], last[1] + piece.octets)  # a character may begin in one part and end in the next
        else:
            runs.append((piece.alphabet, piece.octets))
    out = []
    for run in runs:
        text = GAP if run is None else _decoded(*run)
        if text is None:
            return None
        out.append(text)
    return "".join(out)


def _decoded(alphabet: str, octets: bytes) -> str | None:
    if alphabet == "gsm7":
        try:
            return decode(GSM7, octets)
        except Error:
            return octets.decode("latin-1")  # whatever it is, nothing of it is lost
    if alphabet == "ucs2":
        return octets.decode("utf-16-be", "replace")
    return octets.decode("latin-1") if alphabet else None

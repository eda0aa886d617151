"""What a letter looks like on the wire: deliver_sm bodies of receipts and customers' messages, from what was sealed in it. Pure.

SMPP 3.4 section 4.6.1 (deliver_sm), Appendix B (receipt text), sections 5.3.2.12, 5.3.2.35 and 5.3.2.31 (the optional parameters of
a receipt). A receipt has the message's addresses the other way round, as the bank's system wrote them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from appliance.access import DoorAccount
from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.message import (
    CANCELLED,
    DELIVERED,
    EXPIRED,
    FAILED,
    GSM7,
    REJECTED,
    STATUSES,
    UNDELIVERED,
    Content,
    DoorNote,
    id_ms,
    id_text,
)
from appliance.smpp import format_receipt, pack_tlvs, receipt_tlvs, source_form, spec
from appliance.text import decode, encode, fill_bits, unpack_septets

from .book import Letter


class Stat(NamedTuple):
    """How a final status is written in a receipt; `error` when the operator gave no number."""

    word: str
    state: int
    error: int


STATS: Final[dict[int, Stat]] = {
    DELIVERED: Stat("DELIVRD", spec.STATE_DELIVERED, 0),
    UNDELIVERED: Stat("UNDELIV", spec.STATE_UNDELIVERABLE, 1),
    FAILED: Stat("UNDELIV", spec.STATE_UNDELIVERABLE, 2),
    EXPIRED: Stat("EXPIRED", spec.STATE_EXPIRED, 3),
    REJECTED: Stat("REJECTD", spec.STATE_REJECTED, 4),
    CANCELLED: Stat("DELETED", spec.STATE_DELETED, 5),
}
BODY_CHARACTERS: Final = 20  # Appendix B
SHORT_MESSAGE_OCTETS_MAX: Final = 254  # section 5.2.21
ESM_RECEIPT: Final = 0x04
CODING_UCS2: Final = 8
#: data_coding of a customer's message -> what its octets are; message classes of 3GPP TS 23.038 section 4 are the default alphabet.
CODINGS: Final[dict[int, str]] = {
    0: "default",
    1: "latin1",
    3: "latin1",
    **dict.fromkeys((0x10, 0x11, 0x12, 0x13, 0xF0, 0xF1, 0xF2, 0xF3), "default"),
}
#: Optional parameters of a customer's message that its parts and ports are known by.
KEPT_TLVS: Final = (0x020A, 0x020B, spec.TLV_SAR_MSG_REF_NUM, spec.TLV_SAR_TOTAL_SEGMENTS, spec.TLV_SAR_SEGMENT_SEQNUM)
_NUMBER: Final = re.compile(r"(?<![0-9A-Za-z])[0-9]{1,5}(?![0-9A-Za-z])")

Address = tuple[int, int, str]


def receipts(letter: Letter, content: Content, account: DoorAccount) -> list[bytes]:
    """The deliver_sm bodies of a receipt: one for each message id that the bank's system was given and wants told."""
    note = content.door or DoorNote((0, 0, ""), (0, 0, ""), [])
    stat = STATS[letter.status]
    heard = network_error(letter.error)
    said = stat.error if heard is None else heard
    dates = (_date(id_ms(letter.id)), _date(letter.at_ms))
    body = _first_words(content, account.alphabet) if account.receipt_body else b""
    out = []
    for message_id in note.ids or [id_text(letter.id)]:
        text = b""
        if account.receipt_text:
            text = format_receipt(message_id, stat.word, *dates, f"{min(said, 999):03d}") + body
        out.append(
            _body(
                note.dest,
                note.source,
                ESM_RECEIPT,
                0,
                text,
                receipt_tlvs(message_id, stat.state, heard),
                note.service_type,
            )
        )
    return out


def network_error(error: str) -> int | None:
    """The operator's number in what a message failed of ("UNDELIV 034" is 34), None without one."""
    found = _NUMBER.search(error) if error else None
    return min(int(found[0]), 0xFFFF) if found else None


def inbound(letter: Letter, number: str, content: dict[str, Any], account: DoorAccount, alphabet: str) -> bytes:
    """The deliver_sm body of a customer's message from `number`, in the account's alphabet where that has all of it.

    `alphabet` is what data_coding 0 means on the link it came over. A part of a long message stays a part. The
    user_message_reference is the same at every repetition.
    """
    esm_class = int(content["esm_class"]) & spec.ESM_UDHI
    octets: bytes = content["short_message"]
    end = 1 + octets[0] if esm_class and octets else 0
    coding = int(content["data_coding"])
    text = octets[end:]
    if alphabet == "gsm7_packed":
        alphabet = "gsm7"
        if CODINGS.get(coding) == "default":
            text = unpack_septets(text, fill_bits(end))
    coding, text = recoded(coding, text, alphabet, account.alphabet)
    kept = {tag: content["tlvs"][str(tag)] for tag in KEPT_TLVS if str(tag) in content["tlvs"]}
    kept[spec.TLV_USER_MESSAGE_REFERENCE] = letter.id[-2:]
    return _body(_address(number), _address(letter.recipient), esm_class, coding, octets[:end] + text, pack_tlvs(kept))


def recoded(data_coding: int, octets: bytes, alphabet: str, wanted: str) -> tuple[int, bytes]:
    """(data_coding, octets) for an account whose default alphabet is `wanted`. What is no text goes as it came."""
    coding = CODINGS.get(data_coding)
    if coding is None:
        return data_coding, octets  # UCS-2 says what it is everywhere; binary is nobody's alphabet
    if coding == "default":
        coding = alphabet
    if coding == wanted:
        return 0, octets
    try:
        text = decode(GSM7, octets) if coding == "gsm7" else octets.decode("latin-1")
    except Error:
        return data_coding, octets
    return in_alphabet(text, wanted)


def in_alphabet(text: str, wanted: str) -> tuple[int, bytes]:
    """(data_coding, octets) in the account's alphabet, else in UCS-2."""
    if not text:
        return 0, b""
    if wanted == "gsm7":
        encoding, payload, _ = encode(text)
        return (0 if encoding == GSM7 else CODING_UCS2), payload
    try:
        return 0, text.encode("latin-1")
    except UnicodeEncodeError:
        return CODING_UCS2, text.encode("utf-16-be", "replace")


def _first_words(content: Content, alphabet: str) -> bytes:
    text = decode(content.encoding, content.payload)[:BODY_CHARACTERS]
    plain = "".join(c if in_alphabet(c, alphabet)[0] == 0 else "?" for c in text)
    return in_alphabet(plain, alphabet)[1]


def _date(at_ms: int) -> str:
    """YYMMDDhhmm in UTC."""
    return _minute(at_ms // 60_000)


@lru_cache(1_024)  # receipts of one minute come together
def _minute(minute: int) -> str:
    text = rfc3339(minute * 60_000)
    return text[2:4] + text[5:7] + text[8:10] + text[11:13] + text[14:16]


def _address(text: str) -> Address:
    """A number as operators write it, without its plus."""
    plain = text.removeprefix("+")
    if not (plain.isascii() and plain.isdigit()):
        return (*source_form(plain), plain)
    return (*source_form(text), plain)


def _body(
    source: Address,
    dest: Address,
    esm_class: int,
    data_coding: int,
    message: bytes,
    tlvs: bytes = b"",
    service_type: str = "",
) -> bytes:
    """Section 4.6.1 without the header. What does not fit short_message goes as message_payload (section 5.3.2.32)."""
    if len(message) > SHORT_MESSAGE_OCTETS_MAX:
        tlvs, message = pack_tlvs({spec.TLV_MESSAGE_PAYLOAD: message}) + tlvs, b""
    return b"%b\0%c%c%b\0%c%c%b\0%c\0\0\0\0\0\0%c\0%c%b%b" % (
        service_type.encode("latin-1", "replace"),
        *source[:2],
        source[2].encode("latin-1", "replace"),
        *dest[:2],
        dest[2].encode("latin-1", "replace"),
        esm_class,
        data_coding,
        len(message),
        message,
        tlvs,
    )


assert {STATUSES[status] for status in STATS} == {
    *("delivered", "undelivered", "failed", "expired", "rejected", "cancelled")
}

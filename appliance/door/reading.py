"""What a submission means: every field taken, or refused with the status that names it. Pure: the time is passed in.

Nothing is dropped in silence: a field that the appliance cannot honour refuses the message.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from appliance.access import DoorAccount
from appliance.limits import DOOR_PART_OCTETS_MAX, SHORT_CODE_DIGITS_MAX, VALIDITY_S_MAX, VALIDITY_S_MIN
from appliance.message import (
    CLASSES,
    GSM7,
    NOTIFY_ACCOUNT_SHIFT,
    NOTIFY_DOOR,
    NOTIFY_DOOR_FAILURES,
    UCS2,
    DoorNote,
)
from appliance.smpp import PduError, Submission, spec, validity_ms
from appliance.text import decode

from . import statuses

#: priority_flag -> class; None: the account's own.
CLASS_OF_PRIORITY: Final[tuple[str | None, ...]] = (None, "transaction", "alert", "otp")
#: registered_delivery, bits 0 and 1 -> who is told (section 5.2.17); the third value is reserved.
NOTIFY: Final[tuple[int, ...]] = (0, NOTIFY_DOOR, NOTIFY_DOOR_FAILURES)
#: data_coding -> what the octets are; 0 is as the account says. Everything else is refused.
CODINGS: Final[dict[int, str]] = {1: "ascii", 3: "latin1", 8: "ucs2"}
MODES: Final = frozenset({0, 1, 3})  # esm_class bits 0 and 1: default, datagram, store and forward; never transaction

IEI_8_BIT, IEI_16_BIT = 0x00, 0x08  # 3GPP TS 23.040 section 9.2.3.24: concatenation
TLV_NAMES: Final = (spec.TLV_SAR_MSG_REF_NUM, spec.TLV_SAR_TOTAL_SEGMENTS, spec.TLV_SAR_SEGMENT_SEQNUM)


class Part(NamedTuple):
    """Which part of which long message: `method` and `reference` as the sender chose them."""

    method: str  # udh8, udh16, sar
    reference: int
    total: int
    number: int


class Row(msgspec.Struct, gc=False):
    """A submission as `Intake` takes rows, and who is told of its statuses."""

    to: str
    text: str
    from_: str | None
    class_: str | None
    validity_s: int | None
    send_at: datetime | None
    notify: int
    door: DoorNote
    reference: None = None
    callback_url: None = None
    metadata: None = None


class Letterhead(NamedTuple):
    """What every part of a message must agree on, and what the whole is sent with."""

    to: str
    from_: str | None
    coding: str
    part: Part | None
    octets: bytes  # of this part, without its user data header


def letterhead(submission: Submission, account: DoorAccount) -> Letterhead:
    """The fields that are looked at before the text is. Raises PduError with the status of the first that is wrong."""
    s = submission
    if s.esm_class & ~spec.ESM_UDHI and (s.esm_class & 0x03 not in MODES or s.esm_class & 0xBC):
        raise _wrong(s, statuses.ESME_RINVESMCLASS, "a mode, type or reply path that is not taken")
    if s.protocol_id:
        raise _wrong(s, spec.ESME_RX_R_APPN, "a protocol_id other than 0 would be lost")
    if s.priority >= len(CLASS_OF_PRIORITY):
        raise _wrong(s, statuses.ESME_RINVPRTFLG, "priority_flag is 0 to 3")
    if s.registered & 3 == 3:
        raise _wrong(s, statuses.ESME_RINVREGDLVFLG, "registered_delivery asks for what section 5.2.17 reserves")
    if s.replace:
        raise _wrong(s, statuses.ESME_RINVREPFLAG, "replace_if_present_flag is not taken")
    if s.default_id:
        raise _wrong(s, statuses.ESME_RINVDFTMSGID, "there are no predefined messages")
    if s.tlvs and not statuses.LOST.isdisjoint(s.tlvs) and any(any(s.tlvs.get(tag, b"")) for tag in statuses.LOST):
        raise _wrong(s, statuses.ESME_ROPTPARNOTALLWD, "an optional parameter that makes it another kind of message")
    coding = account.alphabet if s.data_coding == 0 else CODINGS.get(s.data_coding)
    if coding is None:
        raise _wrong(s, statuses.ESME_RINVDCS, "data_coding is 0, 1, 3 or 8")
    part, octets = part_of(s)
    if part is not None and len(octets) > DOOR_PART_OCTETS_MAX:
        raise _wrong(s, spec.ESME_RINVMSGLEN, "a part is longer than the longest message")
    return Letterhead(destination(s), sender(s, account), coding, part, octets)


def row_of(
    submission: Submission, head: Letterhead, octets: bytes, ids: list[str], account: DoorAccount, now_ms: int
) -> Row:
    """The row of a whole message whose text is `octets`. Raises PduError."""
    s = submission
    send_at_ms = time_of(s.sequence, s.schedule, spec.ESME_RINVSCHED, now_ms)
    until_ms = time_of(s.sequence, s.validity, spec.ESME_RINVEXPIRY, now_ms)
    validity_s = None
    if until_ms is not None:
        validity_s = min((until_ms - max(send_at_ms or 0, now_ms)) // 1000, VALIDITY_S_MAX)
        if validity_s < VALIDITY_S_MIN:
            raise _wrong(s, spec.ESME_RINVEXPIRY, "the validity ends before the message could be sent")
    notify = NOTIFY[s.registered & 3]
    return Row(
        head.to,
        text_of(s.sequence, head.coding, octets),
        head.from_,
        CLASS_OF_PRIORITY[s.priority] or account.class_,
        validity_s,
        None if send_at_ms is None else datetime.fromtimestamp(send_at_ms / 1000, UTC),
        notify and notify | account.id << NOTIFY_ACCOUNT_SHIFT,
        DoorNote(s.source, s.dest, ids, s.service_type, s.data_coding),
    )


def text_of(sequence: int, coding: str, octets: bytes) -> str:
    """Raises PduError ESME_RINVDCS for octets that are not in the coding they are said to be in."""
    try:
        if coding == "gsm7":
            return decode(GSM7, octets)
        if coding == "ucs2":
            return decode(UCS2, octets)
        return octets.decode(coding)
    except Exception:  # of three decoders; what they say may quote the text
        raise PduError(statuses.ESME_RINVDCS, sequence, "the text is not in its data_coding") from None


def destination(submission: Submission) -> str:
    """The number with its plus; whether it is one is for `normalise` to say. Raises PduError."""
    ton, _, address = submission.dest
    if not address:
        raise _wrong(submission, spec.ESME_RINVDSTADR, "destination_addr is empty")
    if ton not in (spec.TON_UNKNOWN, spec.TON_INTERNATIONAL):
        raise _wrong(submission, statuses.ESME_RINVDSTTON, "dest_addr_ton is 1 (international), or 0 for the same")
    if address[0] == "+" or address[:2] == "00":
        return address
    return "+" + address


def sender(submission: Submission, account: DoorAccount) -> str | None:
    """A name, a short code, or a number with its plus; the account's own for none. Raises PduError."""
    ton, _, address = submission.source
    if not address:
        return account.sender or None
    if ton in (spec.TON_NATIONAL, spec.TON_SUBSCRIBER):
        raise _wrong(submission, statuses.ESME_RINVSRCTON, "a number as sender is international")
    if ton == spec.TON_ALPHANUMERIC or address[0] == "+" or not (address.isascii() and address.isdigit()):
        return address
    if ton == spec.TON_INTERNATIONAL or (ton == spec.TON_UNKNOWN and len(address) > SHORT_CODE_DIGITS_MAX):
        return "+" + address.removeprefix("00")
    return address


def part_of(submission: Submission) -> tuple[Part | None, bytes]:
    """Which part this is, None for a whole message, and its text without a user data header. Raises PduError."""
    s, octets = submission, submission.message
    if s.esm_class & spec.ESM_UDHI:
        return _with_header(s, octets)
    if spec.TLV_SAR_MSG_REF_NUM not in s.tlvs and spec.TLV_SAR_TOTAL_SEGMENTS not in s.tlvs:
        return None, octets
    raw = [s.tlvs.get(tag, b"") for tag in TLV_NAMES]
    if [len(value) for value in raw] != [2, 1, 1]:
        raise _wrong(s, statuses.ESME_RINVOPTPARAMVAL, "sar_ parameters come as three, of 2, 1 and 1 octets")
    return _part(s, "sar", *(int.from_bytes(value, "big") for value in raw)), octets


def _with_header(s: Submission, octets: bytes) -> tuple[Part | None, bytes]:
    """3GPP TS 23.040 section 9.2.3.24. Only concatenation is taken: other elements are not text."""
    end = 1 + octets[0] if octets else 0
    found: Part | None = None
    at, seen = 1, 0
    while at + 2 <= end <= len(octets):
        iei, length = octets[at], octets[at + 1]
        value = octets[at + 2 : at + 2 + length]
        at += 2 + length
        seen += 1
        if iei == IEI_8_BIT and length == 3:
            found = _part(s, "udh8", value[0], value[1], value[2])
        elif iei == IEI_16_BIT and length == 4:
            found = _part(s, "udh16", value[0] << 8 | value[1], value[2], value[3])
        else:
            raise _wrong(s, statuses.ESME_RINVESMCLASS, "a user data header that is not concatenation")
    if at != end or seen != 1:
        raise _wrong(s, statuses.ESME_RINVESMCLASS, "the user data header is broken")
    return found, octets[end:]


def _part(s: Submission, method: str, reference: int, total: int, number: int) -> Part | None:
    if not 1 <= number <= total:
        raise _wrong(s, statuses.ESME_RINVESMCLASS, "a part that its total does not have")
    return Part(method, reference, total, number) if total > 1 else None


def time_of(sequence: int, octets: bytes, status: int, now_ms: int) -> int | None:
    """Milliseconds since 1970; None for an empty field. Raises PduError with `status`."""
    if not octets:
        return None
    at_ms = validity_ms(octets, now_ms)
    if at_ms is None:
        raise PduError(status, sequence, "a time is YYMMDDhhmmsstnnp")
    return at_ms


def _wrong(s: Submission, status: int, message: str) -> PduError:
    return PduError(status, s.sequence, message)


assert len(CLASSES) == len(CLASS_OF_PRIORITY)

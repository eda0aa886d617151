"""HOT: a message as a bank's system hands it over: every field of submit_sm, data_sm and submit_multi, octets kept as they came.

`fast.parse_submit` reads what a simulated operator needs; the door answers for every field, so it reads them all.
"""

from __future__ import annotations

from typing import Final

import msgspec

from .codec import Pdu, PduError, parse_tlvs
from .spec import (
    DATA_SM,
    ESME_RINVCMDLEN,
    ESME_RINVDSTADR,
    ESME_RINVEXPIRY,
    ESME_RINVMSGLEN,
    ESME_RINVSCHED,
    ESME_RINVSERTYP,
    ESME_RINVSRCADR,
    SUBMIT_SM,
    TLV_MESSAGE_PAYLOAD,
    TLV_QOS_TIME_TO_LIVE,
)
from .validity import relative_validity

_NO_TLVS: Final[dict[int, bytes]] = {}
_SERVICE_OCTETS_MAX: Final = 5  # section 5.2.11
_ADDRESS_OCTETS_MAX: Final = 64  # section 4.7.1, the longest address of any PDU
_TIME_OCTETS: Final = 17  # section 7.1.1, with its NUL

Address = tuple[int, int, str]  # type of number, numbering plan, text as Latin-1


class Submission(msgspec.Struct, gc=False):
    """One message for one destination. `message` is short_message, or message_payload when that is empty."""

    command: int
    sequence: int
    service_type: str
    source: Address
    dest: Address
    esm_class: int
    protocol_id: int
    priority: int
    schedule: bytes
    validity: bytes
    registered: int
    replace: int
    data_coding: int
    default_id: int
    message: bytes
    tlvs: dict[int, bytes]


def parse_submission(frame: bytes) -> Submission:
    """A whole submit_sm (section 4.4.1). Raises PduError with the status that names the field."""
    find = frame.find
    size = len(frame)
    sequence = int.from_bytes(frame[12:16], "big")
    service_end = find(0, 16, 17 + _SERVICE_OCTETS_MAX)
    if service_end < 0:
        raise PduError(ESME_RINVSERTYP, sequence, "service_type has no end or is too long")
    source_at = service_end + 3
    source_end = find(0, source_at, source_at + _ADDRESS_OCTETS_MAX + 1)
    if source_end < 0:
        raise PduError(ESME_RINVSRCADR, sequence, "source_addr has no end or is too long")
    dest_at = source_end + 3
    dest_end = find(0, dest_at, dest_at + _ADDRESS_OCTETS_MAX + 1)
    if dest_end < 0:
        raise PduError(ESME_RINVDSTADR, sequence, "destination_addr has no end or is too long")
    schedule_at = dest_end + 4
    schedule_end = find(0, schedule_at, schedule_at + _TIME_OCTETS)
    if schedule_end < 0:
        raise PduError(ESME_RINVSCHED, sequence, "schedule_delivery_time has no end or is too long")
    validity_end = find(0, schedule_end + 1, schedule_end + 1 + _TIME_OCTETS)
    if validity_end < 0:
        raise PduError(ESME_RINVEXPIRY, sequence, "validity_period has no end or is too long")
    message_at = validity_end + 6
    if message_at > size:
        raise PduError(ESME_RINVCMDLEN, sequence, "ends before short_message")
    end = message_at + frame[message_at - 1]
    if end > size:
        raise PduError(ESME_RINVMSGLEN, sequence, "short_message ends after the PDU")
    message = frame[message_at:end]
    tlvs = _NO_TLVS
    if end < size:
        tlvs = parse_tlvs(frame, end, sequence)
        message = _whole(message, tlvs, sequence)
    return Submission(
        SUBMIT_SM,
        sequence,
        str(frame[16:service_end], "latin-1"),
        (frame[source_at - 2], frame[source_at - 1], str(frame[source_at:source_end], "latin-1")),
        (frame[dest_at - 2], frame[dest_at - 1], str(frame[dest_at:dest_end], "latin-1")),
        frame[dest_end + 1],
        frame[dest_end + 2],
        frame[dest_end + 3],
        frame[schedule_at:schedule_end],
        frame[schedule_end + 1 : validity_end],
        frame[validity_end + 1],
        frame[validity_end + 2],
        frame[validity_end + 3],
        frame[validity_end + 4],
        message,
        tlvs,
    )


def submission_of(pdu: Pdu, dest: Address | None = None) -> Submission:
    """A decoded data_sm (section 4.7.1) the same way, or a submit_multi (4.5.1) for one of its destinations."""
    if dest is None:
        dest = address_of(pdu, "dest_addr", "destination_addr")
    return Submission(
        pdu.command_id,
        pdu.sequence,
        str(_octets(pdu, "service_type"), "latin-1"),
        address_of(pdu, "source_addr", "source_addr"),
        dest,
        _number(pdu, "esm_class"),
        _number(pdu, "protocol_id"),
        _number(pdu, "priority_flag"),
        _octets(pdu, "schedule_delivery_time"),
        _octets(pdu, "validity_period") or _lifetime(pdu),
        _number(pdu, "registered_delivery"),
        _number(pdu, "replace_if_present_flag"),
        _number(pdu, "data_coding"),
        _number(pdu, "sm_default_msg_id"),
        _whole(_octets(pdu, "short_message"), pdu.tlvs, pdu.sequence, pdu.command_id == DATA_SM),
        pdu.tlvs,
    )


def _lifetime(pdu: Pdu) -> bytes:
    """Section 5.3.2.9: a data_sm says its validity as seconds in qos_time_to_live; here as a relative time."""
    octets = pdu.tlvs.get(TLV_QOS_TIME_TO_LIVE) if pdu.command_id == DATA_SM else None
    if octets is None:
        return b""
    if len(octets) != 4:
        raise PduError(ESME_RINVEXPIRY, pdu.sequence, "qos_time_to_live has four octets")
    return relative_validity(int.from_bytes(octets, "big"))


def _whole(message: bytes, tlvs: dict[int, bytes], sequence: int, payload_only: bool = False) -> bytes:
    """Section 5.3.2.32: the message is in one of two places, never in both."""
    payload = tlvs.get(TLV_MESSAGE_PAYLOAD)
    if payload is None:
        if payload_only:
            raise PduError(ESME_RINVMSGLEN, sequence, "a data_sm without message_payload")
        return message
    if message:
        raise PduError(ESME_RINVMSGLEN, sequence, "short_message and message_payload in one PDU")
    return payload


def _number(pdu: Pdu, name: str) -> int:
    value = pdu.fields.get(name, 0)
    return value if isinstance(value, int) else 0


def _octets(pdu: Pdu, name: str) -> bytes:
    value = pdu.fields.get(name, b"")
    return value if isinstance(value, bytes) else b""


def address_of(pdu: Pdu, prefix: str, name: str) -> Address:
    """The address of a decoded PDU whose fields begin with `prefix`, as `source_addr` or `dest_addr`."""
    return _number(pdu, f"{prefix}_ton"), _number(pdu, f"{prefix}_npi"), str(_octets(pdu, name), "latin-1")

"""Any PDU to octets and back, driven by the tables of `spec`; and octets to frames. `fast` is for the many a second."""

from __future__ import annotations

from struct import Struct
from typing import Final

import msgspec

from appliance.limits import PDU_OCTETS_MAX, PDU_OCTETS_MIN, SEQUENCE_MAX

from .spec import (
    BODIES,
    COMMANDS,
    DESTINATIONS,
    ESME_RINVCMDID,
    ESME_RINVCMDLEN,
    ESME_RINVDESTFLAG,
    ESME_RINVDLNAME,
    ESME_RINVDSTADR,
    ESME_RINVOPTPARSTREAM,
    FAILURES,
    INTERFACE_VERSION,
    NUMBER,
    RESPONSE,
    TEXT,
    Field,
)

LIST_NAME_OCTETS_MAX: Final = 21  # dl_name, section 4.5.1.2
ADDRESS_OCTETS_MAX: Final = 65
_TLV: Final = Struct(">HH").unpack_from  # section 3.2.4: tag, length


class PduError(Exception):
    """A PDU that cannot be taken: `status` is what to answer with, `sequence` its own (0: unreadable)."""

    def __init__(self, status: int, sequence: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.sequence = sequence
        self.message = message


class FramingError(Exception):
    """The stream makes no sense any more: nothing can be answered, close the connection."""


class Pdu(msgspec.Struct):
    """One PDU: the header, the mandatory parameters by the specification's names, the optional ones by tag."""

    command_id: int
    status: int = 0
    sequence: int = 1
    fields: dict[str, int | bytes] = {}
    tlvs: dict[int, bytes] = {}


def encode(pdu: Pdu) -> bytes:
    """The octets of `pdu`; a parameter that is not given is zero or empty. Raises PduError when one does not fit.

    A response without parameters and with a status other than ESME_ROK has no body (section 4.4.2 and its like).
    """
    sequence = pdu.sequence
    layout = BODIES.get(pdu.command_id)
    if layout is None:
        raise PduError(ESME_RINVCMDID, sequence, f"unknown command id 0x{pdu.command_id:08X}")
    if not 0 <= sequence <= SEQUENCE_MAX:
        raise PduError(ESME_RINVCMDLEN, sequence, "sequence number out of range")
    unknown = pdu.fields.keys() - {f.name for f in layout}
    if unknown:
        raise PduError(ESME_RINVCMDLEN, sequence, f"{COMMANDS[pdu.command_id]} has no {sorted(unknown)[0]}")
    out = bytearray()
    if pdu.fields or pdu.tlvs or not (pdu.status and pdu.command_id & RESPONSE):
        for f in layout:
            out += _encoded(f, pdu.fields.get(f.name, 0 if f.kind == NUMBER else b""), sequence)
    for tag, value in pdu.tlvs.items():
        if len(value) > 0xFFFF or not 0 <= tag <= 0xFFFF:
            raise PduError(ESME_RINVOPTPARSTREAM, sequence, "optional parameter out of range")
        out += tag.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value
    length = PDU_OCTETS_MIN + len(out)
    if length > PDU_OCTETS_MAX:
        raise PduError(ESME_RINVCMDLEN, sequence, "the PDU is too long")
    head = (length, pdu.command_id, pdu.status, sequence)
    return b"".join(n.to_bytes(4, "big") for n in head) + bytes(out)


def encode_answer(command: int, status: int, sequence: int, fields: dict[str, int | bytes] | None = None) -> bytes:
    """The same for a response; a sequence beyond section 5.1.4 goes back as it came: the peer knows what it meant."""
    octets = encode(Pdu(command, status, 0, fields or {}))
    return octets[:12] + sequence.to_bytes(4, "big") + octets[16:]


def bind_fields(
    system_id: str, password: str, system_type: str, version: int = INTERFACE_VERSION
) -> dict[str, int | bytes]:
    """The body of a bind (section 4.1) of an ESME that takes every address."""
    return {
        "system_id": system_id.encode("latin-1", "replace"),
        "password": password.encode("latin-1", "replace"),
        "system_type": system_type.encode("latin-1", "replace"),
        "interface_version": version,
    }


def _encoded(f: Field, value: int | bytes, sequence: int) -> bytes:
    if f.kind == NUMBER:
        if not isinstance(value, int) or not 0 <= value <= 255:
            raise PduError(f.status, sequence, f"{f.name} is not one octet")
        return bytes((value,))
    if not isinstance(value, bytes):
        raise PduError(f.status, sequence, f"{f.name} is not octets")
    if f.kind == TEXT:
        if len(value) >= f.octets or b"\0" in value:
            raise PduError(f.status, sequence, f"{f.name} is longer than {f.octets - 1} octets or holds a NUL")
        return value + b"\0"
    if f.kind in (DESTINATIONS, FAILURES):
        items = destinations(value, sequence) if f.kind == DESTINATIONS else failures(value, sequence)
        if len(items) > f.octets:
            raise PduError(f.status, sequence, f"more than {f.octets} {f.name}")
        return bytes((len(items),)) + value
    if len(value) > f.octets:
        raise PduError(f.status, sequence, f"{f.name} is longer than {f.octets} octets")
    return bytes((len(value),)) + value


def decode(frame: bytes) -> Pdu:
    """The PDU in one whole frame. Raises PduError.

    A response without a body is taken whatever its status: fields are then missing, not empty. Optional parameters
    are kept whether known or not (of a repeated one the last); octets that are no optional parameter are an error.
    """
    if len(frame) < PDU_OCTETS_MIN:
        raise PduError(ESME_RINVCMDLEN, 0, "shorter than a header")
    length, command, status, sequence = (int.from_bytes(frame[k : k + 4], "big") for k in (0, 4, 8, 12))
    if length != len(frame):
        raise PduError(ESME_RINVCMDLEN, sequence, f"command_length {length} of {len(frame)} octets")
    layout = BODIES.get(command)
    if layout is None:
        raise PduError(ESME_RINVCMDID, sequence, f"unknown command id 0x{command:08X}")
    pdu = Pdu(command, status, sequence, {}, {})
    at = PDU_OCTETS_MIN
    if length == at and command & RESPONSE:
        return pdu
    for f in layout:
        if at >= length:
            raise PduError(ESME_RINVCMDLEN, sequence, f"ends before {f.name}")
        pdu.fields[f.name], at = _decoded(f, frame, at, sequence)
    if at < length:
        if not layout:
            raise PduError(ESME_RINVCMDLEN, sequence, f"{COMMANDS[command]} has no body")
        pdu.tlvs = parse_tlvs(frame, at, sequence)
    return pdu


def _decoded(f: Field, frame: bytes, at: int, sequence: int) -> tuple[int | bytes, int]:
    if f.kind == NUMBER:
        return frame[at], at + 1
    if f.kind == TEXT:
        return _text(frame, at, f.heard, f.status, sequence)
    if f.kind in (DESTINATIONS, FAILURES):
        begin = at + 1
        read = _destination if f.kind == DESTINATIONS else _failure
        end = begin
        for _ in range(frame[at]):
            _, end = read(frame, end, sequence)
        return frame[begin:end], end
    begin, end = at + 1, at + 1 + frame[at]
    if end > len(frame):
        raise PduError(f.status, sequence, f"{f.name} ends after the PDU")
    return frame[begin:end], end


def _text(frame: bytes, at: int, octets: int, status: int, sequence: int) -> tuple[bytes, int]:
    end = frame.find(0, at, at + octets)
    if end < 0:
        raise PduError(status, sequence, "a text has no end or is too long")
    return frame[at:end], end + 1


def _destination(raw: bytes, at: int, sequence: int) -> tuple[tuple[int, int, bytes], int]:
    """Section 4.5.1.1: (type of number, numbering plan, address); a distribution list is (-1, -1, name)."""
    flag = raw[at : at + 1]
    if flag == b"\2":
        name, end = _text(raw, at + 1, LIST_NAME_OCTETS_MAX, ESME_RINVDLNAME, sequence)
        return (-1, -1, name), end
    if flag != b"\1":
        raise PduError(ESME_RINVDESTFLAG, sequence, "a destination is neither an address nor a list")
    if at + 3 >= len(raw):
        raise PduError(ESME_RINVDSTADR, sequence, "ends within a destination")
    address, end = _text(raw, at + 3, ADDRESS_OCTETS_MAX, ESME_RINVDSTADR, sequence)
    return (raw[at + 1], raw[at + 2], address), end


def _failure(raw: bytes, at: int, sequence: int) -> tuple[tuple[int, int, bytes, int], int]:
    """Section 4.5.2.1: (type of number, numbering plan, address, status)."""
    if at + 2 >= len(raw):
        raise PduError(ESME_RINVDSTADR, sequence, "ends within a destination")
    address, end = _text(raw, at + 2, ADDRESS_OCTETS_MAX, ESME_RINVDSTADR, sequence)
    if end + 4 > len(raw):
        raise PduError(ESME_RINVCMDLEN, sequence, "ends within an error_status_code")
    return (raw[at], raw[at + 1], address, int.from_bytes(raw[end : end + 4], "big")), end + 4


def destinations(raw: bytes, sequence: int = 0) -> list[tuple[int, int, bytes]]:
    """What submit_multi's `dest_addresses` holds: (ton, npi, address), or (-1, -1, list name). Raises PduError."""
    out, at = [], 0
    while at < len(raw):
        one, at = _destination(raw, at, sequence)
        out.append(one)
    return out


def failures(raw: bytes, sequence: int = 0) -> list[tuple[int, int, bytes, int]]:
    """What submit_multi_resp's `unsuccess_smes` holds: (ton, npi, address, status). Raises PduError."""
    out, at = [], 0
    while at < len(raw):
        one, at = _failure(raw, at, sequence)
        out.append(one)
    return out


def pack_destinations(items: list[tuple[int, int, bytes]]) -> bytes:
    """The reverse of `destinations`."""
    return b"".join(b"\2" + a + b"\0" if ton < 0 else bytes((1, ton, npi)) + a + b"\0" for ton, npi, a in items)


def pack_failures(items: list[tuple[int, int, bytes, int]]) -> bytes:
    """The reverse of `failures`."""
    return b"".join(bytes((ton, npi)) + a + b"\0" + status.to_bytes(4, "big") for ton, npi, a, status in items)


def parse_tlvs(frame: bytes, at: int, sequence: int) -> dict[int, bytes]:
    """The optional parameters from `at` to the end of `frame` (section 3.2.4). Raises PduError."""
    out: dict[int, bytes] = {}
    size = len(frame)
    while at < size:
        begin = at + 4
        if begin > size:
            raise PduError(ESME_RINVOPTPARSTREAM, sequence, "ends within an optional parameter")
        tag, octets = _TLV(frame, at)
        at = begin + octets
        if at > size:
            raise PduError(ESME_RINVOPTPARSTREAM, sequence, "an optional parameter ends after the PDU")
        out[tag] = frame[begin:at]
    return out


class Framer:
    """Octets in, whole frames out; keeps what is not whole yet, at most one PDU."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._need = 4  # octets that `_rest` must hold before looking again is worth it

    def hear(self, data: bytes) -> list[bytes]:
        """Every frame completed by `data`. Raises FramingError on a command_length below 16 or above PDU_OCTETS_MAX."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        out: list[bytes] = []
        at, size = 0, len(data)
        self._need = 4
        while size - at >= 4:
            length = int.from_bytes(data[at : at + 4], "big")
            if not PDU_OCTETS_MIN <= length <= PDU_OCTETS_MAX:
                raise FramingError(f"command_length {length}")
            end = at + length
            if end > size:
                self._need = length
                break
            out.append(data[at:end])
            at = end
        if at < size:
            self._rest += data[at:]
        return out

"""Any PDU as lines for people: every field by its name, what it means, its octets beside. Never raises for what a peer sends.

Bodies and addresses are masked unless told otherwise: their length and alphabet stay. A password never shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from . import meanings
from .codec import PduError, destinations, failures
from .spec import (
    BODIES,
    COMMANDS,
    DATA_SM,
    DELIVER_SM,
    DESTINATIONS,
    ESM_TYPE,
    ESM_UDHI,
    FAILURES,
    NUMBER,
    RESPONSE,
    STATUSES,
    SUBMIT_MULTI,
    SUBMIT_SM,
    TEXT,
    TLV_MESSAGE_PAYLOAD,
    TLV_MESSAGE_STATE,
    TLV_NETWORK_ERROR_CODE,
    TLV_RECEIPTED_MESSAGE_ID,
    TLV_SC_INTERFACE_VERSION,
    TLVS,
    Field,
    status_name,
)

LINES_MAX: Final = 120  # of one PDU; a hostile one could have thousands of empty parameters
OCTETS_SHOWN: Final = 24
TEXT_SHOWN: Final = 80  # characters of one value
BODY_SHOWN: Final = 255  # characters of a body that is not masked
SHORT_CODE_DIGITS: Final = 8  # a number no longer is nobody's telephone

_RECEIPTS: Final = (0x04, 0x20)  # esm_class types whose text is the operator's
_SAFE_KEYS: Final = ("id", "sub", "dlvrd", "submit date", "done date", "stat", "err")
_PERSONAL: Final = frozenset({0x0202, 0x0203, 0x0303, 0x0381})  # subaddresses, callback number and its display
_OURS: Final = frozenset(
    {SUBMIT_SM, SUBMIT_MULTI}
)  # what is in them the bank wrote, but for whom it is to and what it says
_ADDRESSES: Final = frozenset({"source_addr", "destination_addr", "esme_addr", "address_range"})

_NUMBERS: Final[dict[str, Callable[[int], str]]] = {
    "esm_class": meanings.esm_class,
    "registered_delivery": meanings.registered_delivery,
    "data_coding": meanings.data_coding,
    "message_state": lambda n: meanings.MESSAGE_STATES.get(n, "unknown"),
    "interface_version": lambda n: f"SMPP {n >> 4}.{n & 15}",
}


class _Reading:
    """One PDU being read; `rows` grow until it ends or makes no sense."""

    def __init__(self, octets: bytes, mask: bool, names: dict[int, str]) -> None:
        self.octets = octets
        self.mask = mask
        self.names = names
        self.rows: list[str] = []
        self.command = int.from_bytes(octets[4:8], "big")
        self.esm_class = 0
        self.coding = 0

    def row(self, name: str, meaning: str, raw: bytes | None) -> None:
        """`raw` None: masked."""
        if raw is None:
            beside = "masked"
        else:
            beside = raw[:OCTETS_SHOWN].hex() + (f"... {len(raw)} octets" if len(raw) > OCTETS_SHOWN else "")
        self.rows.append(f"  {name:<24} {meaning:<46} {beside}".rstrip())

    def stopped(self, at: int, why: str) -> None:
        self.rows.append(f"  reading stopped at octet {at} of {len(self.octets)}: {why}")


def explain(octets: bytes, mask: bool = True, names: dict[int, str] | None = None) -> list[str]:
    """Lines of one PDU: its header first, then a line a field. `names` are a link's own optional parameters by tag.

    Masked lines hold no telephone number, no words of a message and no password; ids, dates and words of a receipt stay.
    """
    reading = _Reading(octets, mask, names or {})
    if len(octets) < 16:
        return [f"not a PDU: {len(octets)} octets, a header has 16"]
    length, command, status, sequence = (int.from_bytes(octets[k : k + 4], "big") for k in (0, 4, 8, 12))
    name = COMMANDS.get(command, f"unknown command 0x{command:08X}")
    row = STATUSES.get(status)
    said = f" {status_name(status)}" + (f" ({row.meaning})" if row else "") if command & RESPONSE or status else ""
    reading.rows.append(f"{name}{said}, sequence {sequence}, {len(octets)} octets")
    if length != len(octets):
        reading.stopped(0, f"command_length says {length}")
    elif command not in BODIES:
        reading.stopped(16, "the body of an unknown command")
    else:
        _body(reading)
    if len(reading.rows) > LINES_MAX:
        return [*reading.rows[:LINES_MAX], f"  and {len(reading.rows) - LINES_MAX} lines more"]
    return reading.rows


def _body(reading: _Reading) -> None:
    octets, layout = reading.octets, BODIES[reading.command]
    at, size = 16, len(octets)
    if at == size and reading.command & RESPONSE:
        return
    for f in layout:
        if at >= size:
            reading.stopped(at, f"the PDU ends before {f.name}")
            return
        end = _end(f, octets, at)
        if end < 0:
            reading.stopped(at, f"{f.name} has no end")
            return
        value = octets[at:end]
        if f.kind == NUMBER:
            _number(reading, f.name, value[0])
        elif f.kind == TEXT:
            _text(reading, f.name, value[:-1])
        elif f.kind in (DESTINATIONS, FAILURES):
            _several(reading, f, value)
        else:
            _message(reading, f.name, value[1:])
        at = end
    if at < size:
        _tlvs(reading, at)


def _end(f: Field, octets: bytes, at: int) -> int:
    """Where a field ends, -1 when it does not."""
    if f.kind == NUMBER:
        return at + 1
    if f.kind == TEXT:
        return octets.find(0, at) + 1 or -1
    if f.kind in (DESTINATIONS, FAILURES):
        return _end_of_several(f, octets, at)
    end = at + 1 + octets[at]
    return end if end <= len(octets) else -1


def _end_of_several(f: Field, octets: bytes, at: int) -> int:
    """After number_of_dests or no_unsuccess and so many items (sections 4.5.1.1 and 4.5.2.1)."""
    end = at + 1
    for _ in range(octets[at]):
        if f.kind == FAILURES:
            nul = octets.find(0, end + 2)
            end = nul + 5
        else:
            nul = octets.find(0, end + (3 if octets[end : end + 1] == b"\1" else 1))
            end = nul + 1
        if nul < 0 or end > len(octets):
            return -1
    return end


def _number(reading: _Reading, name: str, value: int) -> None:
    if name == "esm_class":
        reading.esm_class = value
    elif name == "data_coding":
        reading.coding = value
    words = _NUMBERS.get(name)
    if words is not None:
        meaning = words(value)
    elif name.endswith("_ton"):
        meaning = meanings.TONS.get(value, "reserved")
    elif name.endswith("_npi"):
        meaning = meanings.NPIS.get(value, "reserved")
    else:
        meaning = ""
    reading.row(name, f"{value} {meaning}".rstrip(), bytes((value,)))


def _text(reading: _Reading, name: str, value: bytes) -> None:
    if name == "password":
        reading.row(name, f"{len(value)} octets", None)
    elif name in _ADDRESSES:
        ours = reading.command in _OURS and name == "source_addr"
        shown = not reading.mask or (ours and not _could_be_a_number(value)) or not value
        reading.row(name, _quoted(value) if shown else _address(value), value if shown else None)
    elif name in ("validity_period", "schedule_delivery_time", "final_date"):
        shown = not reading.mask or meanings.time(value) != "not a time"
        reading.row(
            name,
            f"{_quoted(value)} {meanings.time(value)}" if shown else f"{len(value)} octets",
            value if shown else None,
        )
    elif reading.mask and (len(value) > 65 or b" " in value or (_could_be_a_number(value) and name != "message_id")):
        reading.row(name, f"{len(value)} octets of text", None)
    else:
        reading.row(name, _quoted(value), value)


def _could_be_a_number(value: bytes) -> bool:
    return sum(48 <= octet <= 57 for octet in value) > SHORT_CODE_DIGITS


def _address(value: bytes) -> str:
    """What may be known of a masked address."""
    digits = value[1:] if value[:1] == b"+" else value
    plus = "+ and " if value[:1] == b"+" else ""
    return f"{plus}{len(digits)} digits" if digits.isdigit() else f"{len(value)} characters"


def _quoted(value: bytes) -> str:
    """Printable ASCII in quotes, anything else as dots."""
    text = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in value[:TEXT_SHOWN])
    return f'"{text}"' + ("..." if len(value) > TEXT_SHOWN else "")


def _several(reading: _Reading, f: Field, value: bytes) -> None:
    reading.row(f.name, str(value[0]), None if reading.mask else value)
    try:
        if f.kind == DESTINATIONS:
            for ton, _, address in destinations(value[1:]):
                shown = _address(address) if reading.mask else _quoted(address)
                reading.rows.append(f"    {'list ' if ton < 0 else ''}{shown}")
        else:
            for _, _, address, status in failures(value[1:]):
                shown = _address(address) if reading.mask else _quoted(address)
                reading.rows.append(f"    {shown}: {status_name(status)}")
    except PduError as e:
        reading.rows.append(f"    {e.message}")


# --- the text of a message --------------------------------------------------------------------------------


def _message(reading: _Reading, name: str, value: bytes) -> None:
    header = b""
    if reading.esm_class & ESM_UDHI and value:
        header, value = value[: value[0] + 1], value[value[0] + 1 :]
    if reading.command in (DELIVER_SM, DATA_SM) and reading.esm_class & ESM_TYPE in _RECEIPTS and value:
        _receipt(reading, name, value)
    else:
        shown = "" if reading.mask or not value else " " + _plain(value, reading.coding)
        reading.row(name, _amount(value, reading.coding) + shown, value if not reading.mask or not value else None)
    if header:
        _header(reading, header)


def _header(reading: _Reading, header: bytes) -> None:
    elements, known = meanings.header_elements(header[1:])
    whole = len(header) == header[0] + 1
    if reading.mask and not (whole and known):  # it may be words of the message
        reading.row("  user data header", f"{len(header)} octets, not one we know", None)
        return
    reading.row("  user data header", f"{len(header)} octets" + ("" if whole else ", cut off"), header)
    reading.rows += [f"    {element}" for element in elements]


def _amount(value: bytes, coding: int) -> str:
    if meanings.is_ucs2(coding):
        return f"{len(value) // 2} UTF-16 units" + (" and an odd octet" if len(value) % 2 else "")
    return f"{len(value)} octets"


def _plain(value: bytes, coding: int) -> str:
    text = str(value, "utf-16-be", "replace") if meanings.is_ucs2(coding) else str(value, "latin-1")
    text = "".join(c if c.isprintable() else "." for c in text)
    return f'"{text[:BODY_SHOWN]}"' + ("..." if len(text) > BODY_SHOWN else "")


def _receipt(reading: _Reading, name: str, value: bytes) -> None:
    """Appendix B, or comma-separated: what the operator wrote stays, the customer's number and the message's words do not."""
    whole = (
        str(value, "utf-16-be", "replace")
        if meanings.is_ucs2(reading.coding) and value[:1] == b"\0"
        else str(value, "latin-1")
    )
    if not reading.mask:
        reading.row(name, f"receipt {_plain(whole.encode('utf-16-be', 'replace'), 8)}", value)
        return
    reading.row(name, f"receipt, {len(value)} octets", None)
    head = whole[: whole.lower().find("text:")] if "text:" in whole.lower() else whole
    lower = head.lower().replace("_date:", " date:")
    found = False
    for key in _SAFE_KEYS:
        at = lower.find(key + ":")
        while at > 0 and lower[at - 1].isalnum():
            at = lower.find(key + ":", at + 1)
        if at >= 0:
            found = True
            words = head[at + len(key) + 1 :].split()
            said = (words[0] if words else "").encode("latin-1", "replace")
            safe = key == "id" or not _could_be_a_number(said) or (key.endswith("date") and said.isdigit())
            reading.rows.append(f"    {key:<12} {_quoted(said) if safe else 'masked'}")
    if not found and head.count(",") >= 3:
        status, *rest = head.split(",")
        named = zip(("status at", "accepted at", "error"), rest[:3], strict=False)
        for key, each in (("status", status), *named):
            said = each.encode("latin-1", "replace")
            safe = len(each) <= 14 and (not _could_be_a_number(said) or (key.endswith(" at") and said.isdigit()))
            reading.rows.append(f"    {key:<12} {_quoted(said) if safe else 'masked'}")
        reading.rows.append(f"    and {len(rest) - 3} fields more, masked")


# --- optional parameters ----------------------------------------------------------------------------------


def _tlvs(reading: _Reading, at: int) -> None:
    octets, size = reading.octets, len(reading.octets)
    while at < size:
        if at + 4 > size:
            reading.stopped(at, "ends within an optional parameter")
            return
        tag, length = int.from_bytes(octets[at : at + 2], "big"), int.from_bytes(octets[at + 2 : at + 4], "big")
        value = octets[at + 4 : at + 4 + length]
        if len(value) < length:
            name = TLVS.get(tag) or reading.names.get(tag) or f"0x{tag:04X}"
            reading.stopped(at, f"{name} says {length} octets, {len(value)} are left")
            return
        _tlv(reading, tag, value)
        at += 4 + length
        if len(reading.rows) > LINES_MAX:  # who fills a PDU with empty ones does not cost more than is shown
            reading.stopped(at, "too many optional parameters")
            return


def _tlv(reading: _Reading, tag: int, value: bytes) -> None:
    known, ours = TLVS.get(tag), reading.names.get(tag)
    name = known or (f"{ours} 0x{tag:04X}" if ours else f"0x{tag:04X}")
    masked = reading.mask
    if tag == TLV_MESSAGE_PAYLOAD:
        _message(reading, name, value)
    elif tag == TLV_RECEIPTED_MESSAGE_ID:
        reading.row(name, _quoted(value.removesuffix(b"\0")), value)
    elif tag == TLV_MESSAGE_STATE and len(value) == 1:
        reading.row(name, f"{value[0]} {meanings.MESSAGE_STATES.get(value[0], 'unknown')}", value)
    elif tag == TLV_NETWORK_ERROR_CODE and len(value) == 3:
        reading.row(name, meanings.network_error(value), value)
    elif tag == TLV_SC_INTERFACE_VERSION and len(value) == 1:
        reading.row(name, f"SMPP {value[0] >> 4}.{value[0] & 15}", value)
    elif len(value) <= 2 and tag not in _PERSONAL:
        reading.row(name, str(int.from_bytes(value, "big")) if value else "empty", value)
    elif masked and (tag in _PERSONAL or not ours or (reading.command not in _OURS and _could_be_a_number(value))):
        reading.row(name, f"{len(value)} octets", None)
    else:
        text = value.removesuffix(b"\0")
        reading.row(name, _quoted(text) if text.isascii() else f"{len(value)} octets", value)

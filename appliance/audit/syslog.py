"""An audit entry as a message for a bank's SIEM: RFC 5424, or CEF in the same envelope, in the frames of RFC 5425. Pure.

The severity says how the act went. MSG of RFC 5424 is the entry's canonical JSON, octet for octet: its leaf hash in the log can
be computed from what the SIEM holds.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

import msgspec

from appliance import __version__

from .events import EVENTS

FACILITY: Final = 13  # RFC 5424 table 1: log audit
SEVERITIES: Final = {"ok": 6, "refused": 4, "failed": 3}  # table 2: informational, warning, error
CEF_SEVERITIES: Final = {"ok": 3, "refused": 6, "failed": 8}
SD_ID: Final = "casemate@32473"  # RFC 5612: the number for those that registered none
DETAIL_ID: Final = "detail@32473"
SEQUENCE_MAX: Final = 2**31 - 1  # RFC 5424 section 7.3.1
HOSTNAME_CHARACTERS_MAX: Final = 255
FORMATS: Final = ("rfc5424", "cef")
#: What takes a backslash before it: in a value of structured data (RFC 5424 section 6.3.3), in CEF's header, in its extension.
_SD_ODD, _BAR_ODD, _PAIR_ODD = re.compile(r'([\\\]"])'), re.compile(r"([\\|])"), re.compile(r"([\\=])")
BEFORE: Final = r"\\\1"
VENDOR_FIELDS: Final = ("Casemate", "Casemate")  # Device Vendor, Device Product


def message(form: str, hostname: str, index: int, text: bytes, octets_max: int) -> bytes:
    """The message of entry `index`, `text` being its canonical JSON. Never longer than `octets_max`: what does not fit is left out.

    Left out are first the detail's own structured data, then MSG; `whole="0"` says that the entry is to be read in the log.
    """
    entry = msgspec.json.decode(text)
    head = header(hostname, entry)
    if form == "cef":
        whole = f"{head} - {cef(index, entry, True)}".encode()
        return whole if len(whole) <= octets_max else f"{head} - {cef(index, entry, False)}".encode()
    for detailed, told in ((True, True), (False, True), (False, False)):
        made = f"{head} {structured(index, entry, detailed, told)}".encode() + (b" " + text if told else b"")
        if len(made) <= octets_max:
            break
    return made


def header(hostname: str, entry: dict[str, Any]) -> str:
    """PRI to MSGID: the time is that of the entry."""
    return f"<{FACILITY * 8 + SEVERITIES[entry['outcome']]}>1 {entry['at']} {hostname} casemate auditor {entry['what']}"


def structured(index: int, entry: dict[str, Any], detailed: bool = True, told: bool = True) -> str:
    """STRUCTURED-DATA: the entry's fields, those of its detail, and a number that rises by one from message to message."""
    fields = {"index": str(index), **{name: entry[name] for name in ("who", "what", "on", "outcome")}}
    if not told:
        fields["whole"] = "0"
    made = _element(SD_ID, fields)
    if detailed and entry["detail"]:
        made += _element(DETAIL_ID, {name: plain(value) for name, value in entry["detail"].items()})
    return made + f'[meta sequenceId="{index % SEQUENCE_MAX + 1}"]'


def _element(name: str, fields: dict[str, str]) -> str:
    pairs = (f'{key}="{_SD_ODD.sub(BEFORE, value)}"' for key, value in fields.items())
    return f"[{name} {' '.join(pairs)}]"


def plain(value: Any) -> str:
    """A value of a detail as text: as JSON writes it, without quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def cef(index: int, entry: dict[str, Any], detailed: bool = True) -> str:
    """ArcSight's Common Event Format, version 0: header fields between bars, then `key=value`."""
    head = (*VENDOR_FIELDS, __version__, entry["what"], EVENTS.get(entry["what"], entry["what"]))
    fields = {
        "externalId": str(index),
        "rt": str(int(datetime.fromisoformat(entry["at"]).timestamp() * 1000)),
        "suser": entry["who"],
        "outcome": entry["outcome"],
        "cs1Label": "on",
        "cs1": entry["on"],
    }
    if detailed and entry["detail"]:
        fields |= {"cs2Label": "detail", "cs2": msgspec.json.encode(entry["detail"], order="sorted").decode()}
    bars = "|".join(_BAR_ODD.sub(BEFORE, field) for field in head)
    pairs = " ".join(f"{key}={_PAIR_ODD.sub(BEFORE, value)}" for key, value in fields.items())
    return f"CEF:0|{bars}|{CEF_SEVERITIES[entry['outcome']]}|{pairs}"


def frame(octets: bytes) -> bytes:
    """RFC 5425 section 4.3: MSG-LEN SP SYSLOG-MSG."""
    return b"%d %b" % (len(octets), octets)


def hostname_of(name: str) -> str:
    """HOSTNAME: printable ASCII without spaces, or the nil value."""
    return re.sub(r"[^\x21-\x7e]", "-", name)[:HOSTNAME_CHARACTERS_MAX] or "-"

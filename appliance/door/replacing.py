"""What a replace_sm means (SMPP 3.4 section 4.10): the new content of a message and its new times. Pure: the time is passed in.

It has no data_coding, class or recipient: these stay as the message was submitted. A time that is not given stays, too.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from appliance.access import DoorAccount
from appliance.content import Guard
from appliance.errors import Error
from appliance.intake import check_kept, scheduled_ms
from appliance.limits import VALIDITY_S_MAX, VALIDITY_S_MIN
from appliance.message import NOTIFY_ACCOUNT_SHIFT, OTP, Content
from appliance.smpp import Pdu, PduError, spec
from appliance.store import Found
from appliance.text import encode

from . import statuses
from .reading import CODINGS, NOTIFY, text_of, time_of

content_of: Final = msgspec.msgpack.Decoder(Content).decode
_pack: Final = msgspec.msgpack.Encoder().encode


class New(NamedTuple):
    """`fields`: as the engine's operation `replace` takes them, but for id, content and who. `content` is still to be sealed."""

    fields: dict[str, Any]
    content: bytes


def replacement(
    pdu: Pdu, account: DoorAccount, found: Found, before: Content, guard: Guard, at_ms: int, kept_days: int
) -> New:
    """Raises PduError, or Error for a text that cannot be sent."""
    f: dict[str, Any] = pdu.fields
    note = before.door
    if note is None or note.ids:
        raise PduError(statuses.ESME_RREPLACEFAIL, pdu.sequence, "it was not one submit_sm")
    source = (f.get("source_addr_ton", 0), f.get("source_addr_npi", 0), str(f.get("source_addr", b""), "latin-1"))
    if source[2] and source != tuple(note.source):
        raise PduError(spec.ESME_RINVSRCADR, pdu.sequence, "section 4.10.1: the source address of the message")
    if f.get("sm_default_msg_id"):
        raise PduError(statuses.ESME_RINVDFTMSGID, pdu.sequence, "there are no predefined messages")
    registered = f.get("registered_delivery", 0) & 3
    if registered == 3:
        raise PduError(statuses.ESME_RINVREGDLVFLG, pdu.sequence, "registered_delivery asks for what is reserved")
    octets: bytes = f.get("short_message", b"")
    if not octets:
        raise PduError(spec.ESME_RINVMSGLEN, pdu.sequence, "there is no text")
    coding = account.alphabet if note.data_coding == 0 else CODINGS[note.data_coding]
    text = guard.check(text_of(pdu.sequence, coding, octets), found.class_ == OTP).text
    encoding, payload, segments = encode(text)
    send_at_ms, expires_ms = _times(pdu, found, at_ms, kept_days)
    notify = NOTIFY[registered]
    fields = {
        "payload": payload,
        "encoding": encoding,
        "segments": segments,
        "send_at_ms": send_at_ms,
        "expires_ms": expires_ms,
        "notify": notify and notify | account.id << NOTIFY_ACCOUNT_SHIFT,
    }
    before.encoding, before.payload = encoding, payload
    return New(fields, _pack(before))


def _times(pdu: Pdu, found: Found, at_ms: int, kept_days: int) -> tuple[int, int]:
    f: dict[str, Any] = pdu.fields
    send_at_ms, expires_ms = found.send_at_ms, found.expires_ms
    asked_ms = time_of(pdu.sequence, f.get("schedule_delivery_time", b""), spec.ESME_RINVSCHED, at_ms)
    if asked_ms is not None:
        try:
            send_at_ms = scheduled_ms(asked_ms / 1000, at_ms)
        except Error as e:
            raise PduError(spec.ESME_RINVSCHED, pdu.sequence, e.message) from None
    until_ms = time_of(pdu.sequence, f.get("validity_period", b""), spec.ESME_RINVEXPIRY, at_ms)
    start_ms = max(send_at_ms, at_ms)
    if until_ms is not None:
        expires_ms = min(until_ms, start_ms + VALIDITY_S_MAX * 1000)
    if expires_ms - start_ms < VALIDITY_S_MIN * 1000:
        raise PduError(spec.ESME_RINVEXPIRY, pdu.sequence, "the validity ends before the message could be sent")
    if send_at_ms > at_ms:
        try:
            check_kept(found.day, expires_ms, kept_days)
        except Error as e:
            raise PduError(spec.ESME_RINVSCHED, pdu.sequence, e.message) from None
    return send_at_ms, expires_ms

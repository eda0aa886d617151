"""What a test of a link makes of what it hears: pure, and in words for an engineer who may not know SMPP. Nothing personal."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Final, NamedTuple

from appliance.settings import Link
from appliance.smpp import Deliver, MessageIds, Pdu, Receipt, ReceiptReader, spec, status_name

#: A bind's command_status -> what to do. Others get the verdict of the specification's table.
BIND_HINTS: Final[dict[int, str]] = {
    spec.ESME_RALYBND: "the operator allows no more binds: drain the link first, then test, or ask for one more bind",
    spec.ESME_RINVPASWD: "the password is wrong for this system_id: check `password_file` (it is sent as it stands, without line end)",
    spec.ESME_RINVSYSID: "the operator does not know this system_id: check `system_id`",
    spec.ESME_RINVSYSTYP: "the operator wants another `system_type`, or none",
    spec.ESME_RBINDFAIL: "refused without a reason: name, password, system_type, kind of bind or the address you bind from",
    spec.ESME_RSYSERR: "the operator has trouble of its own, or does not allow this address",
    spec.ESME_RINVCMDID: "the operator does not know this kind of bind: try `bind = pair`, or `transceiver`",
    spec.ESME_RINVBNDSTS: "the operator does not take a bind now, or not of this kind",
    spec.ESME_RTHROTTLED: "too many binds in a short time: wait a minute",
}
#: A submit's command_status -> which setting to look at.
SUBMIT_HINTS: Final[dict[int, str]] = {
    spec.ESME_RINVSRCADR: "the operator does not take this sender: check `default_sender`, its type of number, `sender_charset`",
    0x48: "type of number of the sender: check `source_ton`, `alphanumeric_ton`, `short_code_ton`, `number_ton`",
    0x49: "numbering plan of the sender: check `source_npi` and its like",
    spec.ESME_RINVDSTADR: "the operator does not take this number: check `number_prefix` and `dest_ton`, or the number itself",
    0x50: "type of number of the destination: check `dest_ton`",
    0x51: "numbering plan of the destination: check `dest_npi`",
    spec.ESME_RINVMSGLEN: "too long for the operator: check `segment_octets`, `alphabet`, `long_message`",
    spec.ESME_RINVSERTYP: "check `service_type`",
    spec.ESME_RINVEXPIRY: "the operator does not take this form of validity: try `validity = absolute` or `none`",
    0x07: "the operator does not take this `registered_delivery`",
    0x43: "the operator does not take a user data header: try `long_message = sar` or `payload`",
    spec.ESME_RINVOPTPARSTREAM: "the operator does not take optional parameters: check `tlvs`, `user_message_reference`, `long_message`",
    0xC1: "an optional parameter that the operator does not take: check `tlvs`",
    0xC3: "an optional parameter that the operator wants is missing: check `tlvs` and the operator's profile",
    0xC4: "the value of an optional parameter is not the operator's: check `tlvs`",
    spec.ESME_RTHROTTLED: "the operator is busy, or this account may send less: check `pace`",
    spec.ESME_RMSGQFUL: "the operator's queue for this number or account is full: try later",
}


def connecting(e: BaseException, link: Link, patience_s: float) -> tuple[str, str]:
    """(what happened, what to do) when a connection could not be made."""
    if isinstance(e, ssl.SSLCertVerificationError):
        why = e.verify_message or "it does not verify"
        hint = "`tls_ca` must hold the authority that signed it, and its names must have the `host` that is set"
        return f"TLS: the operator's certificate was refused: {why}", hint
    if isinstance(e, ssl.SSLError):
        reason = str(e.reason or "").replace("_", " ").lower()
        if "wrong version" in reason or "record layer" in reason or "http request" in reason:
            return "TLS: what answers there does not speak TLS", "ask the operator for its TLS port, or set tls = false"
        if "certificate" in reason or "handshake failure" in reason:
            return f"TLS: {reason}", "the operator may want a client certificate: `tls_certificate` and `tls_key`"
        return f"TLS: {reason or 'the handshake failed'}", "ask the operator for its TLS port and versions"
    if type(e).__name__ == "gaierror":
        return "the name of the host is not known", "check `host` and the name servers of this box"
    if isinstance(e, TimeoutError):
        hint = "a firewall drops it: ask the operator whether this box's address is allowed"
        return f"no connection in {patience_s:g} s", hint
    if isinstance(e, ConnectionRefusedError):
        return "connection refused", "nothing listens on this port, or a firewall says no: check `host` and `port`"
    if isinstance(e, ConnectionResetError | EOFError):
        return (
            "the connection was closed at once",
            "the address this box comes from may not be allowed, or `tls` is wrong",
        )
    return f"no connection: {type(e).__name__}", "check `host`, `port` and the network"


def binding(status: int | None, closed: bool, link: Link) -> tuple[str, str]:
    """The same for a bind that was not accepted; `status` None: no answer."""
    if status is None:
        hint = (
            "what answers there may want TLS: check `tls` and `port`" if not link.tls else "is this the port for SMPP?"
        )
        return ("closed without an answer to the bind" if closed else "no answer to the bind"), hint
    return status_name(status), BIND_HINTS.get(status, _meaning(status))


def submitting(status: int) -> str:
    """What to do about a refused submit."""
    return SUBMIT_HINTS.get(status, _meaning(status))


def _meaning(status: int) -> str:
    row = spec.STATUSES.get(status)
    return f"the specification says: {row.meaning}" if row else "a number of the operator's own: ask what it means"


# --- receipts -----------------------------------------------------------------------------------------------


class Judged(NamedTuple):
    """What a deliver is to the test. `ours`: it is the test's, so it is taken; else it is sent back to come again.

    `part` of the message, from 1; `hint` says which setting does not fit, "" when all do.
    """

    ours: bool
    part: int = 0
    receipt: Receipt | None = None
    hint: str = ""


def deliver_of(pdu: Pdu) -> Deliver:
    """A decoded deliver_sm or data_sm as the receipts' readers take it."""

    def text(name: str) -> str:
        value = pdu.fields.get(name, b"")
        return str(value, "latin-1") if isinstance(value, bytes) else ""

    def number(name: str) -> int:
        value = pdu.fields.get(name, 0)
        return value if isinstance(value, int) else 0

    body = pdu.fields.get("short_message", b"") or pdu.tlvs.get(spec.TLV_MESSAGE_PAYLOAD, b"")
    assert isinstance(body, bytes)
    source, dest = text("source_addr"), text("destination_addr")
    tons = number("source_addr_ton"), number("dest_addr_ton")
    return Deliver(pdu.sequence, source, dest, number("esm_class"), number("data_coding"), body, pdu.tlvs, *tons)


def judge(deliver: Deliver, link: Link, answered: dict[int, str], to: str) -> Judged:
    """A deliver against what was submitted: `answered` holds the id of each part as the operator wrote it.

    Only an id that matches makes it the test's: as the link's settings read it, or, from the test's own number, as others
    would. Anything else may be somebody's receipt.
    """
    reader = ReceiptReader(link)
    receipt = reader.read(deliver)
    ids = {reader.response_id(raw): part for part, raw in answered.items()}
    if receipt is not None and receipt.message_id:
        part = ids.get(reader.receipt_id(receipt.message_id), 0)
        if part:
            return Judged(True, part, receipt)
    number = same_number(deliver.source, to) or same_number(deliver.dest, to)
    if receipt is None or not receipt.message_id:
        other = _read_otherwise(deliver, link, answered)
        if other is not None:
            return other
        if receipt is not None and (same_number(receipt.source, to) or same_number(receipt.dest, to)):
            return Judged(
                True, min(answered, default=1), receipt, "" if link.receipt_format == "csv" else "it has no message id"
            )
        return Judged(False)
    for part, raw in answered.items():
        hint = better_ids(link, raw, receipt.message_id)
        if hint and number:
            return Judged(True, part, receipt, f"the ids of answer and receipt do not meet; they do with {hint}")
    if number:
        return Judged(
            False,
            0,
            receipt,
            "a receipt for this number has an id that is in no answer: ask the operator, or see `id_pattern`",
        )
    return Judged(False)


def _read_otherwise(deliver: Deliver, link: Link, answered: dict[int, str]) -> Judged | None:
    """With the settings that read it, when there are some."""
    for changed, hint in (
        (
            {"receipt_untyped": True},
            "it does not say that it is a receipt: set receipt_untyped = true if the operator cannot mend it",
        ),
        ({"receipt_format": "auto"}, 'it is in another form: set receipt_format = "auto"'),
        ({"receipt_format": "csv"}, 'it is in another form: set receipt_format = "csv"'),
    ):
        reader = ReceiptReader(replace(link, **changed))  # type: ignore[arg-type]
        receipt = reader.read(deliver)
        if receipt is None or not receipt.message_id:
            continue
        for part, raw in answered.items():
            if reader.response_id(raw) == reader.receipt_id(receipt.message_id):
                return Judged(True, part, receipt, hint)
    return None


_SPELLINGS: Final = (("exact", "exact"), ("ignore", "exact"), ("exact", "ignore"), ("ignore", "ignore"))


def better_ids(link: Link, response: str, receipt: str) -> str:
    """Settings with which the two would meet, `id_base = "hex_dec"`; "" when none would."""
    # The plainest first: what reads as decimal also reads as hexadecimal.
    for base in (link.id_base, "as_is", "hex_dec", "dec_hex", "dec", "hex"):
        for case, zeros in _SPELLINGS:
            ids = MessageIds(base, case, zeros, link.id_pattern)
            if ids.response(response) == ids.receipt(receipt):
                given = {"id_base": base, "id_case": case, "id_zeros": zeros}
                return " and ".join(f'{name} = "{v}"' for name, v in given.items() if v != getattr(link, name))
    if len(receipt) >= 4 and len(response) >= 4 and (receipt in response or response in receipt):
        return "an `id_pattern` that takes the one out of the other"
    return ""


def same_number(heard: str, to: str) -> bool:
    """Whether an address as heard is the number of the test: operators add and drop prefixes, so the last nine digits count."""
    digits, wanted = heard.lstrip("+"), to.lstrip("+")
    return len(digits) >= 7 and digits.isdigit() and digits[-9:] == wanted[-9:]

"""data_sm and submit_multi as the submits they stand for, and their answers (SMPP 3.4 sections 4.5 and 4.7)."""

from __future__ import annotations

from typing import cast

from appliance.smpp import Pdu, PduError, Submit, destinations, encode, pack_failures, spec


def _text(pdu: Pdu, name: str) -> str:
    return str(cast(bytes, pdu.fields.get(name, b"")), "latin-1")


def _number(pdu: Pdu, name: str) -> int:
    return cast(int, pdu.fields.get(name, 0))


def as_submit(pdu: Pdu, dest: str | None = None, dest_ton: int = 0) -> Submit:
    """The submit that `pdu` is for one destination; its own when none is named."""
    message = cast(bytes, pdu.fields.get("short_message", b"")) or pdu.tlvs.get(spec.TLV_MESSAGE_PAYLOAD, b"")
    return Submit(
        pdu.sequence,
        _text(pdu, "source_addr"),
        _text(pdu, "destination_addr") if dest is None else dest,
        _number(pdu, "esm_class"),
        _number(pdu, "data_coding"),
        message,
        pdu.tlvs,
        _number(pdu, "source_addr_ton"),
        _number(pdu, "dest_addr_ton") if dest is None else dest_ton,
        _number(pdu, "registered_delivery"),
        b"",
        b"",
    )


def multi_submits(pdu: Pdu) -> list[Submit]:
    """One for each destination. Raises PduError: none is named, or one is a distribution list, which is not known here."""
    found = destinations(cast(bytes, pdu.fields["dest_addresses"]), pdu.sequence)
    if not found:
        raise PduError(spec.ESME_RINVNUMDESTS, pdu.sequence, "no destination")
    if any(ton < 0 for ton, _, _ in found):
        raise PduError(spec.ESME_RINVDLNAME, pdu.sequence, "no such list")
    return [as_submit(pdu, str(address, "latin-1"), ton) for ton, _, address in found]


def data_response(sequence: int, status: int = 0, message_id: str = "") -> bytes:
    fields: dict[str, int | bytes] = {} if status else {"message_id": message_id.encode("latin-1")}
    return encode(Pdu(spec.DATA_SM_RESP, status, sequence & 0x7FFFFFFF, fields))


def multi_response(sequence: int, outcomes: list[tuple[Submit, int, str]]) -> bytes:
    """The answer to a submit_multi: the id of the first that was accepted, and every destination that was not."""
    failed = [(each.dest_ton, 1, each.dest.encode("latin-1"), status) for each, status, _ in outcomes if status]
    message_id = next((found for _, status, found in outcomes if not status), "")
    status = failed[0][3] if len(failed) == len(outcomes) else 0
    fields: dict[str, int | bytes] = {
        "message_id": message_id.encode("latin-1"),
        "unsuccess_smes": pack_failures(failed),
    }
    return encode(Pdu(spec.SUBMIT_MULTI_RESP, status, sequence & 0x7FFFFFFF, fields))

"""Receipts as an operator writes them: for the simulator, and for the appliance's own side towards the bank's systems."""

from __future__ import annotations

from typing import Final

from .fast import pack_tlvs
from .spec import TLV_MESSAGE_STATE, TLV_NETWORK_ERROR_CODE, TLV_RECEIPTED_MESSAGE_ID


def format_id(number: int, radix: int = 10) -> str:
    """A message id as an operator writes it: decimal, or upper-case hexadecimal when `radix` is 16."""
    return f"{number:X}" if radix == 16 else str(number)


_ID_TAG: Final = TLV_RECEIPTED_MESSAGE_ID.to_bytes(2, "big")
_STATE_HEAD: Final = TLV_MESSAGE_STATE.to_bytes(2, "big") + b"\0\1"


def format_receipt(
    message_id: str,
    stat: str = "DELIVRD",
    submit_date: str = "",
    done_date: str = "",
    error: str = "000",
    text: str = "",
) -> bytes:
    """The text form of Appendix B; dates are `YYMMDDhhmm`, `text` is cut to 20 characters as there."""
    delivered = "001" if stat == "DELIVRD" else "000"
    line = (
        f"id:{message_id} sub:001 dlvrd:{delivered} submit date:{submit_date} done date:{done_date}"
        f" stat:{stat} err:{error} text:{text[:20]}"
    )
    return line.encode("latin-1", "replace")


def receipt_tlvs(message_id: str, state: int, network_error: int | None = None) -> bytes:
    """A receipt's optional parameters, packed: receipted_message_id, message_state, network_error_code (GSM)."""
    octets = message_id.encode("latin-1") + b"\0"
    if network_error is None:  # nearly all; put together by hand, as `pack_tlvs` would
        return b"%b%b%b%b%c" % (_ID_TAG, len(octets).to_bytes(2, "big"), octets, _STATE_HEAD, state)
    tlvs = {TLV_RECEIPTED_MESSAGE_ID: octets, TLV_MESSAGE_STATE: bytes((state,))}
    tlvs[TLV_NETWORK_ERROR_CODE] = b"\3" + network_error.to_bytes(2, "big")
    return pack_tlvs(tlvs)

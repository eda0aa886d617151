"""From an error's code to an SMPP status: the one table of what a bank's system is answered."""

from __future__ import annotations

from typing import Final

from appliance.errors import CODES, Error
from appliance.smpp import PduError, spec

#: SMPP 5.0 section 4.7.6; SMPP 3.4 has no status for a data_coding that is not taken, and clients know this one.
ESME_RINVDCS: Final = 0x104
ESME_RINVPRTFLG: Final = 0x06
ESME_RINVREGDLVFLG: Final = 0x07
ESME_RCANCELFAIL: Final = 0x11
ESME_RREPLACEFAIL: Final = 0x13
ESME_RINVESMCLASS: Final = 0x43
ESME_RCNTSUBDL: Final = 0x44
ESME_RINVSRCTON: Final = 0x48
ESME_RINVDSTTON: Final = 0x50
ESME_RINVREPFLAG: Final = 0x54
ESME_RINVDFTMSGID: Final = 0x63
ESME_RQUERYFAIL: Final = 0x67
ESME_ROPTPARNOTALLWD: Final = 0xC1
ESME_RINVOPTPARAMVAL: Final = 0xC4

#: dest_addr_subunit (a flash message), payload_type, source_port, destination_port: other than zero they would be lost.
LOST: Final = frozenset({0x0005, 0x0019, 0x020A, 0x020B})

#: What the appliance cannot do now is ESME_RSYSERR: the system sends again later. What will never do names its field.
STATUS: Final[dict[str, int]] = {
    "malformed": ESME_RINVDCS,
    "invalid": spec.ESME_RSUBMITFAIL,
    "too_large": spec.ESME_RINVMSGLEN,
    "number_invalid": spec.ESME_RINVDSTADR,
    "no_route": spec.ESME_RINVDSTADR,
    "sender_invalid": spec.ESME_RINVSRCADR,
    "sender_unregistered": spec.ESME_RINVSRCADR,
    "text_too_long": spec.ESME_RINVMSGLEN,
    "text_unmappable": ESME_RINVDCS,
    "content_refused": spec.ESME_RX_R_APPN,
    "suppressed": spec.ESME_RX_R_APPN,
    "expired_before_sent": spec.ESME_RINVEXPIRY,
    "quiet_hours": spec.ESME_RINVEXPIRY,
    "forbidden": spec.ESME_RX_R_APPN,
    "not_found": spec.ESME_RINVMSGID,
    "not_cancellable": ESME_RCANCELFAIL,
    "unauthorized": spec.ESME_RINVPASWD,
    "rate_limited": spec.ESME_RTHROTTLED,
    "overloaded": spec.ESME_RTHROTTLED,
    "store_full": spec.ESME_RMSGQFUL,
}

#: Which field an `invalid` row has wrong.
FIELDS: Final[dict[str, int]] = {
    "to": spec.ESME_RINVDSTADR,
    "from": spec.ESME_RINVSRCADR,
    "text": spec.ESME_RINVMSGLEN,
    "send_at": spec.ESME_RINVSCHED,
    "validity_s": spec.ESME_RINVEXPIRY,
}

assert set(STATUS) <= set(CODES)


def status_of(error: Exception) -> int:
    """The command_status that answers `error`; ESME_RSYSERR for what is the appliance's own trouble."""
    if isinstance(error, PduError):
        return error.status
    if not isinstance(error, Error):
        return spec.ESME_RSYSERR
    if error.code == "invalid":
        return FIELDS.get(str(error.detail.get("field")), STATUS["invalid"])
    return STATUS.get(error.code, spec.ESME_RSYSERR)

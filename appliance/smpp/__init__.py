"""SMPP 3.4 without sockets and without a clock: octets in, events out, time passed in. See README.md."""

from . import spec
from .codec import (
    Framer,
    FramingError,
    Pdu,
    PduError,
    decode,
    destinations,
    encode,
    failures,
    pack_destinations,
    pack_failures,
)
from .fast import (
    Deliver,
    Submit,
    SubmitPacker,
    pack_deliver,
    pack_deliver_resp,
    pack_deliver_resps,
    pack_submit_resp,
    pack_tlvs,
    parse_deliver,
    parse_submit,
    parse_submit_resp,
    source_form,
)
from .packer import RECEIPTS_ASKED, LinkPacker, Parts
from .receipt import (
    STATES,
    Receipt,
    format_id,
    format_receipt,
    parse_receipt,
    receipt_id,
    receipt_tlvs,
    response_id,
)
from .server import ServerSession
from .server_states import SERVER_CLOSES, BindAsked, Received
from .session import ClientSession
from .spec import status_name, verdict
from .states import CLOSES, Alert, Heard
from .submission import Address, Submission, address_of, parse_submission, submission_of
from .validity import absolute_validity, receipt_ms, relative_validity, validity_ms

__all__ = [
    "CLOSES",
    "RECEIPTS_ASKED",
    "SERVER_CLOSES",
    "STATES",
    "Address",
    "Alert",
    "BindAsked",
    "ClientSession",
    "Deliver",
    "Framer",
    "FramingError",
    "Heard",
    "LinkPacker",
    "Parts",
    "Pdu",
    "PduError",
    "Receipt",
    "Received",
    "ServerSession",
    "Submission",
    "Submit",
    "SubmitPacker",
    "absolute_validity",
    "address_of",
    "decode",
    "destinations",
    "encode",
    "failures",
    "format_id",
    "format_receipt",
    "pack_deliver",
    "pack_deliver_resp",
    "pack_deliver_resps",
    "pack_destinations",
    "pack_failures",
    "pack_submit_resp",
    "pack_tlvs",
    "parse_deliver",
    "parse_receipt",
    "parse_submission",
    "parse_submit",
    "parse_submit_resp",
    "receipt_id",
    "receipt_ms",
    "receipt_tlvs",
    "relative_validity",
    "response_id",
    "source_form",
    "spec",
    "status_name",
    "submission_of",
    "validity_ms",
    "verdict",
]

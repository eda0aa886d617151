"""SMPP 3.4 without sockets and without a clock: octets in, events out, time passed in. See README.md."""

from . import spec
from .asking import NO_ANSWER, Asked, Queried, cancel, query
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
from .explain import explain
from .fast import (
    Deliver,
    Submit,
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
from .message_ids import ID_BASES, MessageIds, id_pattern, receipt_id, response_id
from .packer import RECEIPTS_ASKED, LinkPacker, Parts, appended
from .receipt import Receipt, ReceiptReader
from .receipt_words import STATES, WORDS
from .receipt_writing import format_id, format_receipt, receipt_tlvs
from .server import ServerSession
from .server_states import SERVER_CLOSES, BindAsked, Received
from .session import ClientSession
from .spec import status_name, verdict
from .states import CLOSES, Alert, Heard
from .submission import Address, Submission, address_of, parse_submission, submission_of
from .validity import absolute_validity, receipt_ms, relative_validity, validity_ms

__all__ = [
    "CLOSES",
    "ID_BASES",
    "NO_ANSWER",
    "RECEIPTS_ASKED",
    "SERVER_CLOSES",
    "STATES",
    "WORDS",
    "Address",
    "Alert",
    "Asked",
    "BindAsked",
    "ClientSession",
    "Deliver",
    "Framer",
    "FramingError",
    "Heard",
    "LinkPacker",
    "MessageIds",
    "Parts",
    "Pdu",
    "PduError",
    "Queried",
    "Receipt",
    "ReceiptReader",
    "Received",
    "ServerSession",
    "Submission",
    "Submit",
    "absolute_validity",
    "address_of",
    "appended",
    "cancel",
    "decode",
    "destinations",
    "encode",
    "explain",
    "failures",
    "format_id",
    "format_receipt",
    "id_pattern",
    "pack_deliver",
    "pack_deliver_resp",
    "pack_deliver_resps",
    "pack_destinations",
    "pack_failures",
    "pack_submit_resp",
    "pack_tlvs",
    "parse_deliver",
    "parse_submission",
    "parse_submit",
    "parse_submit_resp",
    "query",
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

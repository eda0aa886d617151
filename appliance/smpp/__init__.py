"""SMPP 3.4 without sockets and without a clock: octets in, events out, the time passed in. See README.md of this room."""

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
from .spec import status_name, verdict
from .validity import absolute_validity, relative_validity, validity_ms

__all__ = [
    "Deliver",
    "Framer",
    "FramingError",
    "Pdu",
    "PduError",
    "Submit",
    "SubmitPacker",
    "absolute_validity",
    "decode",
    "destinations",
    "encode",
    "failures",
    "pack_deliver",
    "pack_deliver_resp",
    "pack_deliver_resps",
    "pack_destinations",
    "pack_failures",
    "pack_submit_resp",
    "pack_tlvs",
    "parse_deliver",
    "parse_submit",
    "parse_submit_resp",
    "relative_validity",
    "source_form",
    "spec",
    "status_name",
    "validity_ms",
    "verdict",
]

"""What is asked of every receipt that any octets may hold, on links of every kind."""

from __future__ import annotations

from appliance.smpp import STATES, Deliver, ReceiptReader
from tests.support.links import link_of

_ID_CHARACTERS_MAX = 255
STRICT = ReceiptReader(link_of())
LINKS = {
    "as it is": STRICT,
    "untyped": ReceiptReader(link_of(receipt_untyped=True)),
    "text": ReceiptReader(link_of(receipt_format="text", id_base="hex_dec")),
    "parameters": ReceiptReader(link_of(receipt_format="tlv", id_base="dec_hex", id_case="ignore")),
    "csv": ReceiptReader(link_of(receipt_format="csv")),
    "wrapped": ReceiptReader(link_of(id_pattern="([0-9]+)", receipt_words={"GONE": "failed"})),
    "zeros": ReceiptReader(link_of(id_zeros="ignore", id_case="ignore")),
}


_LINKS = list(LINKS.values())


def look_at(heard: Deliver, which: int = 0) -> None:
    """No reader raises; what it finds is within bounds; the ids of both sides have one form. `which`: of the links."""
    reader = _LINKS[which % len(_LINKS)]
    found = reader.read(heard)
    if found is not None:
        assert len(found.message_id) <= _ID_CHARACTERS_MAX and (found.message_id or found.source)
        assert found.state in STATES and len(found.stat) <= 16
        assert not (found.final and found.intermediate)
        if found.message_id:
            assert isinstance(reader.receipt_id(found.message_id), str)
            assert isinstance(reader.response_id(found.message_id), str)
    assert heard.esm_class & 0x3C or STRICT.read(heard) is None, "a customer wrote a receipt"

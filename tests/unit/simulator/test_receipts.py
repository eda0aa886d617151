"""Receipts and ids in every form the simulated operator writes, read by a link that is set for that operator."""

import pytest

from appliance.smpp import Pdu, ReceiptReader, encode, pack_tlvs, parse_deliver, spec
from tests.support.links import link_of
from tests.unit.simulator.test_session import Lab, commands, submit

#: id_form of the operator -> settings of its link.
IDS = {
    "hex": {"id_base": "hex"},
    "dec": {"id_base": "dec"},
    "uuid": {},
    "text": {},
    "hex-response-dec-receipt": {"id_base": "hex_dec"},
    "dec-response-hex-receipt": {"id_base": "dec_hex"},
    "zeros-receipt": {"id_zeros": "ignore"},
    "zeros-response": {"id_zeros": "ignore"},
    "case": {"id_case": "ignore"},
    "wrapped": {"id_pattern": "([0-9]{12,})"},
}
FORMATS = ("text", "tlv", "both", "payload", "ucs2", "short", "sloppy")


def read(options, link, tlvs=b""):
    lab = Lab(**options)
    session, wire = lab.bind()
    frame = bytearray(submit() + tlvs)
    frame[:4] = len(frame).to_bytes(4, "big")
    session.data_received(bytes(frame))
    lab.later(1)
    reader = ReceiptReader(link_of(**link))
    answer = wire.heard[1].fields["message_id"].decode()
    return reader, answer, [reader.read(parse_deliver(encode(p))) for p in wire.heard[2:]]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("ids", IDS)
def test_a_receipt_is_matched_with_its_answer(form, ids):
    reader, answer, receipts = read({"receipt_format": form, "id_form": ids}, IDS[ids])
    (receipt,) = receipts
    assert reader.receipt_id(receipt.message_id) == reader.response_id(answer)
    assert (receipt.status, receipt.final) == ("delivered", True)
    assert receipt.stat == ("" if form == "tlv" else "DELIVRD")


@pytest.mark.parametrize("ids", ["hex-response-dec-receipt", "zeros-receipt", "case", "wrapped"])
def test_an_odd_form_does_not_match_by_accident(ids):
    reader, answer, (receipt,) = read({"receipt_format": "text", "id_form": ids}, {})
    assert reader.receipt_id(receipt.message_id) != reader.response_id(answer)


def test_a_csv_receipt_has_no_id_but_numbers():
    _, _, (receipt,) = read({"receipt_format": "csv"}, {"receipt_format": "csv"})
    assert (receipt.message_id, receipt.status) == ("", "delivered")
    assert (receipt.source, receipt.dest) == ("393471234567", "Banca") and receipt.accepted


def test_the_reference_comes_back_when_it_was_sent():
    tlvs = pack_tlvs({spec.TLV_USER_MESSAGE_REFERENCE: b"\x12\x34"})
    for form in FORMATS:
        assert read({"receipt_format": form}, {}, tlvs)[2][0].reference == 0x1234
    assert read({"receipt_reference": "no"}, {}, tlvs)[2][0].reference is None
    assert read({}, {})[2][0].reference is None


def test_untyped_receipts_need_a_link_that_says_so():
    options = {"receipt_typed": "no", "receipt_format": "text"}
    assert read(options, {})[2] == [None]
    assert read(options, {"receipt_untyped": True})[2][0].status == "delivered"


@pytest.mark.parametrize("seed", range(6))
def test_odd_words_mean_what_they_say(seed):
    options = {"receipt_words": "odd", "receipt_format": "short", "seed": seed}
    assert read(options, {})[2][0].status == "delivered"
    assert read({**options, "fail_rate": 1.0}, {})[2][0].status in ("undelivered", "expired", "rejected", "failed")


def test_twice_and_on_the_way():
    on_the_way, end, again = read({"receipt_twice_rate": 1.0, "intermediate_rate": 1.0}, {})[2]
    assert on_the_way.intermediate and on_the_way.status == "sent"
    assert end.status == again.status == "delivered"


def test_what_is_cancelled_is_deleted_in_every_form():
    for form in ("text", "tlv", "both", "payload", "short"):
        lab = Lab(receipt_format=form)
        session, wire = lab.bind()
        session.data_received(submit())
        message_id = wire.heard[1].fields["message_id"]
        cancel = encode(Pdu(spec.CANCEL_SM, 0, 7, {"message_id": message_id}))
        session.data_received(cancel + encode(Pdu(spec.QUERY_SM, 0, 8, {"message_id": message_id})) + cancel)
        assert [p.status for p in wire.heard[2:]] == [0, 0, 0x11]
        assert wire.heard[3].fields["message_state"] == spec.STATE_DELETED
        assert lab.operator.inbox.messages(None, 9) == []
        lab.later(1)
        deliver = parse_deliver(encode(wire.heard[-1]))
        assert ReceiptReader(link_of()).read(deliver).status == "failed"
    assert commands(wire)[-1] == "deliver_sm"


def test_what_is_delivered_cannot_be_cancelled():
    lab = Lab()
    session, wire = lab.bind()
    session.data_received(submit())
    lab.later(1)
    session.data_received(encode(Pdu(spec.CANCEL_SM, 0, 7, {"message_id": wire.heard[1].fields["message_id"]})))
    assert wire.heard[-1].status == 0x11
    assert len(lab.operator.inbox.messages(None, 9)) == 1

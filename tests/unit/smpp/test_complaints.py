"""What users of other gateways and libraries complain of, at the wire: each complaint a test with its name."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.smpp import (
    ClientSession,
    LinkPacker,
    Receipt,
    ReceiptReader,
    decode,
    encode,
    pack_deliver,
    pack_deliver_resps,
    parse_deliver,
    receipt_ms,
    spec,
)
from appliance.smpp.codec import Pdu
from appliance.text import Cutter, sender_octets, shape_of
from appliance.text import encode as encode_text
from tests.support.links import link_of

TO = "+393330000001"


def packed(text: str, sender: str = "BANCA", reference: int = 0x1234, **settings: Any) -> list[Pdu]:
    link = link_of(**settings)
    shape = shape_of(link)
    packer = LinkPacker(link, Cutter(shape).cut, sender_octets, shape)
    parts = packer.prepare(*encode_text(text)[:2], reference)
    return [
        decode(packer.pack(n, sender, TO, parts, n, 0, 600, 1_795_000_000_000)) for n in range(1, len(parts.octets) + 1)
    ]


def bodies(pdus: list[Pdu]) -> list[bytes]:
    """The octets of each part behind its header."""
    out = []
    for pdu in pdus:
        octets = pdu.fields["short_message"]
        assert isinstance(octets, bytes)
        out.append(octets[octets[0] + 1 :] if pdu.fields["esm_class"] == spec.ESM_UDHI else octets)
    return out


def heard(body: str, tlvs: bytes = b"", esm_class: int = 4, **settings: Any) -> Receipt | None:
    frame = pack_deliver(1, TO, "BANCA", esm_class, 0, body.encode("latin-1"), tlvs)
    return ReceiptReader(link_of(**settings)).read(parse_deliver(frame))


def meets(response: str, receipt: str, **settings: Any) -> bool:
    reader = ReceiptReader(link_of(**settings))
    return reader.response_id(response) == reader.receipt_id(receipt)


def bound() -> ClientSession:
    session = ClientSession("transceiver", "case", "pw")
    session.connected(0.0)
    asked = decode(session.take())
    session.hear(encode(Pdu(spec.BIND_TRANSCEIVER_RESP, 0, asked.sequence, {"system_id": b"SMSC"})), 0.0)
    assert session.bound
    return session


# --- receipts lost or not matched -------------------------------------------------------------------------
def test_jasmin_729_every_receipt_on_the_wire_is_heard_however_it_is_cut() -> None:
    session = bound()
    octets = b"".join(pack_deliver(n, TO, "BANCA", 4, 0, b"id:%d stat:DELIVRD" % n) for n in range(1, 6))
    octets += encode(Pdu(spec.ENQUIRE_LINK, 0, 99))
    got = [d.sequence for k in range(0, len(octets), 7) for d in session.hear(octets[k : k + 7], 1.0).delivers]
    assert got == [1, 2, 3, 4, 5]
    session.take()
    session.acknowledge([(n, 0) for n in got])
    assert session.take() == pack_deliver_resps([(n, 0) for n in got])


def test_jasmin_1123_a_leading_zero_in_the_receipt() -> None:
    assert meets("913121205", "0913121205", id_base="dec")
    assert meets("913121205", "0913121205", id_zeros="ignore")
    assert not meets("913121205", "0913121205")


def test_jasmin_643_an_id_that_is_a_uuid() -> None:
    uuid = "0e999f21-81ef-4c1a-9c7e-1f2d3c4b5a69"
    receipt = heard(f"id:{uuid} sub:001 dlvrd:001 stat:DELIVRD err:000 text:")
    assert receipt is not None and receipt.message_id == uuid


def test_jasmin_616_hexadecimal_in_the_response_and_decimal_in_the_receipt() -> None:
    assert meets("1A2B3C4D", "439041101", id_base="hex_dec") and meets("439041101", "1a2b3c4d", id_base="dec_hex")


def test_jasmin_418_ids_that_differ_in_case_or_hold_dashes() -> None:
    assert meets("1eedf843", "1EEDF843", id_base="hex") and meets("1eedf843", "1EEDF843", id_case="ignore")
    assert meets("SAR-234-2-1", "SAR-234-2-1")


def test_telenor_153_hexadecimal_within_a_text_is_no_number() -> None:
    assert not meets("MSG-1A", "MSG-1a", id_base="dec") and not meets("x1A", "x26", id_base="hex_dec")


def test_jasmin_a_receipt_with_an_id_and_no_state_among_its_parameters_counts() -> None:
    receipt = heard("stat:DELIVRD err:000", b"\0\x1e\0\3A1\0")
    assert receipt is not None and (receipt.message_id, receipt.status) == ("A1", "delivered")


@pytest.mark.parametrize("word", ["FAILED", "ACKED", "DELIVERED", "X"])
def test_jasmin_a_word_that_is_not_seven_letters_is_still_a_receipt(word: str) -> None:
    receipt = heard(f"id:7 sub:001 dlvrd:001 stat:{word} err:000 text:")
    assert receipt is not None and receipt.stat == word


def test_jsmpp_62_a_receipt_without_sub_and_dlvrd() -> None:
    receipt = heard("id:1526758174 submit date:1701240904 done date:1701240904 stat:DELIVRD err:000 text:hellow")
    assert receipt is not None and (receipt.message_id, receipt.status, receipt.text) == (
        "1526758174",
        "delivered",
        "hellow",
    )


def test_php_smpp_70_a_long_err_and_a_capital_text() -> None:
    receipt = heard("id:7 stat:UNDELIV err:0000 Text:ciao")
    assert receipt is not None and (receipt.error, receipt.text) == ("0000", "ciao")


def test_kannel_a_comma_separated_receipt_is_read() -> None:
    receipt = heard("00,0210021543,0210021500,,447887123456,8000,", receipt_format="csv")
    assert receipt is not None
    assert (receipt.message_id, receipt.status, receipt.source, receipt.dest, receipt.accepted) == (
        "",
        "delivered",
        "447887123456",
        "8000",
        "0210021500",
    )


def test_ch_smpp_a_customer_cannot_write_a_receipt() -> None:
    forged = "id:7 sub:001 dlvrd:001 stat:DELIVRD err:000 text:"
    assert heard(forged, esm_class=0) is None
    assert heard(forged, esm_class=0, receipt_untyped=True) is not None  # only where a link cannot do otherwise


# --- encoding and segmentation ----------------------------------------------------------------------------
def test_jasmin_256_a_long_text_in_ucs2_is_cut_between_characters() -> None:
    text = "Ж" * 66 + "🙂" * 40
    parts = [body.decode("utf-16-be") for body in bodies(packed(text))]  # half a pair would not decode
    assert len(parts) > 1 and "".join(parts) == text


def test_jasmin_a_character_of_the_extension_table_is_never_cut() -> None:
    for lead in range(150, 155):
        parts = bodies(packed("a" * lead + "€" * 100))
        assert all(part[-1] != 0x1B for part in parts)


def test_jasmin_619_ucs2_is_big_endian_without_a_mark() -> None:
    (pdu,) = packed("Ж")
    assert (pdu.fields["short_message"], pdu.fields["data_coding"]) == (b"\x04\x16", 8)


def test_jasmin_a_long_text_goes_whole_or_not_at_all() -> None:
    text = "a" * 4000
    assert b"".join(bodies(packed(text, reference_bits="8"))) == text.encode()
    assert len(packed(text, reference_bits="8")) == 27


def test_jasmin_one_reference_for_all_is_not_ours() -> None:
    first, second = (packed("a" * 200, reference=n)[0].fields["short_message"] for n in (7, 7 + 256))
    assert isinstance(first, bytes) and isinstance(second, bytes)
    assert first[:7] != second[:7]  # 256 messages later another, where an octet would have come round


# --- fields -----------------------------------------------------------------------------------------------
def test_jasmin_536_one_tag_means_other_things_to_other_operators() -> None:
    india = [{"name": "template_id", "tag": 0x1401, "value": "1107"}]
    elsewhere = [{"name": "carrier_id", "tag": 0x1401, "kind": "int16", "value": 310}]
    assert packed("x", tlvs=india)[0].tlvs == {0x1401: b"1107"}
    assert packed("x", tlvs=elsewhere)[0].tlvs == {0x1401: b"\x01\x36"}


def test_jasmin_1230_the_entity_and_template_of_each_sender_go_along() -> None:
    tlvs = [
        {"name": "pe_id", "tag": 0x1400, "value": "1001"},
        {"name": "template_id", "tag": 0x1401, "by_sender": {"BANCA": "77", "ALERT": "78"}},
    ]
    assert [packed("x", sender, tlvs=tlvs)[0].tlvs.get(0x1401) for sender in ("BANCA", "ALERT", "OTHER")] == [
        b"77",
        b"78",
        None,
    ]


def test_vumi_621_operators_that_deliver_only_long_messages() -> None:
    (pdu,) = packed("ciao", always_long=True)
    assert pdu.fields["esm_class"] == spec.ESM_UDHI and bodies([pdu]) == [b"ciao"]


# --- sessions ---------------------------------------------------------------------------------------------
def test_gosmpp_117_a_refused_submit_without_a_body() -> None:
    session = bound()
    session.sent([9], b"", 1.0)
    assert session.hear(encode(Pdu(spec.SUBMIT_SM_RESP, spec.ESME_RINVDSTADR, 9)), 1.0).answers == [(9, 0x0B, "")]
    assert session.bound


def test_jasmin_595_answers_come_in_any_order_and_some_are_nobodys() -> None:
    session = bound()
    session.sent([5, 6, 7], b"", 1.0)
    answers = b"".join(encode(Pdu(spec.SUBMIT_SM_RESP, 0, n, {"message_id": b"A%d" % n})) for n in (7, 5, 4000, 6))
    got = session.hear(answers, 1.0)
    assert ([sequence for sequence, *_ in got.answers], got.strangers, got.closed) == ([7, 5, 6], 1, "")


def test_receipt_dates() -> None:
    at = 1_795_371_060_000  # 2026-11-22 18:11:00 UTC
    assert receipt_ms("2611221811") == receipt_ms("261122181100") == receipt_ms("20261122181100") == at
    for text in ("", "26112218", "2613221811", "2611221811x", "٢٦١١٢٢١٨١١", "26112218110"):
        assert receipt_ms(text) is None

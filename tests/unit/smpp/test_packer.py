"""The submits of one link, each field as its settings say."""

from __future__ import annotations

from typing import Any

import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st

from appliance.message import BULK, GSM7, OTP, UCS2
from appliance.smpp import LinkPacker, Parts, PduError, decode, parse_submit, spec
from appliance.smpp import encode as encode_pdu
from appliance.text import Cutter, encode, sender_octets, shape_of
from tests.support.links import link_of

AT_MS = 1_795_000_000_123
TO = "+393330000001"


def packer(**settings: Any) -> LinkPacker:
    link = link_of(**settings)
    shape = shape_of(link)
    return LinkPacker(link, Cutter(shape).cut, sender_octets, shape)


def pdus(text: str = "ciao", sender: str = "BANCA", to: str = TO, class_: int = OTP, **settings: Any) -> list[Any]:
    """Every submit of a text, decoded."""
    mine = packer(**settings)
    parts = mine.prepare(*encode(text)[:2], 0x1234)
    submits = len(parts.octets)
    return [decode(mine.pack(n, sender, to, parts, n, class_, 600, AT_MS, 0x0500 + n)) for n in range(1, submits + 1)]


def fields(**more: Any) -> dict[str, Any]:
    return dict(pdus(**more)[0].fields)


def test_the_plain_link() -> None:
    pdu = pdus()[0]
    assert pdu.tlvs == {}
    assert pdu.fields == {
        "service_type": b"",
        "source_addr_ton": 5,
        "source_addr_npi": 0,
        "source_addr": b"BANCA",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": b"393330000001",
        "esm_class": 0,
        "protocol_id": 0,
        "priority_flag": 0,
        "schedule_delivery_time": b"",
        "validity_period": b"000000001000000R",
        "registered_delivery": 1,
        "replace_if_present_flag": 0,
        "data_coding": 0,
        "sm_default_msg_id": 0,
        "short_message": b"ciao",
    }


@pytest.mark.parametrize(
    ("sender", "form"), [("BANCA", (5, 0)), ("43210", (3, 0)), ("+391234567890", (1, 1)), ("", (0, 0))]
)
def test_ton_and_npi_by_the_form_of_the_sender(sender: str, form: tuple[int, int]) -> None:
    heard = fields(sender=sender)
    assert (heard["source_addr_ton"], heard["source_addr_npi"]) == form
    assert heard["source_addr"] == sender.removeprefix("+").encode()


def test_ton_and_npi_as_the_link_says() -> None:
    each = {"alphanumeric_ton": 0, "alphanumeric_npi": 9, "short_code_ton": 6, "short_code_npi": 8, "number_ton": 2}
    forms = [fields(sender=s, **each) for s in ("BANCA", "43210", "+391234567890")]
    assert [(f["source_addr_ton"], f["source_addr_npi"]) for f in forms] == [(0, 9), (6, 8), (2, 1)]
    heard = fields(source_ton=0, source_npi=1, dest_ton=2, dest_npi=8)
    assert (heard["source_addr_ton"], heard["source_addr_npi"]) == (0, 1)
    assert (heard["dest_addr_ton"], heard["dest_addr_npi"]) == (2, 8)


@pytest.mark.parametrize("prefix", ["", "+", "00"])
def test_what_stands_before_a_whole_number(prefix: str) -> None:
    heard = fields(sender="+391234567890", number_prefix=prefix)
    assert heard["source_addr"] == prefix.encode() + b"391234567890"
    assert heard["destination_addr"] == prefix.encode() + b"393330000001"
    assert fields(sender="43210", number_prefix=prefix)["source_addr"] == b"43210"


def test_addresses_longer_than_twenty_octets_where_the_operator_takes_them() -> None:
    long = "X" * 40
    with pytest.raises(PduError, match="sender"):
        pdus(sender=long)
    assert fields(sender=long, address_octets=64)["source_addr"] == long.encode()
    with pytest.raises(PduError, match="destination"):
        pdus(to="+" + "3" * 20, number_prefix="+")
    assert fields(to="+" + "3" * 20)["destination_addr"] == b"3" * 20


@pytest.mark.parametrize("to", ["", "+", "39a33", "39\x0033", "+39 333"])
def test_a_destination_that_is_no_number_is_refused(to: str) -> None:
    with pytest.raises(PduError) as refused:
        pdus(to=to)
    assert refused.value.status == spec.ESME_RINVDSTADR


def test_an_alphanumeric_sender_in_gsm_03_38() -> None:
    assert fields(sender="BANK_1", sender_charset="gsm7")["source_addr"] == b"BANK\x111"
    with pytest.raises(PduError) as refused:
        pdus(sender="BANK@HOME", sender_charset="gsm7")
    assert refused.value.status == spec.ESME_RINVSRCADR


@pytest.mark.parametrize(("asked", "bits"), [("final", 1), ("failure", 2), ("intermediate", 0x11), ("none", 0)])
def test_registered_delivery_bits(asked: str, bits: int) -> None:
    assert fields(registered_delivery=asked)["registered_delivery"] == bits


def test_service_type_protocol_id_and_their_like_per_link() -> None:
    heard = fields(service_type="CMT", protocol_id=0x41, priority_flag=2, replace_if_present=True)
    assert (heard["service_type"], heard["protocol_id"], heard["priority_flag"]) == (b"CMT", 0x41, 2)
    assert heard["replace_if_present_flag"] == 1


def test_data_coding_map() -> None:
    coded = {"data_coding_default": 1, "data_coding_ucs2": 0x18}
    assert fields(**coded)["data_coding"] == 1
    assert fields(text="Ж", **coded)["data_coding"] == 0x18
    assert fields(text="5 €", alphabet="latin1", data_coding_default=3)["data_coding"] == 8
    assert fields(text="è", alphabet="latin1", data_coding_default=3)["short_message"] == b"\xe8"


@pytest.mark.parametrize(
    ("settings", "octets"),
    [
        ({}, b"000000001000000R"),
        ({"validity": "none"}, b""),
        ({"validity": "absolute"}, b"261118111640000+"),
        ({"validity": "absolute", "validity_offset_minutes": 330}, b"261118164640022+"),
        ({"validity": "absolute", "validity_offset_minutes": -300}, b"261118061640020-"),
    ],
)
def test_validity_relative_absolute_or_none(settings: dict[str, Any], octets: bytes) -> None:
    assert fields(**settings)["validity_period"] == octets


def test_validity_is_never_shorter_than_asked_nor_a_minute_longer() -> None:
    assert fields(class_=BULK)["validity_period"] == b"000000001100000R"
    assert fields(class_=BULK, validity="absolute")["validity_period"] == b"261118111700000+"


def test_user_message_reference() -> None:
    assert pdus(user_message_reference=True)[0].tlvs == {0x0204: b"\5\1"}


def test_vendor_tlvs_by_link_and_sender() -> None:
    tlvs = [
        {"name": "pe_id", "tag": 0x1400, "value": "1001"},
        {"name": "template_id", "tag": 0x1401, "by_sender": {"BANCA": "77", "": "99"}},
        {"name": "campaign", "tag": 0x1402, "kind": "int16", "by_sender": {"PROMO": 7}},
    ]
    assert pdus(tlvs=tlvs)[0].tlvs == {0x1400: b"1001", 0x1401: b"77"}
    assert pdus(tlvs=tlvs, sender="PROMO")[0].tlvs == {0x1400: b"1001", 0x1401: b"99", 0x1402: b"\0\7"}
    assert pdus(tlvs=tlvs, sender="", default_sender="BANCA")[0].tlvs[0x1401] == b"77"
    other = [{"name": "customer_reference", "tag": 0x1400, "value": "abc"}]
    assert pdus(tlvs=other)[0].tlvs == {0x1400: b"abc"}


def test_a_long_message_by_udh() -> None:
    heard = pdus("a" * 200)
    assert [p.fields["esm_class"] for p in heard] == [0x40, 0x40] and not any(p.tlvs for p in heard)
    assert [p.fields["short_message"][:7] for p in heard] == [b"\6\x08\4\x12\x34\2\1", b"\6\x08\4\x12\x34\2\2"]
    assert pdus("a" * 200, reference_bits=8)[0].fields["short_message"][:6] == b"\5\0\3\x34\2\1"


def test_a_long_message_by_sar() -> None:
    heard = pdus("a" * 200, long_message="sar")
    assert [p.fields["esm_class"] for p in heard] == [0, 0]
    assert [p.tlvs for p in heard] == [{0x20C: b"\x12\x34", 0x20E: b"\2", 0x20F: bytes((n,))} for n in (1, 2)]


@pytest.mark.parametrize("text", ["a" * 4000, "Ж" * 4000])
def test_a_long_message_in_message_payload(text: str) -> None:
    (heard,) = pdus(text, long_message="payload", user_message_reference=True)
    payload = encode(text)[1]
    assert (heard.fields["short_message"], heard.fields["esm_class"]) == (b"", 0)
    assert heard.tlvs == {0x424: payload, 0x204: b"\5\1"}


def test_more_parts_than_a_header_counts_are_refused() -> None:
    with pytest.raises(PduError) as refused:
        pdus("Ж" * 4000, segment_octets=20)
    assert refused.value.status == spec.ESME_RINVMSGLEN


def test_a_part_that_no_short_message_holds_is_refused() -> None:
    mine = packer()
    with pytest.raises(PduError) as refused:
        mine.pack(1, "BANCA", TO, Parts(0, 0, [b"x" * 255]), 1, OTP, 600, AT_MS)
    assert refused.value.status == spec.ESME_RINVMSGLEN
    with pytest.raises(PduError) as refused:
        packer(sender_charset="latin1").pack(1, "Банк", TO, Parts(0, 0, [b"x"]), 1, OTP, 600, AT_MS)
    assert refused.value.status == spec.ESME_RINVSRCADR


def test_another_implementation_reads_our_submits() -> None:
    mine = packer(service_type="CMT", validity="absolute", user_message_reference=True)
    parts = mine.prepare(UCS2, "Ж".encode("utf-16-be"), 0)
    theirs = smpp34.decode(mine.pack(7, "BANCA", TO, parts, 1, OTP, 600, AT_MS, 9))
    assert (theirs.sequence_number, theirs.source_addr, theirs.destination_addr) == (7, "BANCA", TO[1:])
    assert (theirs.service_type, theirs.data_coding, bytes(theirs.short_message)) == ("CMT", 8, b"\x04\x16")
    assert [(t.tag, bytes(t.value)) for t in theirs.tlvs] == [(0x204, b"\0\t")]


def test_the_rest_of_a_begun_message_goes_as_its_beginning() -> None:
    encoding, payload, _ = encode("a" * 200)
    begun = packer().prepare(encoding, payload, 7)
    same, sar, packed = packer(), packer(long_message="sar", data_coding_default=1), packer(alphabet="gsm7_packed")
    assert same.adopt(begun, encoding) is begun
    adopted = sar.adopt(begun, encoding)
    assert adopted is not None
    assert (adopted.octets, adopted.joined, adopted.data_coding) == (begun.octets, False, 1)
    assert packed.adopt(begun, encoding) is None


def test_a_question_about_a_message_names_the_sender_as_its_submit_did() -> None:
    mine = packer(number_prefix="00", default_sender="BANCA")
    assert mine.source("") == (5, 0, b"BANCA")
    assert mine.source("+391234567890") == (1, 1, b"00391234567890")
    assert mine.dest(TO) == (1, 1, b"00393330000001")


def test_what_a_packer_remembers_is_bounded() -> None:
    mine = packer(validity="absolute")
    parts = mine.prepare(GSM7, b"x", 0)
    for n in range(9_000):
        mine.pack(1, f"S{n}", TO, parts, 1, OTP, 600 + n, AT_MS)
    assert len(mine._heads) <= 4_096 and len(mine._options) <= 4_096


@given(
    st.text(min_size=1, max_size=400).filter(lambda t: not any(0xD800 <= ord(c) < 0xE000 for c in t)),
    st.sampled_from(("gsm7", "gsm7_packed", "latin1")),
    st.sampled_from(("udh", "sar", "payload")),
    st.booleans(),
    st.integers(0, 700_000),
)
def test_whatever_is_packed_is_read(text: str, alphabet: str, method: str, always: bool, left_s: int) -> None:
    always = always and method != "payload"
    mine = packer(alphabet=alphabet, long_message=method, always_long=always, user_message_reference=True)
    parts = mine.prepare(*encode(text)[:2], 1)
    for n in range(1, len(parts.octets) + 1):
        frame = mine.pack(n, "BANCA", TO, parts, n, BULK, left_s, AT_MS, n)
        heard = parse_submit(frame)
        assert (heard.sequence, heard.short_message) == (n, parts.octets[n - 1])
        pdu = decode(frame)
        assert encode_pdu(pdu) == frame
        assert pdu.tlvs[0x204] == n.to_bytes(2, "big")
        assert (parts.data_coding == 8) == (encode(text)[0] == UCS2) or alphabet == "latin1"

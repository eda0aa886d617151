"""The codec against hand-assembled octets of the specification, against two other implementations, and against itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import smpp34
from hypothesis import given, settings
from hypothesis import strategies as st
from smpplib import smpp as smpplib_pdus

from appliance.limits import PDU_OCTETS_MAX
from appliance.smpp import (
    Framer,
    FramingError,
    Pdu,
    PduError,
    absolute_validity,
    decode,
    destinations,
    encode,
    failures,
    pack_deliver,
    pack_deliver_resp,
    pack_deliver_resps,
    pack_destinations,
    pack_failures,
    pack_submit_resp,
    pack_tlvs,
    parse_deliver,
    parse_submit,
    parse_submit_resp,
    relative_validity,
    source_form,
    spec,
    status_name,
    validity_ms,
    verdict,
)
from tests.support.submits import packed_submit

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "smpp" / "pdus.json").read_text())


def expected(row: dict[str, Any]) -> Pdu:
    fields = {k: x if isinstance(x, int) else bytes.fromhex(x["hex"]) for k, x in row["fields"].items()}
    return Pdu(
        row["command_id"],
        row["status"],
        row["sequence"],
        fields,
        {int(k): bytes.fromhex(x) for k, x in row["tlvs"].items()},
    )


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: row["name"])
def test_vector_both_ways(row: dict[str, Any]) -> None:
    octets = bytes.fromhex(row["octets"])
    assert decode(octets) == expected(row)
    assert encode(expected(row)) == octets


def test_every_pdu_has_a_vector() -> None:
    assert {row["command_id"] for row in VECTORS} == set(spec.COMMANDS)


# --- any PDU, there and back ------------------------------------------------------------------------------
def texts(most: int) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=most).map(lambda b: b.replace(b"\0", b"x"))


ADDRESSES = st.tuples(st.integers(0, 255), st.integers(0, 255), texts(20))
LISTS = texts(20).map(lambda name: (-1, -1, name))
KINDS = {
    spec.NUMBER: lambda f: st.integers(0, 255),
    spec.TEXT: lambda f: texts(f.octets - 1),
    spec.SHORT_MESSAGE: lambda f: st.binary(max_size=254),
    spec.DESTINATIONS: lambda f: st.lists(st.one_of(ADDRESSES, LISTS), max_size=9).map(pack_destinations),
    spec.FAILURES: lambda f: st.lists(
        st.tuples(st.integers(0, 255), st.integers(0, 255), texts(20), st.integers(0, 2**32 - 1)), max_size=9
    ).map(pack_failures),
}


@st.composite
def pdus(draw: st.DrawFn, commands: tuple[int, ...] = tuple(sorted(spec.BODIES))) -> Pdu:
    command = draw(st.sampled_from(commands))
    layout = spec.BODIES[command]
    fields = {f.name: draw(KINDS[f.kind](f)) for f in layout}
    tlvs = draw(st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=40), max_size=4)) if layout else {}
    return Pdu(command, draw(st.sampled_from((0, 8, 0x58))), draw(st.integers(0, 0x7FFFFFFF)), fields, tlvs)


@settings(max_examples=400, deadline=None)
@given(pdus())
def test_round_trip_of_every_pdu(pdu: Pdu) -> None:
    octets = encode(pdu)
    assert decode(octets) == pdu
    assert Framer().hear(octets) == [octets]


@pytest.mark.parametrize("command", sorted(spec.BODIES), ids=lambda c: spec.COMMANDS[c])
def test_round_trip_of_each_pdu_without_content(command: int) -> None:
    pdu = decode(encode(Pdu(command)))
    assert pdu.command_id == command
    assert all(not value for value in pdu.fields.values())


def test_lists_within_submit_multi_read_back() -> None:
    items = [(1, 1, b"39333"), (-1, -1, b"VIP")]
    assert destinations(pack_destinations(items)) == items
    refused = [(1, 1, b"39333", spec.ESME_RINVDSTADR)]
    assert failures(pack_failures(refused)) == refused


# --- what is refused, and with which status ---------------------------------------------------------------
SUBMIT = packed_submit(7, "BANCA", "+393330000001", short_message=b"ciao", service_type=b"CMT")


def with_length(frame: bytes) -> bytes:
    return len(frame).to_bytes(4, "big") + frame[4:]


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (b"", spec.ESME_RINVCMDLEN),
        (SUBMIT[:15], spec.ESME_RINVCMDLEN),
        (SUBMIT[:-1], spec.ESME_RINVCMDLEN),
        (with_length(SUBMIT[:-1]), spec.ESME_RINVMSGLEN),
        (with_length(SUBMIT + b"\0\1\0"), spec.ESME_RINVOPTPARSTREAM),
        (with_length(SUBMIT + b"\4\x24\0\xffab"), spec.ESME_RINVOPTPARSTREAM),
        (with_length(SUBMIT[:16] + b"TOOLONG" + SUBMIT[19:]), spec.ESME_RINVSERTYP),
        (with_length(SUBMIT[:22] + b"1" * 80 + SUBMIT[22:]), spec.ESME_RINVSRCADR),
        (bytes.fromhex("00000010 00000777 00000000 00000009"), spec.ESME_RINVCMDID),
        (bytes.fromhex("00000011 00000015 00000000 00000009 00"), spec.ESME_RINVCMDLEN),
        (bytes.fromhex("00000010 00000004 00000000 00000009"), spec.ESME_RINVCMDLEN),
    ],
)
def test_a_broken_pdu_says_how_to_answer(frame: bytes, status: int) -> None:
    with pytest.raises(PduError) as e:
        decode(frame)
    assert e.value.status == status
    assert e.value.sequence == (int.from_bytes(frame[12:16], "big") if len(frame) >= 16 else 0)


@pytest.mark.parametrize(
    ("pdu", "status"),
    [
        (Pdu(spec.BIND_TRANSCEIVER, fields={"system_id": b"x" * 16}), spec.ESME_RINVSYSID),
        (Pdu(spec.SUBMIT_SM, fields={"short_message": b"x" * 255}), spec.ESME_RINVMSGLEN),
        (Pdu(spec.SUBMIT_SM, fields={"source_addr": b"a\0b"}), spec.ESME_RINVSRCADR),
        (Pdu(spec.SUBMIT_SM, fields={"destination_addr": b"1" * 21}), spec.ESME_RINVDSTADR),
        (Pdu(spec.SUBMIT_SM, fields={"esm_class": 256}), spec.ESME_RINVCMDLEN),
        (Pdu(spec.SUBMIT_SM, fields={"esm_class": b"1"}), spec.ESME_RINVCMDLEN),
        (Pdu(spec.SUBMIT_SM, fields={"short_message": 1}), spec.ESME_RINVMSGLEN),
        (Pdu(spec.SUBMIT_SM, fields={"nonsense": 1}), spec.ESME_RINVCMDLEN),
        (Pdu(spec.SUBMIT_SM, tlvs={0x424: b"x" * 70_000}), spec.ESME_RINVOPTPARSTREAM),
        (Pdu(spec.SUBMIT_SM, tlvs={1: b"x" * 65_000, 2: b"x" * 65_000}), spec.ESME_RINVCMDLEN),
        (Pdu(0x777), spec.ESME_RINVCMDID),
        (Pdu(spec.UNBIND, sequence=-1), spec.ESME_RINVCMDLEN),
    ],
)
def test_what_does_not_fit_is_not_encoded(pdu: Pdu, status: int) -> None:
    with pytest.raises(PduError) as e:
        encode(pdu)
    assert e.value.status == status


def test_unknown_optional_parameters_are_kept() -> None:
    frame = encode(Pdu(spec.SUBMIT_SM, tlvs={0x1400: b"1101", 0x1501: b""}))
    assert decode(frame).tlvs == {0x1400: b"1101", 0x1501: b""}


def test_a_long_password_is_sent_as_it_is() -> None:
    frame = encode(Pdu(spec.BIND_TRANSMITTER, fields={"password": b"p" * 64}))
    assert decode(frame).fields["password"] == b"p" * 64


def test_statuses_have_names_and_verdicts() -> None:
    assert status_name(0x58) == "ESME_RTHROTTLED"
    assert status_name(0x411) == "0x00000411"
    assert verdict(0) == spec.OK
    assert verdict(spec.ESME_RTHROTTLED) == verdict(spec.ESME_RMSGQFUL) == spec.THROTTLED
    assert verdict(spec.ESME_RSYSERR) == spec.RETRY
    assert verdict(spec.ESME_RINVDSTADR) == verdict(0x411) == spec.PERMANENT
    assert {row.verdict for row in spec.STATUSES.values()} == set(spec.VERDICTS)


# --- frames -----------------------------------------------------------------------------------------------
@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60))
def test_frames_come_out_whole_however_they_are_cut(cuts: bytes) -> None:
    frames = [SUBMIT, pack_submit_resp(1, 0, "abc"), pack_deliver_resp(2), SUBMIT] * 5
    stream, framer, out, at = b"".join(frames), Framer(), [], 0
    for cut in (1 + octet % 60 for octet in cuts):
        out += framer.hear(stream[at : at + cut])
        at += cut
    out += framer.hear(stream[at:])
    assert out == frames


@pytest.mark.parametrize("length", [0, 15, PDU_OCTETS_MAX + 1, 0xFFFFFFFF])
def test_a_length_that_cannot_be_ends_the_connection(length: int) -> None:
    with pytest.raises(FramingError):
        Framer().hear(length.to_bytes(4, "big"))


# --- the fast paths say what the tables say ---------------------------------------------------------------
DIGITS = st.text("0123456789", min_size=1, max_size=20)
MESSAGES = st.binary(max_size=254)
TAGS = st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=40), max_size=3)


@settings(max_examples=400, deadline=None)
@given(pdus((spec.SUBMIT_SM, spec.DELIVER_SM)))
def test_fast_parsers_agree_with_the_tables(pdu: Pdu) -> None:
    frame, fields = encode(pdu), pdu.fields
    body = fields["short_message"] or pdu.tlvs.get(spec.TLV_MESSAGE_PAYLOAD, b"")
    for heard in (parse_deliver(frame), parse_submit(frame)):
        assert heard.sequence == pdu.sequence
        assert heard.source.encode("latin-1") == fields["source_addr"]
        assert heard.dest.encode("latin-1") == fields["destination_addr"]
        assert (heard.esm_class, heard.data_coding) == (fields["esm_class"], fields["data_coding"])
        assert (heard.source_ton, heard.dest_ton) == (fields["source_addr_ton"], fields["dest_addr_ton"])
        assert heard.short_message == body
        assert heard.tlvs == pdu.tlvs
    submit = parse_submit(frame)
    assert submit.registered_delivery == fields["registered_delivery"]
    assert (submit.schedule, submit.validity) == (fields["schedule_delivery_time"], fields["validity_period"])


@settings(max_examples=300, deadline=None)
@given(DIGITS, MESSAGES, TAGS)
def test_fast_deliver_is_the_tables_deliver(source: str, message: bytes, tlvs: dict[int, bytes]) -> None:
    frame = pack_deliver(9, source, "BANCA", 4, 3, message, pack_tlvs(tlvs))
    pdu = decode(frame)
    assert encode(pdu) == frame
    assert (pdu.fields["source_addr"], pdu.fields["short_message"], pdu.tlvs) == (source.encode(), message, tlvs)


def test_fast_responses_are_the_tables_responses() -> None:
    assert pack_submit_resp(3, 0, "1a2b") == encode(Pdu(spec.SUBMIT_SM_RESP, 0, 3, {"message_id": b"1a2b"}))
    assert pack_submit_resp(3, 0x58) == encode(Pdu(spec.SUBMIT_SM_RESP, 0x58, 3))
    assert pack_deliver_resp(3, 0x64) == encode(Pdu(spec.DELIVER_SM_RESP, 0x64, 3, {"message_id": b""}))
    assert pack_deliver_resps([(1, 0), (2, 0x64)]) == pack_deliver_resp(1) + pack_deliver_resp(2, 0x64)
    assert parse_submit_resp(pack_submit_resp(3, 0, "1a2b")) == (3, 0, "1a2b")
    assert parse_submit_resp(pack_submit_resp(3, 0x58)) == (3, 0x58, "")


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("BANCA", (5, 0)),
        ("Bank 24", (5, 0)),
        ("48484", (3, 0)),
        ("+393330000001", (1, 1)),
        ("393330000001", (1, 1)),
        ("+48484", (1, 1)),
        ("٣٣٣", (5, 0)),
        ("", (0, 0)),
    ],
)
def test_type_of_number_follows_the_form_of_the_sender(source: str, form: tuple[int, int]) -> None:
    assert source_form(source) == form


# --- times, section 7.1.1 ---------------------------------------------------------------------------------
@given(st.integers(946_684_800_000, 4_102_444_799_999))
def test_absolute_time_reads_back(at_ms: int) -> None:
    assert validity_ms(absolute_validity(at_ms), 0) == at_ms // 100 * 100


@given(st.integers(1, 31 * 86_400))
def test_relative_time_reads_back(seconds: int) -> None:
    assert validity_ms(relative_validity(seconds), 5_000) == 5_000 + 1000 * seconds


def test_times_of_the_specification() -> None:
    assert absolute_validity(1_795_372_200_700) == b"261122183000700+"
    assert relative_validity(600) == b"000000001000000R"
    assert relative_validity(0) == b"000000000001000R"
    noon = validity_ms(b"261122120000000+", 0)
    assert validity_ms(b"261122140000008+", 0) == validity_ms(b"261122100000008-", 0) == noon
    for text in (b"", b"261322120000000+", b"26112212000000", b"2611221200000ab+"):
        assert validity_ms(text, 0) is None


# --- other people's implementations -----------------------------------------------------------------------
class Numbering:
    sequence = 41

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence


SMPPLIB = {
    "bind_transmitter": {"system_id": "case", "password": "pw", "system_type": "", "interface_version": 0x34},
    "bind_transceiver": {"system_id": "case", "password": "pw", "system_type": "", "interface_version": 0x34},
    "submit_sm": {
        "service_type": "CMT",
        "source_addr_ton": 5,
        "source_addr_npi": 0,
        "source_addr": "BANCA",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": "393330000001",
        "registered_delivery": 1,
        "data_coding": 8,
        "short_message": b"\0c\0i",
        "user_message_reference": 7,
    },
    "enquire_link": {},
    "unbind": {},
    "query_sm": {"message_id": "X12", "source_addr_ton": 1, "source_addr_npi": 1, "source_addr": "39"},
}


@pytest.mark.parametrize("name", SMPPLIB)
def test_smpplib_encodes_we_decode(name: str) -> None:
    given_fields = SMPPLIB[name]
    octets = smpplib_pdus.make_pdu(name, client=Numbering(), **given_fields).generate()
    pdu = decode(octets)
    assert spec.COMMANDS[pdu.command_id] == name
    assert pdu.sequence == 42
    for field, value in given_fields.items():
        if field == "user_message_reference":
            assert pdu.tlvs[spec.TLV_USER_MESSAGE_REFERENCE] == b"\0\7"
        else:
            assert pdu.fields[field] == (value.encode() if isinstance(value, str) else value)
    assert encode(pdu) == octets


SMPPLIB_READS = {*SMPPLIB, "submit_sm_resp", "deliver_sm", "bind_transceiver_resp"}  # the others it has no parser for


@pytest.mark.parametrize(
    "row", [r for r in VECTORS if spec.COMMANDS[r["command_id"]] in SMPPLIB_READS], ids=lambda row: row["name"]
)
def test_we_encode_smpplib_decodes(row: dict[str, Any]) -> None:
    pdu = expected(row)
    theirs = smpplib_pdus.parse_pdu(encode(pdu), client=Numbering())
    assert theirs.command == spec.COMMANDS[pdu.command_id]
    assert (theirs.sequence, theirs.status) == (pdu.sequence, pdu.status)
    for name in ("source_addr", "destination_addr", "esm_class", "short_message", "message_id", "system_id"):
        if name in pdu.fields:
            assert (getattr(theirs, name, None) or b"") == pdu.fields[name] or getattr(theirs, name) == pdu.fields[name]


@pytest.mark.parametrize("kind", [smpp34.SubmitSm, smpp34.DeliverSm])
def test_smpp34_encodes_we_decode(kind: Any) -> None:
    theirs = kind(
        "BANCA",
        "393330000001",
        b"\0c\0i",
        service_type="CMT",
        source_addr_ton=5,
        dest_addr_ton=1,
        dest_addr_npi=1,
        esm_class=0x40,
        data_coding=8,
        registered_delivery=1,
        tlvs=[smpp34.Tlv(0x1400, b"1101")],
        sequence_number=77,
    )
    octets = theirs.encode()
    pdu = decode(octets)
    assert pdu.sequence == 77 and pdu.tlvs == {0x1400: b"1101"}
    assert pdu.fields["source_addr"] == b"BANCA" and pdu.fields["short_message"] == b"\0c\0i"
    assert encode(pdu) == octets
    assert parse_submit(octets).dest == parse_deliver(octets).dest == "393330000001"


def test_we_encode_smpp34_decodes() -> None:
    validity = absolute_validity(1_732_300_000_000)
    theirs = smpp34.decode(packed_submit(7, "BANCA", "+393330000001", 0x40, 8, 1, validity, b"\0c"))
    assert (theirs.sequence_number, theirs.source_addr, theirs.destination_addr) == (7, "BANCA", "393330000001")
    assert (theirs.esm_class, theirs.data_coding, theirs.validity_period) == (0x40, 8, validity.decode())
    assert bytes(theirs.short_message) == b"\0c"
    deliver = smpp34.decode(pack_deliver(8, "+393330000001", "48484", 4, 0, b"id:1", pack_tlvs({0x1E: b"1\0"})))
    assert (deliver.source_addr, deliver.dest_addr_ton, bytes(deliver.short_message)) == ("393330000001", 3, b"id:1")
    assert [(t.tag, bytes(t.value)) for t in deliver.tlvs] == [(0x1E, b"1\0")]

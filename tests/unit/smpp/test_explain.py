"""PDUs in words: every field named, nothing personal while masked, and never an exception whatever a peer sends."""

from __future__ import annotations

from random import Random

import pytest

from appliance.limits import PDU_OCTETS_MAX
from appliance.smpp import format_receipt, receipt_tlvs
from appliance.smpp.codec import Pdu, encode, pack_destinations, pack_failures
from appliance.smpp.explain import LINES_MAX, _body, _Reading, explain
from appliance.smpp.fast import pack_deliver, pack_submit_resp, pack_tlvs
from appliance.smpp.spec import (
    BIND_TRANSCEIVER,
    BODIES,
    COMMANDS,
    DATA_SM,
    DELIVER_SM,
    RESPONSE,
    STATUSES,
    SUBMIT_MULTI,
    SUBMIT_MULTI_RESP,
    SUBMIT_SM,
    TLVS,
)
from tests.support.submits import packed_submit

NUMBER, TEXT = "393331234567", "il tuo codice segreto"
SUBMIT = packed_submit(
    7,
    "MYBANK",
    "+" + NUMBER,
    0x40,
    8,
    0x11,
    b"000000001000000R",
    bytes((6, 8, 4, 1, 2, 3, 1)) + TEXT.encode("utf-16-be"),
)
RECEIPT = pack_deliver(3, NUMBER, "MYBANK", 4, 0, format_receipt("AB12", text=TEXT), receipt_tlvs("AB12", 2, 3))


def whole(octets: bytes, **options: object) -> str:
    return "\n".join(explain(octets, **options))  # type: ignore[arg-type]


def test_every_field_of_a_submit_has_its_name_and_meaning() -> None:
    said = whole(SUBMIT)
    assert said.startswith("submit_sm, sequence 7, ")
    for name in ("service_type", "source_addr_ton", "destination_addr", "esm_class", "protocol_id", "data_coding"):
        assert f"  {name} " in said
    for meaning in ("5 alphanumeric", "1 international", "user data header", "UCS-2", "receipt when final", "10 min"):
        assert meaning in said
    assert "intermediate receipts" in said and "reference 258, part 1 of 3" in said
    assert '"MYBANK"' in said, "the bank's own sender is nobody's number"


def test_bodies_and_addresses_are_masked_and_their_lengths_stay() -> None:
    said = whole(SUBMIT)
    assert "12 digits" in said and f"{len(TEXT)} UTF-16 units" in said
    for secret in (NUMBER, NUMBER.encode().hex(), "segreto", TEXT.encode("utf-16-be").hex()[:16]):
        assert secret not in said
    open_ = whole(SUBMIT, mask=False)
    assert NUMBER in open_ and TEXT in open_


def test_a_receipt_keeps_what_the_operator_wrote_and_not_the_words_of_the_message() -> None:
    said = whole(RECEIPT)
    for part in ('id           "AB12"', 'stat         "DELIVRD"', "delivery receipt", "2 DELIVERED", "GSM, code 3"):
        assert part in said
    assert NUMBER not in said and "codice" not in said
    assert "codice" in whole(RECEIPT, mask=False)


def test_a_receipt_of_comma_separated_values_loses_its_numbers() -> None:
    said = whole(pack_deliver(1, NUMBER, "8000", 4, 0, b"00,0210021543,0210021500,034,393331234567,8000,"))
    assert '"0210021543"' in said and '"034"' in said and NUMBER not in said


def test_a_message_of_a_customer_written_like_a_receipt_is_masked() -> None:
    said = whole(pack_deliver(1, NUMBER, "8000", 0, 0, format_receipt("AB12", text=TEXT)))
    assert "AB12" not in said and "codice" not in said


@pytest.mark.parametrize("mask", [True, False])
def test_a_password_never_shows(mask: bool) -> None:
    fields: dict[str, int | bytes] = {"system_id": b"bank", "password": b"geheim12", "interface_version": 0x34}
    said = whole(encode(Pdu(BIND_TRANSCEIVER, 0, 1, fields)), mask=mask)
    assert "geheim" not in said and b"geheim".hex() not in said
    assert '"bank"' in said and "SMPP 3.4" in said and "8 octets" in said


def test_optional_parameters_by_the_standards_name_or_the_links_own() -> None:
    tlvs = pack_tlvs({0x0204: b"\0\7", 0x1400: b"1001234567890", 0x1502: b"x" * 36, 0x0381: NUMBER.encode()})
    octets = pack_deliver(1, NUMBER, "8000", 0, 0, b"hi", tlvs)
    said = whole(octets, names={0x1400: "pe_id"})
    assert "user_message_reference   7" in said
    assert "1001234567890" not in said, "what an operator puts there may be a telephone number"
    ours = encode(Pdu(SUBMIT_SM, fields={"short_message": b"hi"}, tlvs={0x1400: b"1001234567890"}))
    assert 'pe_id 0x1400             "1001234567890"' in whole(ours, names={0x1400: "pe_id"})
    assert "0x1502                   36 octets" in said and NUMBER not in said
    assert "1001234567890" not in whole(octets), "what nobody named may be a number"


def test_several_destinations() -> None:
    dests = pack_destinations([(1, 1, NUMBER.encode()), (-1, -1, b"staff")])
    octets = encode(Pdu(SUBMIT_MULTI, 0, 1, {"dest_addresses": dests, "short_message": b"hi"}))
    assert "12 digits" in whole(octets) and NUMBER not in whole(octets) and NUMBER in whole(octets, mask=False)
    answer = encode(Pdu(SUBMIT_MULTI_RESP, 0, 1, {"unsuccess_smes": pack_failures([(1, 1, NUMBER.encode(), 0x0B)])}))
    assert "12 digits: ESME_RINVDSTADR" in whole(answer)


def test_an_answer_tells_its_status_and_its_id() -> None:
    (line,) = explain(pack_submit_resp(5, 0x58))
    assert line.startswith("submit_sm_resp ESME_RTHROTTLED (") and line.endswith("), sequence 5, 16 octets")
    assert '"ab-12"' in whole(pack_submit_resp(5, 0, "ab-12"))
    assert "0x00000411" in whole(pack_submit_resp(5, 0x411))


def test_every_command_and_status_has_words() -> None:
    for command in COMMANDS:
        octets = encode(Pdu(command, 0, 9, {}))
        assert explain(octets)[0].startswith(COMMANDS[command])
        assert len(explain(octets)) == 1 + sum(1 for _ in BODIES[command])
    assert all(status.meaning for status in STATUSES.values()) and TLVS


@pytest.mark.parametrize(
    ("octets", "where"),
    [
        (b"", "not a PDU"),
        (SUBMIT[:15], "not a PDU"),
        (SUBMIT[:40], "command_length says"),
        (b"\0\0\0\x10" + b"\0\0\0\x99" + bytes(8), "unknown command"),
        (b"\0\0\0\x13" + SUBMIT[4:19], "the PDU ends before source_addr"),
        (b"\0\0\0\x12" + SUBMIT[4:16] + b"ab", "service_type has no end"),
        ((len(RECEIPT) + 2).to_bytes(4, "big") + RECEIPT[4:] + b"\0\1", "ends within an optional parameter"),
        (
            (len(RECEIPT) + 5).to_bytes(4, "big") + RECEIPT[4:] + b"\x04\x24\0\7x",
            "message_payload says 7 octets, 1 are left",
        ),
    ],
)
def test_it_says_where_reading_stopped(octets: bytes, where: str) -> None:
    assert where in whole(octets)


def test_a_body_that_is_no_header_is_not_shown_as_one() -> None:
    """UDHI set, but the octets are words: nothing of them may be taken for a header and printed."""
    for body in (b"Hello " + NUMBER.encode() + b" secret word", b"\x05\x70\3abc" + b"secret", b"\xffsecret"):
        said = whole(pack_deliver(1, NUMBER, "8000", 0x40, 0, body))
        assert "secret" not in said and b"secret".hex() not in said and NUMBER.encode().hex() not in said


def test_thousands_of_empty_parameters_are_cut_short() -> None:
    octets = RECEIPT + b"\x14\x99\0\0" * 15_000
    octets = len(octets).to_bytes(4, "big") + octets[4:]
    assert len(octets) < PDU_OCTETS_MAX and len(explain(octets)) == LINES_MAX + 1


def test_whatever_comes_it_never_raises() -> None:
    chance = Random(3)
    seeds = [SUBMIT, RECEIPT, pack_submit_resp(1, 0, "x"), *(encode(Pdu(command, 0, 9, {})) for command in COMMANDS)]
    for _ in range(4_000):
        octets = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(1, 6)):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        octets = octets[: chance.randrange(len(octets) + 1)] if chance.random() < 0.3 else octets
        if chance.random() < 0.8 and len(octets) >= 4:
            octets[:4] = len(octets).to_bytes(4, "big")
        assert explain(bytes(octets), mask=chance.random() < 0.5)
    for _ in range(500):
        octets = chance.randbytes(chance.randrange(64))
        assert explain(octets)


#: Every place of every PDU but those that hold an operator's message id, and the bank's own sender and parameters.
PLACES = [
    (command, field.name)
    for command, layout in BODIES.items()
    for field in layout
    if field.octets > 12 and field.name not in ("message_id", "dest_addresses", "unsuccess_smes")
]


@pytest.mark.parametrize(("command", "name"), PLACES, ids=[f"{COMMANDS[c]}-{n}" for c, n in PLACES])
def test_a_number_is_masked_wherever_it_stands(command: int, name: str) -> None:
    octets = encode(Pdu(command, fields={name: NUMBER.encode()}))
    said = whole(octets)
    assert NUMBER not in said and NUMBER.encode().hex() not in said


@pytest.mark.parametrize("tag", [*(tag for tag in TLVS if tag != 0x001E), 0x1403, 0x2FFF])
@pytest.mark.parametrize("command", [DELIVER_SM, DATA_SM, BIND_TRANSCEIVER, SUBMIT_SM | RESPONSE])
def test_a_number_is_masked_in_every_optional_parameter_of_an_operator(tag: int, command: int) -> None:
    for octets in (NUMBER.encode(), b"+" + NUMBER.encode() + b"\0", NUMBER.encode("utf-16-be")):
        said = whole(encode(Pdu(command, tlvs={tag: octets})), names={0x1403: "handset"})
        assert NUMBER not in said and octets.hex() not in said


@pytest.mark.parametrize(
    "body",
    [
        f"id:1 sub:{NUMBER} dlvrd:{NUMBER} submit date:+{NUMBER} done date:+{NUMBER} stat:{NUMBER} err:{NUMBER} text:{TEXT}",
        f"id:1 stat:+{NUMBER} err:{NUMBER}/{TEXT}",
        f"{NUMBER},2611222259,2611222300,{NUMBER},{NUMBER},MYBANK,{TEXT}",
        f"DELIVRD,+{NUMBER},{NUMBER}x,000,{NUMBER},MYBANK",
    ],
)
@pytest.mark.parametrize("place", ["short_message", "message_payload"])
def test_a_receipts_keys_hold_no_number(body: str, place: str) -> None:
    octets = body.encode()
    fields: dict[str, int | bytes] = {"esm_class": 4}
    tlvs = {0x0424: octets} if place == "message_payload" else {}
    if place == "short_message":
        fields["short_message"] = octets
    said = whole(encode(Pdu(DELIVER_SM, fields=fields, tlvs=tlvs)))
    assert NUMBER not in said and "codice" not in said


def test_thousands_of_empty_parameters_cost_no_more_than_is_shown() -> None:
    reading = _Reading(encode(Pdu(DELIVER_SM)) + b"\x14\0\0\0" * 17_000, True, {})
    _body(reading)
    assert len(reading.rows) < 2 * LINES_MAX

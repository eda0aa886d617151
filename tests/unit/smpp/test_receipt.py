"""Receipts in every form that operators were seen to send, and ids in every base."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.message import STATUSES
from appliance.smpp import (
    ID_BASES,
    STATES,
    Deliver,
    Receipt,
    ReceiptReader,
    format_id,
    format_receipt,
    pack_deliver,
    parse_deliver,
    receipt_id,
    receipt_tlvs,
    response_id,
    spec,
)
from appliance.smpp.receipt_words import STATE_FAILED, STATE_UNREADABLE, WORDS
from tests.support.links import link_of

PLACE = ("393330000001", "BANCA", None, "2611221830")
STRICT = ReceiptReader(link_of())
LENIENT = ReceiptReader(link_of(receipt_untyped=True))


def heard(
    body: bytes, esm_class: int = 4, tlvs: dict[int, bytes] | None = None, coding: int = 0, lenient: bool = False
) -> Receipt | None:
    deliver = Deliver(1, "393330000001", "BANCA", esm_class, coding, body, tlvs or {}, 1, 5)
    reader = LENIENT if lenient else STRICT
    receipt = reader.read(deliver)
    for _ in range(2):  # the second time from memory
        quick = reader.settled(deliver)
        if quick is not None:
            assert receipt is not None and receipt.final
            assert quick == (receipt.message_id, (receipt.status, receipt.stat, receipt.error))
    return receipt


def read(body: bytes, esm_class: int = 4, tlvs: dict[int, bytes] | None = None, coding: int = 0) -> Receipt:
    receipt = heard(body, esm_class, tlvs, coding)
    assert receipt is not None
    return receipt


FULL = b"id:0123456789 sub:001 dlvrd:001 submit date:2611221830 done date:2611221831 stat:DELIVRD err:000 text:Gentile"


def test_the_form_of_appendix_b() -> None:
    receipt = read(FULL)
    assert receipt == Receipt("0123456789", "DELIVRD", 2, "000", "2611221831", "Gentile", False, True, *PLACE)
    assert receipt.status == "delivered"


def test_the_usual_receipt_is_read_once_a_minute_and_fate() -> None:
    reader = ReceiptReader(link_of())
    one, other = (
        Deliver(1, "393330000001", "BANCA", 4, 0, FULL.replace(b"0123456789", each), {}, 1, 5)
        for each in (b"A1", b"B-2")
    )
    assert reader.settled(one) == ("A1", ("delivered", "DELIVRD", "000"))
    assert reader.settled(other) == ("B-2", ("delivered", "DELIVRD", "000"))
    assert len(reader._seen[b""]) == 1
    for n in range(3_000):
        reader.settled(Deliver(1, "", "", 4, 0, FULL.replace(b"26112218", b"%08d" % n), {}, 1, 5))
    assert sum(map(len, reader._seen.values())) <= 1_024


STATED = {0x1E: b"A1\0", 0x427: b"\2"}


@pytest.mark.parametrize(
    ("tlvs", "found"),
    [
        (STATED, ("A1", ("delivered", "DELIVRD", "000"))),
        (STATED | {0x204: b"\0\7"}, ("A1", ("delivered", "DELIVRD", "000"))),
        (STATED | {0x427: b"\5"}, ("A1", ("undelivered", "DELIVRD", "000"))),  # the parameter wins over the text
        (STATED | {0x427: b"\1"}, None),  # not a final one
        (STATED | {0x1E: b"B2\0"}, None),
        (STATED | {0x1E: b"A1"}, None),
        (STATED | {0x423: b"\3\0\7"}, None),
        ({0x427: b"\2"}, None),
        ({0x1E: b"A1\0"}, None),
    ],
)
def test_the_usual_receipt_may_have_the_usual_parameters(tlvs: dict[int, bytes], found: object) -> None:
    body = FULL.replace(b"0123456789", b"A1")
    receipt = heard(body, tlvs=tlvs)
    assert receipt is not None
    assert STRICT.settled(Deliver(1, "393330000001", "BANCA", 4, 0, body, tlvs, 1, 5)) == found
    without = ReceiptReader(link_of(receipt_format="text"))
    quick = without.settled(Deliver(1, "", "", 4, 0, body, STATED | {0x427: b"\5"}, 1, 5))
    assert quick == ("A1", ("delivered", "DELIVRD", "000"))  # where only the text counts


@pytest.mark.parametrize(
    "body",
    [
        FULL.replace(b"DELIVRD", b"ENROUTE"),
        FULL.replace(b"id:0123456789", b"id:"),
        FULL.replace(b"id:0123456789", b"id:a text:b"),
        FULL.replace(b"0123456789", b"\x00123"),
        FULL.replace(b"sub:001", b"sub:text:"),
        FULL.replace(b" text:Gentile", b""),
    ],
)
def test_what_is_not_the_usual_receipt_is_read_whole(body: bytes) -> None:
    deliver = Deliver(1, "393330000001", "BANCA", 4, 0, body, {}, 1, 5)
    assert STRICT.settled(deliver) is None and STRICT.settled(deliver) is None


@given(
    st.lists(
        st.sampled_from([b"id:", b"x1", b" ", b" text:", b"text:", b" stat:DELIVRD", *FULL.split(b" ")]), max_size=14
    )
)
def test_both_readings_agree(pieces: list[bytes]) -> None:
    heard(b"".join(pieces))
    heard(b" ".join(pieces))


def test_without_sub_and_dlvrd() -> None:
    receipt = read(b"id:1526758174 submit date:1701240904 done date:1701240904 stat:DELIVRD err:000 text:hellow")
    assert (receipt.message_id, receipt.stat, receipt.done_date) == ("1526758174", "DELIVRD", "1701240904")


@pytest.mark.parametrize("error", ["0000", "1", "00A", "abs-sub", "-1", "000102"])
def test_err_of_any_length_and_kind(error: str) -> None:
    assert read(FULL.replace(b"err:000", b"err:" + error.encode())).error == error


@pytest.mark.parametrize("date", ["2611221831", "261122183107", "20261122183107", "", "2026-11-22T18:31"])
def test_done_date_in_any_form(date: str) -> None:
    receipt = read(FULL.replace(b"done date:2611221831", b"done date:" + date.encode()))
    assert (receipt.done_date, receipt.stat) == (date, "DELIVRD")


@pytest.mark.parametrize(
    ("tail", "text"),
    [(b"text:Ciao", "Ciao"), (b"Text:Ciao", "Ciao"), (b"TEXT:", ""), (b"", ""), (b"text:\0\1\xe0", "\0\1à")],
)
def test_text_in_any_case_or_absent(tail: bytes, text: str) -> None:
    receipt = read(FULL.replace(b"text:Gentile", tail))
    assert (receipt.text, receipt.error, receipt.final) == (text, "000", True)


@pytest.mark.parametrize(
    "body",
    [
        FULL.replace(b" ", b"\r\n"),
        FULL.replace(b" sub", b"\0sub").replace(b" stat", b"\tstat"),
        FULL.replace(b" ", b"   "),
        FULL.replace(b"id:", b"ID:").replace(b"stat:", b"Stat:").replace(b"done date", b"Done Date"),
        FULL.replace(b"id:", b"id: ").replace(b"stat:", b"stat: "),
        FULL.replace(b"done date", b"done_date").replace(b"id:", b"Id:"),
        b"\5\0\3\1\1\1" + FULL,
        b" " + FULL,
        FULL.replace(b"DELIVRD", b"delivrd"),
    ],
)
def test_control_octets_blanks_and_case(body: bytes) -> None:
    receipt = read(body)
    assert (receipt.message_id, receipt.stat, receipt.done_date) == ("0123456789", "DELIVRD", "2611221831")


def test_the_messages_own_words_are_not_the_receipt() -> None:
    receipt = read(b"id:7 stat:UNDELIV Text:id:8 stat:DELIVRD err:999 done date:1 text:x")
    assert (receipt.message_id, receipt.stat, receipt.error, receipt.done_date) == ("7", "UNDELIV", "", "")
    assert read(b"mid:8 id:7 substat:X stat:EXPIRED").message_id == "7"


def test_body_in_message_payload() -> None:
    frame = pack_deliver(1, "39333", "BANCA", 4, 0, b"", b"\4\x24" + len(FULL).to_bytes(2, "big") + FULL)
    receipt = STRICT.read(parse_deliver(frame))
    assert receipt is not None and receipt.message_id == "0123456789"


def test_body_in_ucs2() -> None:
    assert read(str(FULL, "ascii").encode("utf-16-be"), coding=8).stat == "DELIVRD"


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_word(word: str) -> None:
    receipt = read(FULL.replace(b"DELIVRD", word.encode()))
    state = STATES[WORDS[word]]
    assert (receipt.stat, receipt.state, receipt.final) == (word, WORDS[word], state.final)
    assert receipt.status == state.status


def test_words_and_numbers_mean_what_the_table_says() -> None:
    meant = {word: STATES[number].status for word, number in WORDS.items()}
    assert meant["DELIVRD"] == "delivered" and meant["UNDELIV"] == "undelivered" and meant["EXPIRED"] == "expired"
    assert meant["REJECTD"] == "rejected" and meant["DELETED"] == meant["UNKNOWN"] == meant["FAILED"] == "failed"
    assert meant["ENROUTE"] == meant["ACCEPTD"] == meant["ACKED"] == meant["BUFFRED"] == meant["BUFFERD"] == "sent"
    for state in STATES.values():
        assert state.status in STATUSES
        assert state.final == (state.status != "sent") and state.reason


def test_an_unknown_word_settles_nothing() -> None:
    receipt = read(FULL.replace(b"DELIVRD", b"BLOCKD"))
    assert (receipt.stat, receipt.state, receipt.final) == ("BLOCKD", STATE_UNREADABLE, False)


# --- optional parameters ----------------------------------------------------------------------------------
def test_optional_parameters_win_over_the_text() -> None:
    receipt = read(FULL, tlvs={0x1E: b"abc\0", 0x427: b"\5"})
    assert (receipt.message_id, receipt.state, receipt.stat, receipt.final) == ("abc", 5, "DELIVRD", True)


def test_id_without_state_takes_the_state_of_the_text() -> None:
    receipt = read(b"stat:EXPIRED err:034", tlvs={0x1E: b"abc\0"})
    assert (receipt.message_id, receipt.state, receipt.error) == ("abc", spec.STATE_EXPIRED, "034")


def test_only_optional_parameters() -> None:
    receipt = read(b"", tlvs={0x1E: b"1a2b", 0x427: b"\2", 0x423: b"\3\0\x22"})
    assert (receipt.message_id, receipt.state, receipt.error, receipt.stat) == ("1a2b", 2, "34", "")


@pytest.mark.parametrize("value", [b"", b"\0", b"\x63"])
def test_a_state_nobody_knows_leaves_it_to_the_text(value: bytes) -> None:
    assert read(FULL, tlvs={0x1E: b"1\0", 0x427: value}).state == spec.STATE_DELIVERED


def test_an_empty_id_parameter_leaves_it_to_the_text() -> None:
    assert read(FULL, tlvs={0x1E: b"\0"}).message_id == "0123456789"


def test_state_nine_is_a_failure() -> None:
    assert read(b"", tlvs={0x1E: b"1\0", 0x427: b"\x09"}).state == STATE_FAILED


# --- what is a receipt ------------------------------------------------------------------------------------
@pytest.mark.parametrize("esm_class", [0x00, 0x01, 0x40, 0x08, 0x10, 0x18])
def test_without_the_receipt_type_it_is_not_one(esm_class: int) -> None:
    assert heard(FULL, esm_class) is None


@pytest.mark.parametrize("esm_class", [0x04, 0x44, 0x07])
def test_a_receipt_with_other_bits(esm_class: int) -> None:
    assert read(FULL, esm_class).final


def test_an_intermediate_one_is_never_final() -> None:
    receipt = read(FULL.replace(b"DELIVRD", b"ENROUTE"), 0x20)
    assert receipt.intermediate and not receipt.final
    assert not read(FULL, 0x20).final and not read(FULL, 0x24).final


def test_lenient_reads_untyped_receipts_but_not_small_talk() -> None:
    receipt = heard(FULL, 0, lenient=True)
    assert receipt is not None and receipt.final
    assert heard(b"id: my id is lost, stat: angry", 0, lenient=True) is None
    assert heard(FULL, 0x08, lenient=True) is None


def test_a_receipt_without_an_id_is_none() -> None:
    assert heard(b"stat:DELIVRD") is None
    assert heard(b"") is None
    assert heard(b"id:" + b"9" * 300 + b" stat:DELIVRD") is None


# --- ids --------------------------------------------------------------------------------------------------
SAME = [
    ("as_is", "0e999f21-81ef-4c1a-9c7e-1f2d3c4b5a69", "0e999f21-81ef-4c1a-9c7e-1f2d3c4b5a69"),
    ("as_is", "SAR-234-2-1", "SAR-234-2-1"),
    ("hex_dec", "1A2B3C4D", "439041101"),
    ("hex_dec", "1a2b3c4d", "0439041101"),
    ("hex_dec", "0x1A", "26"),
    ("dec_hex", "439041101", "1a2b3c4d"),
    ("dec_hex", "439041101", "001A2B3C4D"),
    ("hex", "1eedf843", "1EEDF843"),
    ("hex", "0000ff", "FF"),
    ("hex", "0E999F21-81EF", "0e999f21-81ef"),
    ("dec", "913121205", "0913121205"),
    ("dec", "SAR-1", "SAR-1"),
]
DIFFERENT = [
    ("as_is", "913121205", "0913121205"),
    ("as_is", "1eedf843", "1EEDF843"),
    ("hex_dec", "10", "10"),
    ("dec", "12", "1_2"),
    ("dec", "12", "+12"),
    ("dec", "12", " 12"),
    ("dec", "12", "١٢"),
    ("dec", "SAR-1", "sar-1"),
    ("hex_dec", "ff", "ff"),
]


@pytest.mark.parametrize(("base", "response", "receipt"), SAME)
def test_ids_that_are_one(base: str, response: str, receipt: str) -> None:
    assert response_id(response, base) == receipt_id(receipt, base)


@pytest.mark.parametrize(("base", "response", "receipt"), DIFFERENT)
def test_ids_that_are_two(base: str, response: str, receipt: str) -> None:
    assert response_id(response, base) != receipt_id(receipt, base)


@given(st.sampled_from(sorted(ID_BASES)), st.integers(0, 2**64), st.integers(0, 4))
def test_any_number_meets_itself(base: str, number: int, zeros: int) -> None:
    here, there = ID_BASES[base]
    lead = "0" * zeros if here else ""
    assert response_id(format_id(number, here or 10), base) == receipt_id(lead + format_id(number, there or 10), base)


@given(st.sampled_from(sorted(ID_BASES)), st.text())
def test_any_text_is_an_id(base: str, raw: str) -> None:
    assert isinstance(response_id(raw, base), str) and isinstance(receipt_id(raw, base), str)


# --- the operator's side, and hostile ones ----------------------------------------------------------------
@pytest.mark.parametrize("word", ["DELIVRD", "UNDELIV", "EXPIRED", "REJECTD", "DELETED", "UNKNOWN", "ACCEPTD"])
def test_what_the_simulator_writes_is_read(word: str) -> None:
    body = format_receipt(
        format_id(0x1A2B, 16), word, "2611221830", "2611221831", "005", "a text that is much too long"
    )
    receipt = STRICT.read(parse_deliver(pack_deliver(1, "39333", "BANCA", 4, 0, body)))
    assert receipt is not None
    assert (receipt.message_id, receipt.stat, receipt.error) == ("1A2B", word, "005")
    assert receipt.text == "a text that is much "
    receipt = STRICT.read(parse_deliver(pack_deliver(1, "39333", "BANCA", 4, 0, b"", receipt_tlvs("77", 2, 5))))
    assert receipt is not None
    assert (receipt.message_id, receipt.state, receipt.error) == ("77", 2, "5")


PIECES = st.sampled_from(
    [
        b"id:",
        b"stat:",
        b" ",
        b"\0",
        b"text:",
        b"err:",
        b"done date:",
        b"7",
        b"DELIVRD",
        b"\xff",
        b"sub:001",
        b"ID:",
        b"_date:",
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(st.binary(max_size=254), st.lists(PIECES, max_size=20).map(b"".join)),
    st.integers(0, 255),
    st.integers(0, 255),
    st.dictionaries(st.sampled_from((0x1E, 0x427, 0x423, 0x424)), st.binary(max_size=8)),
    st.booleans(),
)
def test_nothing_breaks_the_parser(
    body: bytes, esm_class: int, coding: int, tlvs: dict[int, bytes], lenient: bool
) -> None:
    receipt = heard(body, esm_class, tlvs, coding, lenient)
    assert receipt is None or (receipt.message_id and receipt.state in STATES and receipt.stat == receipt.stat.upper())

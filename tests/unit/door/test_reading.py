"""What a submission means, field by field, and which status refuses it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.access import DoorAccount
from appliance.door import statuses
from appliance.door.reading import Part, letterhead, part_of, row_of
from appliance.errors import CODES, Error
from appliance.message import NOTIFY_ACCOUNT_SHIFT, NOTIFY_DOOR, NOTIFY_DOOR_FAILURES
from appliance.smpp import PduError, Submission, absolute_validity, spec
from appliance.text import parts_with_udh, split

NOW_MS = 1_795_000_000_000
ACCOUNT = DoorAccount(5, "core", 3, class_="transaction", alphabet="gsm7", sender="BANCA")
PLAIN = Submission(
    spec.SUBMIT_SM, 1, "CMT", (5, 0, "BANCA"), (1, 1, "393331234567"), 0, 0, 0, b"", b"", 0, 0, 0, 0, b"ciao", {}
)


def given_as(**changes: Any) -> Submission:
    return msgspec.structs.replace(PLAIN, **changes)


def row(account: DoorAccount = ACCOUNT, **changes: Any) -> Any:
    submission = given_as(**changes)
    head = letterhead(submission, account)
    return row_of(submission, head, head.octets, [], account, NOW_MS)


def refused(account: DoorAccount = ACCOUNT, **changes: Any) -> int:
    with pytest.raises(PduError) as e:
        row(account, **changes)
    assert e.value.sequence == 1
    return e.value.status


def test_a_plain_submit() -> None:
    got = row()
    assert (got.to, got.text, got.from_, got.class_) == ("+393331234567", "ciao", "BANCA", "transaction")
    assert (got.validity_s, got.send_at, got.notify) == (None, None, 0)
    assert got.door.source == (5, 0, "BANCA") and got.door.dest == (1, 1, "393331234567")


@pytest.mark.parametrize(
    ("dest", "to"),
    [
        ((1, 1, "393331234567"), "+393331234567"),
        ((1, 1, "+393331234567"), "+393331234567"),
        ((0, 0, "+393331234567"), "+393331234567"),
        ((0, 1, "00393331234567"), "00393331234567"),
        ((0, 0, "393331234567"), "+393331234567"),
    ],
)
def test_numbers_are_international_with_or_without_plus(dest: Any, to: str) -> None:
    assert row(dest=dest).to == to


@pytest.mark.parametrize("ton", [2, 3, 4, 5, 6, 9])
def test_a_national_number_is_refused_not_guessed(ton: int) -> None:
    assert refused(dest=(ton, 1, "3331234567")) == statuses.ESME_RINVDSTTON


@pytest.mark.parametrize(
    ("source", "sender"),
    [
        ((5, 0, "Banca 1"), "Banca 1"),
        ((0, 0, "Banca"), "Banca"),
        ((1, 1, "393331234567"), "+393331234567"),
        ((0, 0, "393331234567"), "+393331234567"),
        ((0, 0, "+393331234567"), "+393331234567"),
        ((3, 0, "48000"), "48000"),
        ((0, 0, "48000"), "48000"),
        ((5, 0, "48000"), "48000"),
        ((0, 0, ""), "BANCA"),
    ],
)
def test_senders(source: Any, sender: str) -> None:
    assert row(source=source).from_ == sender


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"source": (2, 1, "3331234567")}, statuses.ESME_RINVSRCTON),
        ({"dest": (1, 1, "")}, spec.ESME_RINVDSTADR),
        ({"esm_class": 0x02}, statuses.ESME_RINVESMCLASS),
        ({"esm_class": 0x04}, statuses.ESME_RINVESMCLASS),
        ({"esm_class": 0x80}, statuses.ESME_RINVESMCLASS),
        ({"protocol_id": 0x40}, spec.ESME_RX_R_APPN),
        ({"priority": 4}, statuses.ESME_RINVPRTFLG),
        ({"registered": 3}, statuses.ESME_RINVREGDLVFLG),
        ({"replace": 1}, statuses.ESME_RINVREPFLAG),
        ({"default_id": 1}, statuses.ESME_RINVDFTMSGID),
        ({"tlvs": {0x0005: b"\x01"}}, statuses.ESME_ROPTPARNOTALLWD),
        ({"tlvs": {0x0019: b"\x01"}}, statuses.ESME_ROPTPARNOTALLWD),
        ({"tlvs": {0x020B: b"\x0b\x84"}}, statuses.ESME_ROPTPARNOTALLWD),
        ({"data_coding": 4}, statuses.ESME_RINVDCS),
        ({"data_coding": 2}, statuses.ESME_RINVDCS),
        ({"data_coding": 0x10}, statuses.ESME_RINVDCS),
        ({"data_coding": 0xF5}, statuses.ESME_RINVDCS),
        ({"message": b"\x80"}, statuses.ESME_RINVDCS),
        ({"data_coding": 1, "message": b"\xe8"}, statuses.ESME_RINVDCS),
        ({"data_coding": 8, "message": b"\0a\0"}, statuses.ESME_RINVDCS),
        ({"data_coding": 8, "message": b"\xd8\x01"}, statuses.ESME_RINVDCS),
        ({"schedule": b"tomorrow"}, spec.ESME_RINVSCHED),
        ({"validity": b"991332000000000+"}, spec.ESME_RINVEXPIRY),
        ({"validity": absolute_validity(NOW_MS - 1)}, spec.ESME_RINVEXPIRY),
        ({"validity": b"000000000005000R"}, spec.ESME_RINVEXPIRY),
    ],
)
def test_what_cannot_be_honoured_names_its_field(changes: dict[str, Any], status: int) -> None:
    assert refused(**changes) == status


def test_optional_parameters_that_say_the_usual_are_taken() -> None:
    assert row(tlvs={0x0005: b"\0", 0x0019: b"\0", 0x0204: b"\0\7"}).text == "ciao"


@pytest.mark.parametrize(
    ("account", "coding", "octets", "text"),
    [
        ("gsm7", 0, b"\x00\x05\x1be", "@é€"),
        ("latin1", 0, b"@\xe9", "@é"),
        ("gsm7", 1, b"ciao @", "ciao @"),
        ("gsm7", 3, b"\xe8 \xa3", "è £"),
        ("latin1", 8, "è 😀".encode("utf-16-be"), "è 😀"),
    ],
)
def test_the_text_in_its_alphabet(account: str, coding: int, octets: bytes, text: str) -> None:
    assert row(DoorAccount(5, "core", 3, alphabet=account), data_coding=coding, message=octets).text == text


@pytest.mark.parametrize(("priority", "class_"), [(0, "bulk"), (1, "transaction"), (2, "alert"), (3, "otp")])
def test_priority_is_the_class(priority: int, class_: str) -> None:
    assert row(DoorAccount(5, "core", 3, class_="bulk"), priority=priority).class_ == class_


@pytest.mark.parametrize(
    ("registered", "bits"), [(0, 0), (1, NOTIFY_DOOR), (2, NOTIFY_DOOR_FAILURES), (0x11, NOTIFY_DOOR), (0x10, 0)]
)
def test_who_is_told(registered: int, bits: int) -> None:
    assert row(registered=registered).notify == (bits | 5 << NOTIFY_ACCOUNT_SHIFT if bits else 0)


def test_times() -> None:
    got = row(schedule=b"000001000000000R", validity=b"000002000000000R")
    assert got.send_at.timestamp() == NOW_MS / 1000 + 86_400
    assert got.validity_s == 86_400
    assert row(validity=b"010000000000000R").validity_s == 7 * 86_400, "longer than operators keep: as long as they do"
    assert refused(schedule=b"000002000000000R", validity=b"000001000000000R") == spec.ESME_RINVEXPIRY


# --- parts ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bits", [8, 16])
def test_parts_with_a_header_are_put_together_as_they_were(bits: int) -> None:
    payload = b"Lungo " * 60
    heads = [part_of(given_as(esm_class=0x40, message=octets)) for octets in parts_with_udh(0, payload, 0x12, bits)]
    assert b"".join(octets for _, octets in heads) == payload
    total = len(split(0, payload, bits))
    assert [p for p, _ in heads] == [Part(f"udh{bits}", 0x12, total, n + 1) for n in range(total)]


def test_parts_with_parameters() -> None:
    tlvs = {spec.TLV_SAR_MSG_REF_NUM: b"\1\2", spec.TLV_SAR_TOTAL_SEGMENTS: b"\3", spec.TLV_SAR_SEGMENT_SEQNUM: b"\2"}
    assert part_of(given_as(tlvs=tlvs)) == (Part("sar", 0x102, 3, 2), b"ciao")
    del tlvs[spec.TLV_SAR_SEGMENT_SEQNUM]
    assert refused(tlvs=tlvs) == statuses.ESME_RINVOPTPARAMVAL


@pytest.mark.parametrize(
    "header",
    [
        b"", b"\5", b"\5\0\3\1\2", b"\5\0\3\1\2\3", b"\5\0\3\1\0\0", b"\6\5\4\0\0\0\0", b"\xff\0\3\1\2\1", b"\3\x24\1\1",
        b"\x0b\0\3\1\2\1\5\4\0\0\0\0", b"\4\0\2\1\2", b"\0", b"\6\0\3\1\2\1\0",
    ],
)  # fmt: skip
def test_headers_that_are_not_one_whole_concatenation_are_refused(header: bytes) -> None:
    assert refused(esm_class=0x40, message=header) == statuses.ESME_RINVESMCLASS


def test_one_part_of_one_is_a_whole_message() -> None:
    assert part_of(given_as(esm_class=0x40, message=b"\5\0\3\1\1\1ciao")) == (None, b"ciao")


@given(st.builds(Submission, *[st.integers(0, 255)] * 2, st.just(""), st.just((1, 1, "a")), st.just((1, 1, "1")),
                 st.sampled_from([0, 0x40]), *[st.just(0)] * 2, st.binary(max_size=17), st.binary(max_size=17), st.integers(0, 2),
                 *[st.just(0)] * 1, st.sampled_from([0, 1, 3, 8]), st.just(0), st.binary(max_size=40), st.just({})))  # fmt: skip
def test_nothing_else_is_raised(submission: Submission) -> None:
    try:
        head = letterhead(submission, ACCOUNT)
        row_of(submission, head, head.octets, [], ACCOUNT, NOW_MS)
    except PduError as e:
        assert e.status


# --- statuses ---------------------------------------------------------------------------------------------
def test_every_code_has_a_status_and_none_is_success() -> None:
    for code in CODES:
        assert statuses.status_of(Error(code, "said")) != spec.ESME_ROK


def test_what_a_later_try_may_mend_is_not_called_permanent() -> None:
    for code in ("hsm_unavailable", "engine_unavailable", "peer_unavailable", "internal", "overloaded", "store_full"):
        assert spec.STATUSES[statuses.status_of(Error(code, "said"))].verdict != spec.PERMANENT, code
    assert statuses.status_of(Error("rate_limited", "said")) == spec.ESME_RTHROTTLED
    assert statuses.status_of(ValueError("ours")) == spec.ESME_RSYSERR


def test_a_row_names_its_field() -> None:
    for field, status in statuses.FIELDS.items():
        assert statuses.status_of(Error("invalid", "said", field=field)) == status

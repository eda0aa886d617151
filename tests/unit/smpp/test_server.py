"""The server's side of a bind as dialogues: what the bank's system says, what we answer, what state that leaves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import appliance.door
from appliance.smpp import (
    SERVER_CLOSES,
    ClientSession,
    Framer,
    Pdu,
    PduError,
    ServerSession,
    decode,
    encode,
    pack_deliver,
    parse_submission,
    spec,
    submission_of,
)
from appliance.smpp.server_states import SERVER_STATES, SERVER_TRANSITIONS
from tests.support.submits import packed_submit

RESP = spec.RESPONSE
KINDS = {"receiver": 1, "transmitter": 2, "transceiver": 9}


def said(session: ServerSession) -> list[tuple[str, int, int]]:
    """What the session has written: (command, status, sequence)."""
    return [(spec.COMMANDS[p.command_id], p.status, p.sequence) for p in map(decode, Framer().hear(session.take()))]


def pdu(command: int, sequence: int, status: int = 0, **fields: int | bytes) -> bytes:
    return encode(Pdu(command, status, sequence, dict(fields)))


def asks(kind: str = "transceiver") -> bytes:
    return pdu(KINDS[kind], 7, system_id=b"core", password=b"secret")


def bound(kind: str = "transceiver", **more: float) -> ServerSession:
    session = ServerSession(0.0, **more)  # type: ignore[arg-type]
    assert session.hear(asks(kind), 0.0).bind is not None
    session.accept_bind(0.0)
    assert said(session) == [(f"bind_{kind}_resp", 0, 7)]
    return session


def submit(sequence: int, text: bytes = b"ciao") -> bytes:
    return packed_submit(sequence, "BANCA", "+393331234567", 0, 0, 1, b"", text)


# --- bind -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_a_bind_waits_for_its_credential_to_be_checked(kind: str) -> None:
    session = ServerSession(0.0)
    asked = session.hear(asks(kind), 0.0).bind
    assert asked is not None
    assert (asked.kind, asked.system_id, asked.password) == (kind, "core", "secret")
    assert "secret" not in repr(asked)
    assert (session.state, said(session)) == ("binding", [])
    session.accept_bind(1.0)
    assert session.state == "bound"
    (answer,) = map(decode, Framer().hear(session.take()))
    assert answer.tlvs == {spec.TLV_SC_INTERFACE_VERSION: b"\x34"}


def test_a_refused_bind_is_over() -> None:
    session = ServerSession(0.0)
    session.hear(asks(), 0.0)
    assert session.refuse_bind(spec.ESME_RINVPASWD, 0.0).closed == "bind_refused"
    assert said(session) == [("bind_transceiver_resp", spec.ESME_RINVPASWD, 7)]
    assert session.over


def test_a_second_bind_does_not_end_the_first() -> None:
    session = bound()
    assert session.hear(asks("receiver"), 0.0).refused == [spec.ESME_RALYBND]
    assert said(session) == [("bind_receiver_resp", spec.ESME_RALYBND, 7)]
    assert session.state == "bound"


def test_who_does_not_bind_is_closed() -> None:
    session = ServerSession(0.0, bind_s=10)
    assert session.tick(9.9).closed == ""
    assert session.next_deadline() == 10
    assert session.tick(10.0).closed == "bind_timeout"


def test_a_check_that_takes_too_long_is_answered_and_over() -> None:
    session = ServerSession(0.0, bind_s=10)
    session.hear(asks(), 5.0)
    assert session.tick(15.0).closed == "bind_timeout"
    assert said(session) == [("bind_transceiver_resp", spec.ESME_RSYSERR, 7)]


def test_a_bind_that_cannot_be_read_is_refused() -> None:
    session = ServerSession(0.0)
    broken = asks()[:-4]
    heard = session.hear(len(broken).to_bytes(4, "big") + broken[4:], 0.0)
    assert heard.closed == "bind_refused"
    assert said(session)[0][1] == spec.ESME_RINVCMDLEN


@pytest.mark.parametrize("kind", [None, "receiver"])
def test_who_may_not_send_does_not(kind: str | None) -> None:
    session = bound(kind) if kind else ServerSession(0.0)
    heard = session.hear(submit(3) + pdu(spec.QUERY_SM, 4, message_id=b"x"), 0.0)
    assert (heard.submissions, heard.requests) == ([], [])
    assert said(session) == [
        ("submit_sm_resp", spec.ESME_RINVBNDSTS, 3),
        ("query_sm_resp", spec.ESME_RINVBNDSTS, 4),
    ]


# --- requests ---------------------------------------------------------------------------------------------
def test_answers_in_any_order() -> None:
    session = bound()
    assert [s.sequence for s in session.hear(submit(1) + submit(2), 0.0).submissions] == [1, 2]
    session.answer(2, 0, "two", 0.0)
    session.answer(1, spec.ESME_RINVDSTADR, "", 0.0)
    answers = [decode(f) for f in Framer().hear(session.take())]
    assert [(a.sequence, a.status, a.fields.get("message_id")) for a in answers] == [
        (2, 0, b"two"),
        (1, spec.ESME_RINVDSTADR, None),
    ]


def test_an_answer_is_given_once() -> None:
    session = bound()
    session.hear(submit(1), 0.0)
    session.answer(1, 0, "one", 0.0)
    session.answer(1, 0, "again", 0.0)
    assert len(said(session)) == 1


def test_more_than_the_window_is_throttled_and_the_rest_stays() -> None:
    session = bound(window=2)
    heard = session.hear(submit(1) + submit(2) + submit(3) + pdu(spec.QUERY_SM, 4, message_id=b"x"), 0.0)
    assert [s.sequence for s in heard.submissions] == [1, 2]
    assert heard.refused == [spec.ESME_RTHROTTLED] * 2
    assert said(session) == [
        ("submit_sm_resp", spec.ESME_RTHROTTLED, 3),
        ("query_sm_resp", spec.ESME_RTHROTTLED, 4),
    ]
    session.answer(1, 0, "x", 0.0)
    assert len(session.hear(submit(5), 0.0).submissions) == 1


def test_a_sequence_that_is_still_open_is_not_taken_twice() -> None:
    session = bound()
    heard = session.hear(submit(1) + submit(1), 0.0)
    assert len(heard.submissions) == 1
    assert said(session) == [("submit_sm_resp", spec.ESME_RSYSERR, 1)]


def test_every_request_of_a_system_is_handed_out_and_answered_in_its_own_kind() -> None:
    session = bound()
    frames = [
        pdu(spec.QUERY_SM, 2, message_id=b"m"),
        pdu(spec.CANCEL_SM, 3, message_id=b"m"),
        pdu(spec.REPLACE_SM, 4, message_id=b"m"),
        pdu(spec.SUBMIT_MULTI, 5, dest_addresses=b"\1\1\1" + b"39333\0"),
    ]
    heard = session.hear(b"".join(frames), 0.0)
    assert [p.command_id for p in heard.requests] == [spec.QUERY_SM, spec.CANCEL_SM, spec.REPLACE_SM, spec.SUBMIT_MULTI]
    session.answer_with(2, {"message_id": b"m", "message_state": 2}, 0.0)
    session.answer(3, 0, "", 0.0)
    session.answer(4, 0x13, "", 0.0)
    session.answer_with(5, {"message_id": b"m"}, 0.0)
    assert [name for name, _, _ in said(session)] == [
        "query_sm_resp",
        "cancel_sm_resp",
        "replace_sm_resp",
        "submit_multi_resp",
    ]
    heard = session.hear(encode(Pdu(spec.DATA_SM, 0, 6, {"destination_addr": b"1"}, {0x424: b"payload"})), 0.0)
    assert heard.submissions[0].message == b"payload"
    session.answer(6, 0, "six", 0.0)
    assert said(session) == [("data_sm_resp", 0, 6)]


def test_a_data_sm_without_a_text_is_answered() -> None:
    session = bound()
    assert session.hear(pdu(spec.DATA_SM, 1, destination_addr=b"1"), 0.0).submissions == []
    assert said(session) == [("data_sm_resp", spec.ESME_RINVMSGLEN, 1)]
    assert session.unanswered == 0


BASE = submit(9)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"TOOLONG\0", spec.ESME_RINVSERTYP),
        (b"\0\1\1" + b"1" * 70 + b"\0", spec.ESME_RINVSRCADR),
        (b"\0\1\0011\0\1\1" + b"1" * 70 + b"\0", spec.ESME_RINVDSTADR),
        (b"\0\1\0011\0\1\0012\0\0\0\0" + b"1" * 20 + b"\0", spec.ESME_RINVSCHED),
        (b"\0\1\0011\0\1\0012\0\0\0\0\0" + b"1" * 20 + b"\0", spec.ESME_RINVEXPIRY),
        (b"\0\1\0011\0\1\0012\0\0\0\0\0\0\0", spec.ESME_RINVCMDLEN),
        (b"\0\1\0011\0\1\0012\0\0\0\0\0\0\0\0\0\0\x09abc", spec.ESME_RINVMSGLEN),
        (b"\0\1\0011\0\1\0012\0\0\0\0\0\0\0\0\0\0\x03abc\4\x24\0\1x", spec.ESME_RINVMSGLEN),
        (b"\0\1\0011\0\1\0012\0\0\0\0\0\0\0\0\0\0\x03abc\4\x24\0\x09x", spec.ESME_RINVOPTPARSTREAM),
    ],
)
def test_a_malformed_submit_is_answered_with_the_field_that_is_wrong(body: bytes, status: int) -> None:
    session = bound()
    frame = (16 + len(body)).to_bytes(4, "big") + BASE[4:12] + (9).to_bytes(4, "big") + body
    assert session.hear(frame, 0.0).refused == [status]
    assert said(session) == [("submit_sm_resp", status, 9)]
    assert session.state == "bound"


def test_what_the_door_does_not_know_is_refused_and_nothing_ends() -> None:
    session = bound()
    session.hear(pdu(spec.ALERT_NOTIFICATION, 5) + (16).to_bytes(4, "big") + b"\0\0\0\x77\0\0\0\0\0\0\0\6", 0.0)
    assert said(session) == [("generic_nack", spec.ESME_RINVCMDID, 5), ("generic_nack", spec.ESME_RINVCMDID, 6)]
    assert session.hear(pdu(spec.SUBMIT_SM | RESP, 9, message_id=b"x"), 0.0).strangers == 1
    assert session.state == "bound"


def test_a_stream_that_is_not_smpp_ends() -> None:
    session = ServerSession(0.0)
    assert session.hear(b"GET / HTTP/1.1\r\n", 0.0).closed == "framing"
    assert said(session) == [("generic_nack", spec.ESME_RINVCMDLEN, 0)]
    assert session.hear(asks(), 0.0).bind is None


# --- silence ----------------------------------------------------------------------------------------------
def test_a_silent_system_is_asked_and_then_closed() -> None:
    session = bound(enquire_s=60, response_s=10)
    assert said(session) == []
    assert session.next_deadline() == 60
    session.tick(60.0)
    assert [name for name, _, _ in said(session)] == ["enquire_link"]
    assert session.tick(69.9).closed == ""
    assert session.tick(70.0).closed == "enquire_timeout"


def test_an_answered_enquire_starts_the_wait_anew() -> None:
    session = bound(enquire_s=60, response_s=10)
    session.tick(60.0)
    ((_, _, sequence),) = said(session)
    session.hear(pdu(spec.ENQUIRE_LINK_RESP, sequence), 61.0)
    assert session.tick(75.0).closed == ""
    assert session.next_deadline() == 121


def test_who_speaks_without_answering_the_enquire_is_alive() -> None:
    session = bound(enquire_s=60, response_s=10)
    session.tick(60.0)
    session.hear(submit(1), 65.0)
    assert session.tick(75.0).closed == ""


def test_enquire_links_are_answered_in_every_state() -> None:
    for session in (ServerSession(0.0), bound()):
        session.hear(pdu(spec.ENQUIRE_LINK, 12), 0.0)
        assert said(session) == [("enquire_link_resp", 0, 12)]


# --- delivering -------------------------------------------------------------------------------------------
def test_delivers_within_their_window_and_their_answers() -> None:
    session = bound(deliver_window=2)
    assert session.room == 2
    sequences = session.reserve(2)
    session.sent(sequences, b"".join(pack_deliver(s, "39333", "BANCA", 4, 0, b"x") for s in sequences), 0.0)
    assert (session.room, session.delivering) == (0, 2)
    heard = session.hear(pdu(spec.DELIVER_SM_RESP, sequences[1], 0x14) + pdu(spec.GENERIC_NACK, sequences[0]), 0.0)
    assert heard.answers == [(sequences[1], 0x14), (sequences[0], spec.ESME_RUNKNOWNERR)]
    assert session.room == 2


def test_a_deliver_without_an_answer_is_late_and_the_bind_stays() -> None:
    session = bound(response_s=10, enquire_s=60)
    sequences = session.reserve(1)
    session.sent(sequences, b"", 0.0)
    assert session.next_deadline() == 10
    assert session.tick(10.0).late == sequences
    assert session.hear(pdu(spec.DELIVER_SM_RESP, sequences[0]), 11.0).strangers == 1
    assert session.state == "bound"


def test_a_transmitter_is_delivered_nothing() -> None:
    assert bound("transmitter").room == 0
    assert bound("receiver").room > 0


def test_what_is_under_way_when_the_connection_goes_is_handed_back() -> None:
    session = bound()
    sequences = session.reserve(3)
    session.sent(sequences, b"", 0.0)
    assert session.disconnected(1.0) == sequences
    assert session.over


# --- goodbye ----------------------------------------------------------------------------------------------
def test_an_unbind_is_answered_after_everything_else() -> None:
    session = bound()
    heard = session.hear(submit(1) + pdu(spec.UNBIND, 2) + submit(3), 0.0)
    assert heard.closed == ""
    assert said(session) == [("submit_sm_resp", spec.ESME_RSYSERR, 3)]
    session.answer(1, 0, "one", 1.0)
    assert said(session) == [("submit_sm_resp", 0, 1), ("unbind_resp", 0, 2)]
    assert session.over


def test_an_unbind_does_not_wait_for_ever() -> None:
    session = bound(response_s=10)
    session.hear(submit(1) + pdu(spec.UNBIND, 2), 0.0)
    assert session.tick(10.0).closed == "unbound_by_client"
    assert said(session) == [("unbind_resp", 0, 2)]


def test_our_unbind_follows_the_answers_that_are_owed() -> None:
    session = bound()
    session.hear(submit(1), 0.0)
    session.unbind(0.0)
    assert said(session) == []
    session.hear(submit(2), 0.0)
    assert said(session) == [("submit_sm_resp", spec.ESME_RSYSERR, 2)]
    session.answer(1, 0, "one", 0.0)
    (first, (name, _, sequence)) = said(session)
    assert (first[0], name) == ("submit_sm_resp", "unbind")
    assert session.hear(pdu(spec.UNBIND_RESP, sequence), 0.0).closed == "unbound"


def test_our_unbind_unanswered_ends_too() -> None:
    session = bound(response_s=10)
    session.unbind(0.0)
    assert session.tick(10.0).closed == "unbound"


def test_both_unbind_at_once() -> None:
    session = bound()
    session.unbind(0.0)
    said(session)
    assert session.hear(pdu(spec.UNBIND, 5), 0.0).closed == "unbound_by_client"
    assert said(session) == [("unbind_resp", 0, 5)]


def test_goodbye_before_a_bind_closes() -> None:
    session = ServerSession(0.0)
    assert session.unbind(0.0).closed == "closed"


# --- both sides -------------------------------------------------------------------------------------------
def test_our_client_and_our_server_understand_each_other() -> None:
    client, server = ClientSession("transceiver", "core", "secret", window=5), ServerSession(0.0, window=5)
    client.connected(0.0)
    assert server.hear(client.take(), 0.0).bind is not None
    server.accept_bind(0.0)
    assert client.hear(server.take(), 0.0).bound
    sequences = client.reserve(5)
    client.sent(sequences, b"".join(submit(s) for s in sequences), 0.0)
    for submission in server.hear(client.take(), 0.0).submissions:
        server.answer(submission.sequence, 0, f"m{submission.sequence}", 0.0)
    assert [mid for _, _, mid in client.hear(server.take(), 0.0).answers] == [f"m{s}" for s in sequences]
    client.unbind(0.0)
    assert server.hear(client.take(), 0.0).closed == "unbound_by_client"
    assert client.hear(server.take(), 0.0).closed == "unbound"


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=60), max_size=6), st.booleans(), st.integers(0, 2**32 - 1))
def test_nothing_that_is_heard_raises(bodies: list[bytes], stand: bool, command: int) -> None:
    session = bound() if stand else ServerSession(0.0)
    for n, body in enumerate(bodies):
        number = (spec.SUBMIT_SM, spec.SUBMIT_MULTI, spec.DATA_SM, spec.BIND_RECEIVER, spec.CANCEL_SM, command)[n % 6]
        head = (16 + len(body), number, 0, n + 1)
        heard = session.hear(b"".join(h.to_bytes(4, "big") for h in head) + body, 0.0)
        assert len(heard.submissions) + len(heard.requests) + len(heard.refused) <= 2
    session.take()


@given(st.binary(max_size=120))
def test_one_reading_of_a_submit_is_the_other(body: bytes) -> None:
    frame = (16 + len(body)).to_bytes(4, "big") + BASE[4:16] + body
    try:
        fast = parse_submission(frame)
    except PduError:
        return
    assert fast == submission_of(decode(frame))


def test_every_field_of_a_submit_is_kept() -> None:
    fields: dict[str, int | bytes] = {
        "service_type": b"CMT", "source_addr_ton": 5, "source_addr_npi": 1, "source_addr": b"BANCA", "dest_addr_ton": 1,
        "dest_addr_npi": 9, "destination_addr": b"39333", "esm_class": 3, "protocol_id": 4, "priority_flag": 2,
        "schedule_delivery_time": b"000001000000000R", "validity_period": b"000002000000000R", "registered_delivery": 17,
        "replace_if_present_flag": 1, "data_coding": 8, "sm_default_msg_id": 6, "short_message": b"xy",
    }  # fmt: skip
    got = parse_submission(encode(Pdu(spec.SUBMIT_SM, 0, 77, fields, {0x204: b"ab"})))
    assert (got.sequence, got.service_type, got.source, got.dest) == (77, "CMT", (5, 1, "BANCA"), (1, 9, "39333"))
    assert (got.esm_class, got.protocol_id, got.priority, got.registered) == (3, 4, 2, 17)
    assert (got.schedule, got.validity) == (b"000001000000000R", b"000002000000000R")
    assert (got.replace, got.data_coding, got.default_id, got.message) == (1, 8, 6, b"xy")
    assert got.tlvs == {0x204: b"ab"}


def test_a_data_sm_says_its_validity_in_seconds() -> None:
    payload = {spec.TLV_MESSAGE_PAYLOAD: b"ciao"}
    lasting = submission_of(
        Pdu(spec.DATA_SM, 0, 3, {}, payload | {spec.TLV_QOS_TIME_TO_LIVE: (3600).to_bytes(4, "big")})
    )
    assert lasting.validity == b"000000010000000R"
    assert submission_of(Pdu(spec.DATA_SM, 0, 3, {}, payload)).validity == b""
    with pytest.raises(PduError) as e:
        submission_of(Pdu(spec.DATA_SM, 0, 3, {}, payload | {spec.TLV_QOS_TIME_TO_LIVE: b"\1"}))
    assert (e.value.status, e.value.sequence) == (spec.ESME_RINVEXPIRY, 3)


# --- the page says what the table says --------------------------------------------------------------------
PAGE = (Path(appliance.door.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_the_drawing_is_the_table() -> None:
    drawn = {(a, heard): b for a, b, heard in re.findall(r"^ +(\w+) --> (\w+): (.+)$", PAGE, re.M)}
    assert drawn == {k: b for k, b in SERVER_TRANSITIONS.items() if k != ("closed", "disconnected")}


def test_every_reason_to_close_is_on_the_page() -> None:
    assert all(f"`{code}`" in PAGE for code in SERVER_CLOSES)


def test_every_state_can_be_left_and_reached() -> None:
    assert {state for state, _ in SERVER_TRANSITIONS} == set(SERVER_STATES)
    assert set(SERVER_TRANSITIONS.values()) == set(SERVER_STATES)

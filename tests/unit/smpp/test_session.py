"""The session as dialogues: what the operator says, what we answer, what state that leaves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import appliance.smpp
from appliance.limits import PDU_OCTETS_MAX, SEQUENCE_MAX
from appliance.smpp import (
    CLOSES,
    ClientSession,
    Framer,
    FramingError,
    Pdu,
    PduError,
    decode,
    encode,
    pack_deliver,
    pack_submit_resp,
    parse_deliver,
    parse_submit,
    parse_submit_resp,
    spec,
)
from appliance.smpp.states import STATES, TRANSITIONS

RESP = spec.RESPONSE
DELIVER = pack_deliver(500, "39333", "BANCA", 4, 0, b"id:1 stat:DELIVRD")


def said(session: ClientSession) -> list[tuple[str, int, int]]:
    """What the session has written: (command, status, sequence)."""
    return [(spec.COMMANDS[p.command_id], p.status, p.sequence) for p in map(decode, Framer().hear(session.take()))]


def pdu(command: int, sequence: int, status: int = 0, **fields: int | bytes) -> bytes:
    return encode(Pdu(command, status, sequence, dict(fields)))


def bound(kind: str = "transceiver", **more: object) -> ClientSession:
    session = ClientSession(kind, "case", "pw", **more)  # type: ignore[arg-type]
    session.connected(0.0)
    sequence = said(session)[0][2]
    command = {"transceiver": 9, "transmitter": 2, "receiver": 1}[kind]
    assert session.hear(pdu(command | RESP, sequence, system_id=b"SMSC"), 0.0).bound
    return session


def submit(session: ClientSession, count: int, now: float = 0.0) -> list[int]:
    sequences = session.reserve(count)
    session.sent(sequences, b"", now)
    return sequences


# --- bind -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "name"),
    [("transceiver", "bind_transceiver"), ("transmitter", "bind_transmitter"), ("receiver", "bind_receiver")],
)
def test_bind_of_each_kind(kind: str, name: str) -> None:
    session = ClientSession(kind, "case", "a password of more than eight", "VMA")
    assert session.take() == b"" and session.next_deadline(0.0) == float("inf")
    session.connected(0.0)
    bind = decode(session.take())
    assert spec.COMMANDS[bind.command_id] == name
    assert bind.fields["password"] == b"a password of more than eight"
    assert bind.fields["interface_version"] == 0x34
    assert session.room == 0 and not session.bound
    heard = session.hear(pdu(bind.command_id | RESP, bind.sequence, system_id=b"S"), 0.1)
    assert heard.bound and heard.bind_status == 0 and session.bound
    assert session.room == (0 if kind == "receiver" else 100)


def test_a_system_id_too_long_is_refused_at_once() -> None:
    with pytest.raises(PduError):
        ClientSession("transceiver", "x" * 16, "pw")


@pytest.mark.parametrize("status", [spec.ESME_RALYBND, spec.ESME_RINVPASWD, 0x411])
def test_bind_refused(status: int) -> None:
    session = ClientSession("transceiver", "case", "pw")
    session.connected(0.0)
    heard = session.hear(pdu(9 | RESP, 1, status), 0.1)
    assert (heard.closed, heard.bind_status, heard.bound) == ("bind_refused", status, False)
    assert heard.why == f"bind_refused {spec.status_name(status)}"
    assert session.hear(DELIVER, 0.2).delivers == []


def test_bind_nacked() -> None:
    session = ClientSession("transceiver", "case", "pw")
    session.connected(0.0)
    assert session.hear(pdu(spec.GENERIC_NACK, 1, 0), 0.1).why == "bind_refused ESME_RUNKNOWNERR"


def test_bind_not_answered() -> None:
    session = ClientSession("transceiver", "case", "pw", response_s=5.0)
    session.connected(10.0)
    assert session.next_deadline(10.0) == 15.0
    assert session.tick(14.9).closed == ""
    assert session.tick(15.0).closed == "bind_timeout"


def test_answer_to_the_bind_must_have_its_sequence() -> None:
    session = ClientSession("transceiver", "case", "pw")
    session.connected(0.0)
    assert session.hear(pdu(9 | RESP, 77, system_id=b"S"), 0.1).strangers == 1
    assert not session.bound


def test_deliver_before_bound_is_refused() -> None:
    session = ClientSession("transceiver", "case", "pw")
    session.connected(0.0)
    session.take()
    heard = session.hear(DELIVER, 0.1)
    assert (heard.delivers, heard.refused) == ([], 1)
    assert said(session) == [("deliver_sm_resp", spec.ESME_RINVBNDSTS, 500)]


def test_bind_answer_and_deliver_in_one_chunk() -> None:
    session = ClientSession("transceiver", "case", "pw")
    session.connected(0.0)
    heard = session.hear(pdu(9 | RESP, 1, system_id=b"S") + DELIVER, 0.1)
    assert heard.bound and len(heard.delivers) == 1


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28" * 3, b"\0" * 16]
)
def test_garbage_before_bind_ends_it(garbage: bytes) -> None:
    session = ClientSession("transceiver", "case", "pw")
    session.connected(0.0)
    assert session.hear(garbage, 0.1).closed == "framing"


def test_outbind_changes_nothing() -> None:
    session = bound()
    assert session.hear(pdu(spec.OUTBIND, 1, system_id=b"S"), 0.1).refused == 0
    assert said(session) == [] and session.bound


# --- submits ----------------------------------------------------------------------------------------------
def test_answers_out_of_order_and_in_pieces() -> None:
    session = bound()
    a, b, c = submit(session, 3)
    stream = pack_submit_resp(c, 0, "c") + pack_submit_resp(a, 0x58) + pack_submit_resp(b, 0, "b")
    answers = []
    for k in range(len(stream)):
        answers += session.hear(stream[k : k + 1], 0.1).answers
    assert answers == [(c, 0, "c"), (a, 0x58, ""), (b, 0, "b")]
    assert session.in_flight == 0


def test_a_transmitter_hears_answers_and_refuses_delivers() -> None:
    session = bound("transmitter")
    (a,) = submit(session, 1)
    heard = session.hear(pack_submit_resp(a, 0, "x") + DELIVER, 0.1)
    assert heard.answers == [(a, 0, "x")] and heard.delivers == []
    assert said(session) == [("deliver_sm_resp", spec.ESME_RINVBNDSTS, 500)]


def test_a_receiver_submits_nothing() -> None:
    session = bound("receiver")
    assert session.room == 0
    assert len(session.hear(DELIVER, 0.1).delivers) == 1


def test_a_refused_submit_leaves_the_bind() -> None:
    session = bound()
    a, b = submit(session, 2)
    no_body = pack_submit_resp(a, spec.ESME_RINVDSTADR)
    empty = encode(Pdu(spec.SUBMIT_SM_RESP, spec.ESME_RSYSERR, b, {"message_id": b""}))
    assert session.hear(no_body + empty, 0.1).answers == [(a, 0x0B, ""), (b, 0x08, "")]
    assert session.bound


def test_an_id_without_end_or_without_limit_is_still_an_answer() -> None:
    session = bound()
    a, b = submit(session, 2)
    endless = bytes.fromhex("00000013 80000004 00000000") + a.to_bytes(4, "big") + b"abc"
    length = (16 + 1000).to_bytes(4, "big")
    huge = length + bytes.fromhex("80000004 00000000") + b.to_bytes(4, "big") + b"x" * 1000
    assert session.hear(endless + huge, 0.1).answers == [(a, 0, "abc"), (b, 0, "x" * 255)]


def test_strangers_are_counted_and_not_fatal() -> None:
    session = bound()
    (a,) = submit(session, 1)
    heard = session.hear(pack_submit_resp(999, 0, "x") + pdu(0x15 | RESP, 888) + pack_submit_resp(a, 0, "y"), 0.1)
    assert (heard.strangers, heard.answers, heard.closed) == (2, [(a, 0, "y")], "")
    assert session.strangers == 2
    assert session.hear(pack_submit_resp(a, 0, "y"), 0.2).strangers == 1  # the same answer twice


def test_generic_nack_is_the_answer_of_what_it_names() -> None:
    session = bound()
    (a,) = submit(session, 1)
    heard = session.hear(pdu(spec.GENERIC_NACK, 0, 3) + pdu(spec.GENERIC_NACK, a, spec.ESME_RINVCMDLEN), 0.1)
    assert (heard.answers, heard.strangers, heard.closed) == ([(a, spec.ESME_RINVCMDLEN, "")], 1, "")


def test_a_nack_without_a_status_is_no_success() -> None:
    session = bound()
    (a,) = submit(session, 1)
    assert session.hear(pdu(spec.GENERIC_NACK, a, 0), 0.1).answers == [(a, spec.ESME_RUNKNOWNERR, "")]


def test_the_window_counts_what_is_in_flight() -> None:
    session = bound(window=5)
    sequences = submit(session, 5)
    assert session.room == 0
    with pytest.raises(AssertionError):
        session.reserve(1)
    session.hear(pack_submit_resp(sequences[2], 0, "x"), 0.1)
    assert session.room == 1


def test_sequences_wrap_and_skip_what_is_in_flight() -> None:
    session = bound(window=10, first_sequence=SEQUENCE_MAX - 3)
    first = submit(session, 3)
    assert first == [SEQUENCE_MAX - 2, SEQUENCE_MAX - 1, SEQUENCE_MAX]
    assert submit(session, 2) == [1, 2]
    session._next = SEQUENCE_MAX - 2
    assert submit(session, 3) == [3, 4, 5]


def test_batch_octets_leave_as_they_are() -> None:
    session = bound()
    sequences = session.reserve(2)
    session.sent(sequences, b"abc", 0.0)
    assert (session.take(), session.take()) == (b"abc", b"")


def test_unanswered_submit_ends_the_bind_before_anything_is_sent_again() -> None:
    session = bound(response_s=10.0)
    a, b = submit(session, 2, 1.0)
    session.hear(pack_submit_resp(a, 0, "x"), 9.0)
    assert session.next_deadline(9.0) == 11.0
    assert session.tick(10.9).closed == ""
    assert session.tick(11.0).closed == "response_timeout"
    assert session.disconnected(11.0) == [b]


def test_what_is_in_flight_at_a_disconnect_comes_back_in_order() -> None:
    session = bound()
    sequences = submit(session, 4) + submit(session, 2, 1.0)
    session.hear(pack_submit_resp(sequences[1], 0, "x"), 1.5)
    assert session.disconnected(2.0) == [s for s in sequences if s != sequences[1]]
    assert session.disconnected(2.0) == [] and session.take() == b""
    assert session.next_deadline(2.0) == float("inf") and session.tick(99.0).closed == ""


# --- delivers ---------------------------------------------------------------------------------------------
def test_delivers_are_acknowledged_only_when_told() -> None:
    session = bound()
    assert session.hear(DELIVER, 0.1).delivers[0].short_message == b"id:1 stat:DELIVRD"
    assert session.take() == b""
    session.acknowledge([(500, 0), (501, spec.ESME_RX_T_APPN)])
    assert said(session) == [("deliver_sm_resp", 0, 500), ("deliver_sm_resp", spec.ESME_RX_T_APPN, 501)]


def test_a_malformed_deliver_is_answered_with_its_status() -> None:
    session = bound()
    broken = bytearray(DELIVER[:-5])
    broken[0:4] = len(broken).to_bytes(4, "big")
    heard = session.hear(bytes(broken) + DELIVER, 0.1)
    assert len(heard.delivers) == 1 and heard.refused == 1
    assert said(session) == [("deliver_sm_resp", spec.ESME_RINVMSGLEN, 500)]


def test_data_sm_is_a_deliver_with_its_own_answer() -> None:
    session = bound()
    data = encode(Pdu(spec.DATA_SM, 0, 600, {"source_addr": b"39333", "esm_class": 4}, {0x424: b"id:1 stat:EXPIRED"}))
    heard = session.hear(data + DELIVER, 0.1)
    assert [d.short_message[-7:] for d in heard.delivers] == [b"EXPIRED", b"DELIVRD"]
    session.acknowledge([(600, 0), (500, 0)])
    assert said(session) == [("data_sm_resp", 0, 600), ("deliver_sm_resp", 0, 500)]


def test_alert_has_no_answer() -> None:
    session = bound()
    alert = encode(Pdu(spec.ALERT_NOTIFICATION, 0, 7, {"source_addr": b"39333", "esme_addr": b"48"}, {0x422: b"\1"}))
    heard = session.hear(alert, 0.1)
    assert [(a.source, a.esme, a.availability) for a in heard.alerts] == [("39333", "48", 1)]
    assert said(session) == []


# --- enquire_link -----------------------------------------------------------------------------------------
def test_enquire_both_ways() -> None:
    session = bound(enquire_s=30.0, response_s=10.0)
    session.hear(pdu(spec.ENQUIRE_LINK, 900), 5.0)
    assert said(session) == [("enquire_link_resp", 0, 900)]
    assert session.next_deadline(5.0) == 35.0
    session.tick(34.9)
    assert session.take() == b""
    session.tick(35.0)
    ((name, _, sequence),) = said(session)
    assert name == "enquire_link" and session.next_deadline(35.0) == 45.0
    assert session.hear(pdu(0x15 | RESP, sequence), 36.0).strangers == 0
    assert session.next_deadline(36.0) == 66.0


def test_no_enquire_before_bound() -> None:
    session = ClientSession("transceiver", "case", "pw", enquire_s=1.0, response_s=10.0)
    session.connected(0.0)
    session.take()
    session.tick(5.0)
    assert session.take() == b""


def test_unanswered_enquire_ends_the_bind() -> None:
    session = bound(enquire_s=30.0, response_s=10.0)
    session.tick(30.0)
    assert session.tick(39.9).closed == ""
    assert session.tick(40.0).closed == "enquire_timeout"


def test_anything_heard_is_a_sign_of_life() -> None:
    session = bound(enquire_s=30.0, response_s=10.0)
    session.tick(30.0)
    session.hear(DELIVER, 35.0)
    assert session.tick(40.0).closed == "" and session.bound


def test_half_dead_transceiver_is_noticed() -> None:
    session = bound(receipts_s=60.0, window=1000, enquire_s=1000.0)
    session.hear(DELIVER, 1.0)
    for now in (2.0, 30.0):
        session.hear(b"".join(pack_submit_resp(s, 0, "x") for s in submit(session, 60, now)), now)
    assert session.next_deadline(30.0) == 61.0
    assert session.tick(60.9).closed == ""
    assert session.tick(61.0).closed == "receipts_silent"


def test_a_quiet_link_is_not_half_dead() -> None:
    session = bound(receipts_s=60.0, enquire_s=1000.0)
    session.hear(b"".join(pack_submit_resp(s, 0, "x") for s in submit(session, 50)), 0.0)
    assert session.tick(500.0).closed == ""


# --- unbind -----------------------------------------------------------------------------------------------
def test_we_unbind() -> None:
    session = bound()
    (a,) = submit(session, 1)
    session.unbind(1.0)
    ((name, _, sequence),) = said(session)
    assert name == "unbind" and session.room == 0
    assert len(session.hear(pack_submit_resp(a, 0, "x") + DELIVER, 1.1).answers) == 1
    session.acknowledge([(500, 0)])
    assert said(session) == [("deliver_sm_resp", 0, 500)]
    assert session.hear(pdu(6 | RESP, sequence), 1.2).closed == "unbound"


def test_our_unbind_is_not_answered() -> None:
    session = bound(response_s=10.0)
    submit(session, 1)
    session.unbind(1.0)
    assert session.next_deadline(10.5) == 11.0
    assert session.tick(10.9).closed == ""
    assert session.tick(11.0).closed == "unbound"
    assert len(session.disconnected(11.0)) == 1


def test_both_unbind_at_once() -> None:
    session = bound()
    session.unbind(1.0)
    session.take()
    assert session.hear(pdu(spec.UNBIND, 70), 1.1).closed == "unbound"
    assert said(session) == [("unbind_resp", 0, 70)]


def test_operator_unbinds_an_idle_link() -> None:
    session = bound()
    assert session.hear(pdu(spec.UNBIND, 70), 1.0).closed == "unbound_by_operator"
    assert said(session) == [("unbind_resp", 0, 70)]


def test_operator_unbinds_and_what_is_in_flight_settles_first() -> None:
    session = bound()
    a, b = submit(session, 2)
    assert session.hear(pdu(spec.UNBIND, 70) + pack_submit_resp(a, 0, "x"), 1.0).closed == ""
    assert session.room == 0 and session.take() == b""
    heard = session.hear(pack_submit_resp(b, 0, "y"), 2.0)
    assert heard.answers == [(b, 0, "y")] and heard.closed == "unbound_by_operator"
    assert said(session) == [("unbind_resp", 0, 70)]


def test_operator_unbinds_and_does_not_settle() -> None:
    session = bound(response_s=10.0)
    (a,) = submit(session, 1, 1.0)
    session.hear(pdu(spec.UNBIND, 70), 2.0)
    assert session.next_deadline(2.0) == 11.0
    assert session.tick(11.0).closed == "unbound_by_operator"
    assert said(session) == [("unbind_resp", 0, 70)]
    assert session.disconnected(11.0) == [a]


# --- what nobody expects ----------------------------------------------------------------------------------
def test_unknown_command_is_nacked() -> None:
    session = bound()
    heard = session.hear(bytes.fromhex("00000010 00000777 00000000 00000009"), 0.1)
    assert heard.refused == 1 and said(session) == [("generic_nack", spec.ESME_RINVCMDID, 9)]
    assert session.hear(bytes.fromhex("00000010 80000777 00000000 00000009"), 0.1).strangers == 1
    assert said(session) == []


def test_a_command_that_is_not_for_us_is_refused() -> None:
    session = bound()
    session.hear(pdu(spec.SUBMIT_SM, 9) + pdu(spec.BIND_RECEIVER, 10), 0.1)
    assert said(session) == [
        ("submit_sm_resp", spec.ESME_RINVBNDSTS, 9),
        ("bind_receiver_resp", spec.ESME_RINVBNDSTS, 10),
    ]


def test_a_sequence_out_of_range_comes_back_as_it_was() -> None:
    session = bound()
    session.hear(bytes.fromhex("00000010 00000015 00000000 FFFFFFFF"), 0.1)
    assert session.take() == bytes.fromhex("00000010 80000015 00000000 FFFFFFFF")


@pytest.mark.parametrize("length", [0, 15, PDU_OCTETS_MAX + 1])
def test_a_length_that_cannot_be_ends_the_bind(length: int) -> None:
    session = bound()
    (a,) = submit(session, 1)
    heard = session.hear(pack_submit_resp(a, 0, "x") + length.to_bytes(4, "big") + b"\0" * 12, 0.1)
    assert heard.answers == [(a, 0, "x")] and heard.closed == "framing"


# --- hostile, 1,000 of each kind --------------------------------------------------------------------------
WHOLE = [encode(Pdu(command)) for command in sorted(spec.BODIES)] + [DELIVER, pack_submit_resp(2, 0, "abc")]
FRAMES = st.sampled_from(WHOLE)


def with_length(frame: bytes) -> bytes:
    return len(frame).to_bytes(4, "big") + frame[4:]


HOSTILE = {
    "wrong lengths": st.builds(lambda f, n: n.to_bytes(4, "big") + f[4:], FRAMES, st.integers(0, 0xFFFFFFFF)),
    "wrong lengths, small": st.builds(lambda f, n: n.to_bytes(4, "big") + f[4:], FRAMES, st.integers(0, 200)),
    "truncated": st.builds(lambda f, n: with_length(f[: max(16, len(f) - n)]), FRAMES, st.integers(1, 60)),
    "oversized": st.builds(lambda f, tail: with_length(f + tail), FRAMES, st.binary(min_size=1, max_size=300)),
    "unknown command ids": st.builds(
        lambda f, n: f[:4] + n.to_bytes(4, "big") + f[8:], FRAMES, st.integers(0, 2**32 - 1)
    ),
    "wrong sequence": st.builds(lambda f, n: f[:12] + n.to_bytes(4, "big") + f[16:], FRAMES, st.integers(0, 2**32 - 1)),
    "one octet changed": st.builds(
        lambda f, at, n: f[: at % len(f)] + bytes((n,)) + f[at % len(f) + 1 :],
        FRAMES,
        st.integers(0, 400),
        st.integers(0, 255),
    ),
    "garbage": st.binary(max_size=300),
    "garbage with a good length": st.binary(min_size=16, max_size=300).map(with_length),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_octets(kind: str) -> None:
    @settings(max_examples=300, deadline=None, database=None)
    @given(
        st.sampled_from(("binding", "bound", "unbinding", "leaving")), st.lists(HOSTILE[kind], min_size=1, max_size=3)
    )
    def run(state: str, chunks: list[bytes]) -> None:
        session = ClientSession("transceiver", "case", "pw")
        session.connected(0.0)
        if state != "binding":
            session.hear(pdu(9 | RESP, 1, system_id=b"S"), 0.0)
            submit(session, 2)
        if state == "unbinding":
            session.unbind(0.0)
        if state == "leaving":
            session.hear(pdu(spec.UNBIND, 7), 0.0)
        closed = ""
        for chunk in chunks:
            heard = session.hear(chunk, 1.0)
            closed = closed or heard.closed
            for frame in Framer().hear(session.take()):
                decode(frame[:12] + (1).to_bytes(4, "big") + frame[16:])  # what we answer is well-formed
        closed = closed or session.tick(1_000.0).closed or ("" if session.bound else "?")
        assert closed in CLOSES or (closed == "" and session.state in STATES)
        assert session.next_deadline(1_000.0) > 1_000.0

    run()


@settings(max_examples=300, deadline=None)
@given(st.one_of(*HOSTILE.values()))
def test_hostile_frames_raise_only_our_errors(frame: bytes) -> None:
    for parse in (decode, parse_deliver, parse_submit, parse_submit_resp):
        try:
            parse(frame)
        except PduError as e:
            assert e.status in spec.STATUSES and e.status
    try:
        Framer().hear(frame)
    except FramingError:
        pass


# --- the page says what the table says --------------------------------------------------------------------
PAGE = (Path(appliance.smpp.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_the_drawing_is_the_table() -> None:
    drawn = {(a, heard): b for a, b, heard in re.findall(r"^ +(\w+) --> (\w+): (.+)$", PAGE, re.M)}
    assert drawn == {k: b for k, b in TRANSITIONS.items() if k != ("closed", "disconnected")}


def test_every_reason_to_close_is_on_the_page() -> None:
    assert all(f"`{code}`" in PAGE for code in CLOSES)


def test_every_trap_on_the_page_names_a_test_that_exists() -> None:
    tests = Path(__file__).parents[2]
    here = "".join(p.read_text(encoding="utf-8") for p in tests.rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", PAGE)
    assert len(named) > 20
    assert [name for name in named if f"def {name}(" not in here] == []


def test_every_word_heard_in_the_table_is_acted_on() -> None:
    assert {state for state, _ in TRANSITIONS} == set(STATES) == set(TRANSITIONS.values()) | {"fresh"}

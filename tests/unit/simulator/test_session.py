"""Dialogues with the simulated operator without a socket: binds, submits, receipts, and every kind of nonsense."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.simulator.operator import Operator
from appliance.simulator.options import Options
from appliance.simulator.session import Session
from appliance.smpp import (
    Framer,
    Pdu,
    ReceiptReader,
    decode,
    encode,
    pack_deliver_resp,
    parse_deliver,
    spec,
)
from tests.support.links import link_of
from tests.support.submits import packed_submit


def parse_receipt(deliver, **link):
    return ReceiptReader(link_of(**link)).read(deliver)


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self):
        super().__init__()
        self.framer, self.heard, self.open = Framer(), [], True

    def write(self, data):
        self.heard += [decode(f) for f in self.framer.hear(data)]

    def abort(self):
        self.open = False

    close = abort

    def is_closing(self):
        return not self.open


class Lab:
    """An operator whose time is moved by hand."""

    def __init__(self, password="", **options):
        self.time, self.timers = 1000.0, []
        self.operator = Operator(
            Options(**options), password, lambda: self.time, lambda at, act: self.timers.append((at, act))
        )

    def connect(self):
        session, wire = Session(self.operator), Wire()
        session.connection_made(wire)
        return session, wire

    def bind(self, command=spec.BIND_TRANSCEIVER, system_id=b"bank", password=b""):
        session, wire = self.connect()
        session.data_received(encode(Pdu(command, 0, 1, {"system_id": system_id, "password": password})))
        return session, wire

    def later(self, seconds):
        until = self.time + seconds
        while self.timers and min(at for at, _ in self.timers) <= until:
            timer = min(self.timers, key=lambda t: t[0])
            self.timers.remove(timer)
            self.time = max(self.time, timer[0])
            timer[1]()
        self.time = until


def submit(sequence=2, text=b"ciao", dest="+393471234567", wanted=1, esm_class=0):
    return packed_submit(sequence, "Banca", dest, esm_class, 0, wanted, b"", text)


def commands(wire):
    return [spec.COMMANDS[p.command_id] for p in wire.heard]


@pytest.mark.parametrize("form", ["text", "tlv", "both"])
@pytest.mark.parametrize("ids", ["dec", "hex", "uuid", "hex-response-dec-receipt"])
def test_a_submit_is_answered_delivered_and_receipted(form, ids):
    lab = Lab(receipt_format=form, id_form=ids)
    session, wire = lab.bind()
    session.data_received(submit())
    assert commands(wire) == ["bind_transceiver_resp", "submit_sm_resp"]
    lab.later(0.4)
    deliver = parse_deliver(encode(wire.heard[2]))
    receipt = parse_receipt(deliver)
    answer = wire.heard[1].fields["message_id"].decode()
    expected = str(int(answer, 16)) if ids == "hex-response-dec-receipt" else answer
    assert (receipt.message_id, receipt.status) == (expected, "delivered")
    assert (deliver.source, deliver.dest, deliver.source_ton) == ("393471234567", "Banca", 1)
    assert (receipt.stat == "DELIVRD", bool(deliver.tlvs)) == (form != "tlv", form != "text")
    assert lab.operator.inbox.messages("+393471234567", 5)[0].text == "ciao"
    session.data_received(pack_deliver_resp(deliver.sequence))
    assert lab.operator.counts()["receipts"] == 1


def test_answers_to_one_chunk_are_one_write():
    lab = Lab()
    session, wire = lab.bind()
    writes = []
    wire.write = writes.append
    session.data_received(b"".join(submit(n) for n in range(2, 52)))
    assert len(writes) == 1
    assert len(Framer().hear(writes[0])) == 50


def test_only_who_wants_a_receipt_gets_one():
    lab = Lab()
    session, wire = lab.bind()
    session.data_received(submit(2, wanted=0) + submit(3, wanted=2))
    lab.later(1)
    assert "deliver_sm" not in commands(wire)
    lab.operator.follow(lab.operator.options.changed({"fail_rate": 1.0}))
    session.data_received(submit(4, wanted=2))
    lab.later(1)
    assert parse_receipt(parse_deliver(encode(wire.heard[-1]))).status in ("undelivered", "expired", "rejected")
    assert [m.text for m in lab.operator.inbox.messages(None, 9)] == ["ciao", "ciao"]


def test_receipts_wait_for_a_receiver_of_the_same_account_and_its_window():
    lab = Lab(receipt_window=2)
    session, wire = lab.bind(spec.BIND_TRANSMITTER)
    session.data_received(b"".join(submit(n) for n in range(2, 7)))
    lab.later(1)
    _, other_wire = lab.bind(spec.BIND_RECEIVER, b"somebody else")
    receiver, receiver_wire = lab.bind(spec.BIND_RECEIVER)
    lab.later(0.1)
    assert "deliver_sm" not in commands(wire) + commands(other_wire)
    assert commands(receiver_wire) == ["bind_receiver_resp", "deliver_sm", "deliver_sm"]
    receiver.data_received(pack_deliver_resp(receiver_wire.heard[1].sequence))
    assert commands(receiver_wire).count("deliver_sm") == 3


def test_what_was_not_acknowledged_comes_again():
    lab = Lab()
    session, wire = lab.bind()
    session.data_received(submit(2) + submit(3) + submit(4))
    lab.later(1)
    first, second, third = wire.heard[-3:]
    session.data_received(pack_deliver_resp(first.sequence) + pack_deliver_resp(second.sequence, spec.ESME_RX_T_APPN))
    lab.later(0.5)
    wire.open = False
    session.connection_lost(None)
    _, again_wire = lab.bind()
    lab.later(2)
    bodies = {p.fields["short_message"] for p in again_wire.heard[1:]}
    assert bodies == {second.fields["short_message"], third.fields["short_message"]}


def test_a_deliver_that_is_never_answered_comes_again():
    lab = Lab()
    session, wire = lab.bind()
    session.data_received(submit())
    for _ in range(35):
        lab.later(1)
        session.data_received(encode(Pdu(spec.ENQUIRE_LINK, 0, 9)))
        session.look(lab.time)
    assert commands(wire).count("deliver_sm") == 2


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"throttle_rate": 1.0}, spec.ESME_RTHROTTLED),
        ({"refuse_rate": 1.0}, spec.ESME_RINVDSTADR),
        ({"throttle_above": 1}, spec.ESME_RTHROTTLED),
    ],
)
def test_refusals(options, status):
    lab = Lab(**options)
    session, wire = lab.bind()
    session.data_received(submit(2) + submit(3))
    lab.later(1)
    assert wire.heard[2].status == status
    assert wire.heard[2].fields == {}
    assert "deliver_sm" not in commands(wire)[3:] or options == {"throttle_above": 1}


def test_what_is_due_soon_does_not_wait_for_what_is_due_late():
    lab = Lab(receipt_delay_ms="600000")
    session, wire = lab.bind()
    session.data_received(submit(2))
    lab.later(1)
    lab.operator.follow(Options(latency_ms="100", receipt_delay_ms="200"))
    session.data_received(submit(3))
    lab.later(1)
    assert commands(wire)[1:] == ["submit_sm_resp", "submit_sm_resp", "deliver_sm"]
    lab.later(600)
    assert commands(wire)[4:].count("deliver_sm") == 1


def test_latency_and_a_receipt_before_its_answer():
    lab = Lab(latency_ms="100")
    session, wire = lab.bind()
    session.data_received(submit())
    lab.later(0.09)
    assert commands(wire) == ["bind_transceiver_resp"]
    lab.later(1)
    assert commands(wire)[1:] == ["submit_sm_resp", "deliver_sm"]
    lab = Lab(receipt_before_answer_rate=1.0)
    session, wire = lab.bind()
    session.data_received(submit())
    lab.later(1)
    assert commands(wire)[1:] == ["deliver_sm", "submit_sm_resp"]


@pytest.mark.parametrize(
    ("options", "open_after"),
    [({"no_answer_rate": 1.0}, True), ({"drop_rate": 1.0}, False), ({"drop_after": 1}, False)],
)
def test_unanswered_submits_were_taken(options, open_after):
    lab = Lab(**options)
    session, wire = lab.bind()
    session.data_received(submit())
    assert commands(wire) == ["bind_transceiver_resp"]
    assert wire.open is open_after
    assert lab.operator.inbox.messages(None, 9)[0].text == "ciao"
    if not open_after:
        session.connection_lost(None)
        session, wire = lab.bind()
    lab.later(1)
    assert commands(wire)[-1] == "deliver_sm"


def test_drop_after_counts_submits_of_one_connection():
    lab = Lab(drop_after=3)
    session, wire = lab.bind()
    session.data_received(submit(2) + submit(3))
    assert wire.open
    session.data_received(submit(4))
    assert not wire.open and lab.operator.counts()["accepted"] == 3


def test_the_same_seed_gives_the_same_fates():
    def run(seed):
        lab = Lab(seed=seed, throttle_rate=0.2, refuse_rate=0.2, no_answer_rate=0.2, fail_rate=0.5, latency_ms="5..50")
        session, wire = lab.bind()
        for n in range(2, 102):
            session.data_received(submit(n))
        lab.later(5)
        return [(p.command_id, p.status, p.fields.get("short_message", b"")[-30:]) for p in wire.heard]

    assert run(1) == run(1) != run(2)


def test_who_may_bind():
    lab = Lab(password="secret", system_id="bank")
    assert lab.bind(system_id=b"other", password=b"secret")[1].heard[0].status == spec.ESME_RINVSYSID
    assert lab.bind(password=b"wrong")[1].heard[0].status == spec.ESME_RINVPASWD
    session, wire = lab.bind(password=b"secret")
    assert wire.heard[0].status == 0 and wire.heard[0].tlvs == {spec.TLV_SC_INTERFACE_VERSION: b"\x34"}
    session.data_received(encode(Pdu(spec.BIND_RECEIVER, 0, 2, {"system_id": b"bank"})))
    assert wire.heard[1].status == spec.ESME_RALYBND


def test_what_a_bind_does_not_allow():
    lab = Lab()
    session, wire = lab.connect()
    session.data_received(submit() + encode(Pdu(spec.QUERY_SM, 0, 3, {})) + encode(Pdu(spec.ENQUIRE_LINK, 0, 4)))
    assert [(p.command_id, p.status) for p in wire.heard] == [
        (spec.SUBMIT_SM_RESP, spec.ESME_RINVBNDSTS),
        (spec.QUERY_SM_RESP, spec.ESME_RINVBNDSTS),
        (spec.ENQUIRE_LINK_RESP, 0),
    ]
    session, wire = lab.bind(spec.BIND_RECEIVER)
    session.data_received(submit())
    assert wire.heard[-1].status == spec.ESME_RINVBNDSTS
    lab.later(31)
    session, wire = lab.connect()
    lab.later(31)
    session.look(lab.time)
    assert not wire.open


def test_query_unbind_and_commands_an_operator_has_not():
    lab = Lab()
    session, wire = lab.bind()
    session.data_received(submit())
    message_id = wire.heard[-1].fields["message_id"]
    query = encode(Pdu(spec.QUERY_SM, 0, 3, {"message_id": message_id}))
    session.data_received(query)
    assert wire.heard[-1].fields["message_state"] == spec.STATE_ENROUTE
    lab.later(1)
    session.data_received(query)
    assert wire.heard[-1].fields["message_state"] == spec.STATE_DELIVERED
    session.data_received(encode(Pdu(spec.QUERY_SM, 0, 4, {"message_id": b"nonsense"})))
    assert wire.heard[-1].status == spec.ESME_RINVMSGID
    session.data_received(encode(Pdu(spec.OUTBIND, 0, 5)) + encode(Pdu(spec.DELIVER_SM, 0, 6)))
    assert [(p.command_id, p.status, p.sequence) for p in wire.heard[-2:]] == [
        (spec.GENERIC_NACK, spec.ESME_RINVCMDID, 5),
        (spec.GENERIC_NACK, spec.ESME_RINVCMDID, 6),
    ]
    session.data_received(encode(Pdu(spec.UNBIND, 0, 7)))
    assert wire.heard[-1].command_id == spec.UNBIND_RESP and wire.open
    lab.later(0.1)
    assert not wire.open


def test_it_asks_the_silent_and_closes_the_dead():
    lab = Lab(enquire_s=5.0)
    session, wire = lab.bind()
    lab.later(6)
    session.look(lab.time)
    assert commands(wire)[-1] == "enquire_link"
    session.data_received(encode(Pdu(spec.ENQUIRE_LINK_RESP, 0, wire.heard[-1].sequence)))
    lab.later(4)
    session.look(lab.time)
    assert commands(wire).count("enquire_link") == 1
    lab.later(6)
    session.look(lab.time)
    lab.later(11)
    session.look(lab.time)
    assert commands(wire).count("enquire_link") == 2 and not wire.open


def test_inbound_waits_for_whoever_binds_first():
    lab = Lab()
    assert lab.operator.inbound("+393471234567", "4399", "è " * 200) == 3
    _, wire = lab.bind()
    lab.later(0.1)
    delivers = [parse_deliver(encode(p)) for p in wire.heard[1:]]
    assert [d.esm_class for d in delivers] == [0x40] * 3
    assert {(d.source, d.dest) for d in delivers} == {("393471234567", "4399")}
    assert lab.operator.inbound("+39347", "4399", "ok") == 1
    assert commands(wire)[-1] == "deliver_sm"


def test_the_journal_has_a_line_for_each_accepted_submit(tmp_path):
    journal = tmp_path / "journal"
    lab = Lab(journal=str(journal), no_answer_rate=1.0)
    session, _ = lab.bind()
    session.data_received(submit() + submit(3, b"\5\0\3\7\2\1" + b"ciao", esm_class=0x40))
    lines = [line.split("\t") for line in journal.read_text().splitlines()]
    assert [line[1:3] for line in lines] == [["+393471234567", ""], ["+393471234567", "7/2/1"]]
    assert lines[0][0] != lines[1][0] and lines[0][3] == lines[1][3] and len(lines[0][3]) == 64
    lab.operator.close()


def test_what_does_not_fit_is_refused():
    lab = Lab()
    session, wire = lab.bind()
    session.data_received(submit(2, b"a" * 161) + submit(3, b"") + submit(4, dest="39abc"))
    assert [p.status for p in wire.heard[1:]] == [spec.ESME_RINVMSGLEN, spec.ESME_RINVMSGLEN, spec.ESME_RINVDSTADR]


def bound_and_alive(chunks):
    lab = Lab()
    session, wire = lab.bind()
    for chunk in chunks:
        if wire.open:
            session.data_received(chunk)
    lab.later(1)
    other, other_wire = lab.bind()
    other.data_received(submit())
    assert commands(other_wire)[1] == "submit_sm_resp"
    return wire


@given(st.lists(st.binary(max_size=200), max_size=10))
@settings(max_examples=300)
def test_garbage_does_not_hurt(chunks):
    bound_and_alive(chunks)


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF), st.binary(max_size=100))
@settings(max_examples=250)
def test_any_header_and_body_do_not_hurt(command, status, sequence, body):
    for number in (command, command % 0x110, command % 0x110 | 0x80000000):
        head = b"".join(n.to_bytes(4, "big") for n in (16 + len(body), number, status, sequence))
        bound_and_alive([head + body])


@given(st.integers(0, 60), st.binary(min_size=1, max_size=4))
@settings(max_examples=250)
def test_damaged_submits_do_not_hurt(at, octets):
    frame = bytearray(submit())
    frame[min(at, len(frame) - 1) : at + len(octets)] = octets
    bound_and_alive([bytes(frame[:16]), bytes(frame[16:])])


def test_wrong_lengths_are_named():
    wire = bound_and_alive([b"\0\0\0\x0f" + bytes(12)])
    assert (wire.heard[-1].command_id, wire.heard[-1].status) == (spec.GENERIC_NACK, spec.ESME_RINVCMDLEN)
    assert not wire.open

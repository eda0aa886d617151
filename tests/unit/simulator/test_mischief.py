"""A hostile operator does what it is told to, and the journal stays true."""

import asyncio
from dataclasses import replace

import pytest

from appliance.simulator.options import PRESETS, Options
from appliance.smpp import Pdu, encode, pack_destinations, pack_tlvs, spec
from tests.unit.simulator.test_session import Lab, commands, submit


def answers(wire):
    return [p for p in wire.heard if p.command_id == spec.SUBMIT_SM_RESP]


def hundred():
    return b"".join(submit(n) for n in range(2, 102))


def test_storms_come_and_go():
    lab = Lab(storm_every_s=10.0, storm_s=2.0)
    session, wire = lab.bind()
    seen = []
    for n in range(40):
        session.data_received(submit(n + 2))
        seen.append(answers(wire)[-1].status)
        lab.later(0.5)
    assert seen == [0] * 16 + [spec.ESME_RTHROTTLED] * 4 + [0] * 16 + [spec.ESME_RMSGQFUL] * 4
    assert lab.operator.counts()["queue_full"] == 4 and lab.operator.counts()["accepted"] == 32


def test_a_storm_waits_for_a_submit_and_the_first_throttles():
    lab = Lab()
    session, wire = lab.bind()
    lab.later(35)  # links may be long up before an operator turns hostile
    lab.operator.follow(replace(lab.operator.options, storm_every_s=10.0, storm_s=2.0))
    seen = []
    for n, wait_s in enumerate((0.5, 14.0, 1.9, 0.2, 30.0, 0.1)):  # nothing is submitted while the first two should run
        session.data_received(submit(n + 2))
        seen.append(answers(wire)[-1].status)
        lab.later(wait_s)
    assert seen == [0, 0, spec.ESME_RTHROTTLED, spec.ESME_RTHROTTLED, 0, spec.ESME_RMSGQFUL]


def test_a_silence_delivers_nothing_and_loses_nothing():
    lab = Lab(silent_every_s=10.0, silent_s=5.0)
    session, wire = lab.bind()
    lab.later(5.1)
    session.data_received(submit() + encode(Pdu(spec.ENQUIRE_LINK, 0, 3)))
    lab.later(4)
    assert commands(wire)[1:] == ["submit_sm_resp", "enquire_link_resp"]
    lab.later(2)
    session.account.pump(lab.time)
    assert commands(wire)[-1] == "deliver_sm"


def test_answers_in_any_order_twice_and_to_nobody():
    lab = Lab(disorder_rate=1.0, duplicate_rate=0.5, alien_rate=0.5, garbage_rate=0.0)
    session, wire = lab.bind()
    session.data_received(hundred())
    heard = [p.sequence for p in answers(wire)]
    known = [n for n in heard if 2 <= n < 102]
    assert set(known) == set(range(2, 102)) and known != sorted(known)
    assert len(known) == 100 + lab.operator.counts()["duplicates"] > 120
    assert len(heard) - len(known) == lab.operator.counts()["aliens"] > 20
    assert lab.operator.counts()["accepted"] == 100


def test_garbage_is_well_framed():
    lab = Lab(garbage_rate=1.0)
    session, wire = lab.bind()
    octets = []
    wire.write = octets.append
    session.data_received(hundred())
    stream, count = b"".join(octets), 0
    while stream:
        length = int.from_bytes(stream[:4], "big")
        assert 16 <= length <= len(stream)
        stream, count = stream[length:], count + 1
    assert count == 200


def test_a_slow_operator_answers_late():
    lab = Lab(answers_per_s=100)
    session, wire = lab.bind()
    session.data_received(hundred())
    lab.later(0.5)
    assert 45 <= len(answers(wire)) <= 55
    lab.later(1)
    assert len(answers(wire)) == 100


def test_who_was_dropped_is_still_bound_for_a_while():
    lab = Lab(drop_after=1, bound_after_drop_s=5.0)
    session, wire = lab.bind()
    session.data_received(submit())
    assert not wire.open
    session.connection_lost(None)
    assert lab.bind()[1].heard[0].status == spec.ESME_RALYBND
    assert lab.bind(system_id=b"another")[1].heard[0].status == 0
    lab.later(5.1)
    assert lab.bind()[1].heard[0].status == 0


def test_so_many_binds_and_no_more():
    lab = Lab(binds_most=2)
    session, _ = lab.bind()
    lab.bind()
    assert lab.bind()[1].heard[0].status == spec.ESME_RALYBND
    session.connection_lost(None)
    assert lab.bind()[1].heard[0].status == 0
    assert lab.operator.counts()["binds_refused"] == 1


def test_a_refused_bind():
    assert Lab(bind_refusal_rate=1.0).bind()[1].heard[0].status == spec.ESME_RBINDFAIL


def test_the_operator_unbinds_and_answers_first():
    lab = Lab(unbind_after=3)
    session, wire = lab.bind()
    session.data_received(submit(2) + submit(3) + submit(4))
    assert commands(wire)[1:] == ["submit_sm_resp"] * 3 + ["unbind"]
    session.data_received(submit(5) + encode(Pdu(spec.UNBIND_RESP, 0, wire.heard[-1].sequence)))
    assert commands(wire)[-1] == "submit_sm_resp" and wire.open
    lab.later(0.1)
    assert not wire.open and lab.operator.counts()["unbinds"] == 1


def test_connections_take_turns_in_how_they_end():
    lab = Lab(unbind_after=2, drop_after=2)
    first, first_wire = lab.bind()
    second, second_wire = lab.bind()
    for session in (first, second):
        session.data_received(submit(2) + submit(3))
    assert commands(first_wire)[-1] == "unbind" and first_wire.open
    assert not second_wire.open


def test_a_generic_nack_is_not_taken():
    lab = Lab(nack_rate=1.0)
    session, wire = lab.bind()
    session.data_received(submit(9))
    assert (wire.heard[1].command_id, wire.heard[1].sequence) == (spec.GENERIC_NACK, 9)
    assert lab.operator.counts()["accepted"] == 0 and lab.operator.counts()["nacked"] == 1


def test_the_journal_and_the_attempts_say_which_connection(tmp_path):
    journal, attempts = tmp_path / "journal", tmp_path / "attempts"
    lab = Lab(journal=str(journal), attempts=str(attempts), throttle_above=2)
    first, _ = lab.bind()
    second, _ = lab.bind()
    first.data_received(submit(2))
    second.data_received(submit(2, b"due") + submit(3, b"tre"))
    lab.operator.close()
    assert [line.split("\t")[4] for line in journal.read_text().splitlines()] == ["1", "2"]
    assert [line.split("\t")[:2] for line in attempts.read_text().splitlines()] == [["0", "1"], ["0", "2"], ["88", "2"]]


def test_data_sm_is_taken_like_a_submit():
    lab = Lab()
    session, wire = lab.bind()
    fields = {"source_addr": b"Banca", "destination_addr": b"39347", "dest_addr_ton": 1, "registered_delivery": 1}
    session.data_received(encode(Pdu(spec.DATA_SM, 0, 5, fields, {spec.TLV_MESSAGE_PAYLOAD: b"x" * 900})))
    assert wire.heard[-1].command_id == spec.DATA_SM_RESP and wire.heard[-1].fields["message_id"]
    lab.later(1)
    assert commands(wire)[-1] == "deliver_sm"
    assert lab.operator.inbox.messages("39347", 1)[0].text == "x" * 900
    session.data_received(encode(Pdu(spec.DATA_SM, 0, 6, fields)))
    assert wire.heard[-1].status == spec.ESME_RINVMSGLEN


def test_submit_multi_is_one_answer_for_many():
    lab = Lab()
    session, wire = lab.bind()
    many = pack_destinations([(1, 1, b"39347"), (1, 1, b"abc"), (1, 1, b"39348")])
    fields = {"source_addr": b"Banca", "dest_addresses": many, "short_message": b"ciao", "registered_delivery": 1}
    session.data_received(encode(Pdu(spec.SUBMIT_MULTI, 0, 5, fields)))
    answer = wire.heard[-1]
    assert (answer.command_id, answer.status) == (spec.SUBMIT_MULTI_RESP, 0)
    assert b"abc" in answer.fields["unsuccess_smes"]
    assert [m.to for m in lab.operator.inbox.messages(None, 9)] == ["+39347", "+39348"]
    lists = pack_destinations([(-1, -1, b"everybody")])
    session.data_received(encode(Pdu(spec.SUBMIT_MULTI, 0, 6, {**fields, "dest_addresses": lists})))
    assert wire.heard[-1].status == spec.ESME_RINVDLNAME


def test_long_messages_by_sar_and_by_payload():
    lab = Lab()
    session, _ = lab.bind()

    def part(number, text):
        tlvs = pack_tlvs({0x020C: b"\0\7", 0x020E: b"\2", 0x020F: bytes((number,))})
        frame = bytearray(submit(number + 1, text) + tlvs)
        frame[:4] = len(frame).to_bytes(4, "big")
        return bytes(frame)

    session.data_received(part(1, b"a" * 153) + part(2, b"b" * 10))
    assert lab.operator.inbox.messages(None, 1)[0].text == "a" * 153 + "b" * 10


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_options_and_what_is_said_wins(preset):
    options = Options.made({"preset": preset, "drop_after": 7})
    assert options.drop_after == 7 and options.preset == preset
    assert options.disorder_rate == PRESETS[preset].get("disorder_rate", 0.0)
    live = Options().changed({"preset": preset})
    assert live.disorder_rate == options.disorder_rate


def test_a_hostile_operator_loses_nothing_of_what_it_took():
    lab = Lab(
        **{**PRESETS["hostile"], "bind_refusal_rate": 0.0, "drop_after": 0, "unbind_after": 0, "no_answer_rate": 0.0}
    )
    session, wire = lab.bind()
    wire.heard.clear()
    octets = []
    wire.write = octets.append
    for _ in range(20):
        session.data_received(hundred())
        lab.later(0.5)
    lab.later(10)
    counts = lab.operator.counts()
    told = counts["accepted"] + counts["throttled"] + counts["queue_full"] + counts["refused"] + counts["nacked"]
    assert told == counts["submits"] == counts["answered"] == 2000
    assert isinstance(wire, asyncio.Transport)


def test_what_was_owed_when_a_silence_ended_is_paid_although_nothing_else_happens():
    lab = Lab(silent_every_s=10.0, silent_s=5.0, receipt_delay_ms="0..10")
    session, wire = lab.bind()
    lab.later(6.0)
    session.data_received(submit())
    lab.later(6.0)
    assert "deliver_sm" not in commands(wire)
    lab.operator.look()  # as the process does once a second
    assert commands(wire).count("deliver_sm") == 1

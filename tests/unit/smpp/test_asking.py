"""Asking an operator about a message on a bind."""

from __future__ import annotations

import pytest

from appliance.smpp import NO_ANSWER, ClientSession, Pdu, PduError, Queried, cancel, decode, encode, query, spec

SOURCE = (5, 0, b"BANCA")
DEST = (1, 1, b"393330000001")


def bound() -> ClientSession:
    session = ClientSession("transceiver", "case", "pw", response_s=10.0, interface_version="3.3")
    session.connected(0.0)
    asked = decode(session.take())
    assert asked.fields["interface_version"] == 0x33
    session.hear(encode(Pdu(spec.BIND_TRANSCEIVER_RESP, 0, asked.sequence, {"system_id": b"SMSC"})), 0.0)
    return session


def answer(sequence: int, status: int = 0, state: int = spec.STATE_DELIVERED) -> bytes:
    fields: dict[str, int | bytes] = {
        "message_id": b"1A2B",
        "final_date": b"261122183100000+",
        "message_state": state,
        "error_code": 7,
    }
    return encode(Pdu(spec.QUERY_SM_RESP, status, sequence, {} if status else fields))


def test_a_question_and_its_answer() -> None:
    session = bound()
    sequence = session.query("1A2B", SOURCE, 1.0)
    asked = decode(session.take())
    assert (asked.command_id, asked.sequence) == (spec.QUERY_SM, sequence)
    assert asked.fields == {"message_id": b"1A2B", "source_addr_ton": 5, "source_addr_npi": 0, "source_addr": b"BANCA"}
    heard = session.hear(answer(sequence), 2.0)
    assert heard.queried == [Queried(sequence, 0, spec.STATE_DELIVERED, "261122183100000+", 7)]
    assert session.hear(answer(sequence), 2.0).strangers == 1  # once


def test_a_question_refused_nacked_or_answered_with_nonsense() -> None:
    session = bound()
    first, second, third = (session.query("1", SOURCE, 1.0) for _ in range(3))
    heard = session.hear(answer(first, 0x67) + encode(Pdu(spec.GENERIC_NACK, 0, second)), 2.0)
    assert heard.queried == [Queried(first, 0x67, 0, "", 0), Queried(second, 0xFF, 0, "", 0)]
    broken = answer(third)[:-2]
    heard = session.hear(len(broken).to_bytes(4, "big") + broken[4:], 2.0)
    assert heard.queried == [Queried(third, 0xFF, 0, "", 0)] and session.bound


def test_no_answer_gives_up_the_question_and_not_the_bind() -> None:
    session = bound()
    sequence = session.query("1", SOURCE, 1.0)
    session.take()
    session.hear(encode(Pdu(spec.ENQUIRE_LINK, 0, 1)), 8.0)
    assert session.next_deadline(8.0) == 11.0
    assert session.tick(10.9).queried == []
    assert session.tick(11.0).queried == [Queried(sequence, NO_ANSWER, 0, "", 0)]
    assert session.bound


def test_cancelling_what_an_operator_has() -> None:
    session = bound()
    first = session.ask(cancel("1A2B", SOURCE, DEST), 1.0)
    asked = decode(session.take())
    assert asked.command_id == spec.CANCEL_SM and asked.fields["destination_addr"] == b"393330000001"
    second = session.ask(cancel("1A2C", SOURCE, DEST), 1.0)
    assert session.hear(encode(Pdu(spec.CANCEL_SM_RESP, 0x11, first)), 2.0).cancelled == [(first, 0x11)]
    assert session.tick(11.0).cancelled == [(second, NO_ANSWER)]


def test_an_answer_of_another_kind_is_a_strangers() -> None:
    session = bound()
    sequence = session.query("1", SOURCE, 1.0)
    heard = session.hear(encode(Pdu(spec.CANCEL_SM_RESP, 0, sequence)), 2.0)
    assert (heard.strangers, heard.queried, heard.cancelled) == (1, [], [])


def test_an_id_that_no_field_takes_is_refused_before_anything_is_asked() -> None:
    session = bound()
    with pytest.raises(PduError):
        session.query("x" * 65, SOURCE, 1.0)
    assert session.take() == b""
    assert query("1", SOURCE).command_id == spec.QUERY_SM


def test_questions_are_forgotten_with_the_connection() -> None:
    session = bound()
    session.query("1", SOURCE, 1.0)
    assert session.disconnected(2.0) == []
    assert session.tick(60.0).queried == []


def test_an_operator_that_still_holds_a_dead_bind_is_told_apart() -> None:
    session = ClientSession("transceiver", "case", "pw")
    session.connected(0.0)
    asked = decode(session.take())
    heard = session.hear(encode(Pdu(spec.BIND_TRANSCEIVER_RESP, spec.ESME_RALYBND, asked.sequence)), 0.0)
    assert (heard.closed, heard.already_bound, heard.why) == ("bind_refused", True, "bind_refused ESME_RALYBND")

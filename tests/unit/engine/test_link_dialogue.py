"""A test of a link hears anything without falling over, answers what it must, and takes nobody else's receipt."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from appliance.engine.link_test import LinkTest, Wire
from appliance.settings import parse
from appliance.smpp import Pdu, decode, encode, format_receipt, pack_deliver, spec

NUMBER, OTHER = "+393331234567", "+393330000001"


def dialogue(**own: Any) -> tuple[LinkTest, Wire, list[bytes]]:
    """A test whose wire leads nowhere: what it says is kept."""
    link = parse({"link": [{"name": "a", "host": "h", **own}]}, Path("/nowhere"), "test").links[0]
    test = LinkTest(link, None, NUMBER, "ciao", "MYBANK")
    wire, said = Wire(test, "transceiver", "h", 2775), []
    wire.say = said.append  # type: ignore[method-assign]
    return test, wire, said


def statuses(said: list[bytes]) -> list[tuple[str, int]]:
    return [(spec.COMMANDS[pdu.command_id], pdu.status) for pdu in map(decode, said)]


def receipt(message_id: str, number: str, sequence: int = 9, esm_class: int = 4) -> bytes:
    return pack_deliver(sequence, number, "MYBANK", esm_class, 0, format_receipt(message_id))


def test_its_own_receipt_is_taken_and_others_are_sent_back() -> None:
    test, wire, said = dialogue()
    test.answered = {1: "ab1"}
    wire._hear(receipt("ab1", NUMBER))
    wire._hear(receipt("zz9", NUMBER))
    wire._hear(receipt("ab2", OTHER))
    wire._hear(pack_deliver(3, OTHER, "43210", 0, 0, b"STOP"))
    assert statuses(said) == [("deliver_sm_resp", 0), *[("deliver_sm_resp", spec.ESME_RX_T_APPN)] * 3]
    assert test.others == 3 and list(test.receipts) == [1]


def test_a_receipt_in_data_sm_is_heard() -> None:
    test, wire, said = dialogue()
    test.answered = {1: "ab1"}
    fields: dict[str, int | bytes] = {"source_addr": NUMBER[1:].encode(), "esm_class": 4}
    wire._hear(encode(Pdu(spec.DATA_SM, 0, 5, fields, {spec.TLV_MESSAGE_PAYLOAD: format_receipt("ab1")})))
    assert statuses(said) == [("data_sm_resp", 0)] and list(test.receipts) == [1]


def test_before_anything_is_answered_nothing_is_ours() -> None:
    test, wire, said = dialogue()
    wire._hear(receipt("ab1", NUMBER))
    assert statuses(said) == [("deliver_sm_resp", spec.ESME_RX_T_APPN)] and not test.receipts


def test_an_operator_that_asks_is_answered() -> None:
    _, wire, said = dialogue()
    wire._hear(encode(Pdu(spec.ENQUIRE_LINK, 0, 4)))
    wire._hear(encode(Pdu(spec.QUERY_SM, 0, 5, {"message_id": b"1"})))
    wire._hear(b"\0\0\0\x10\0\0\0\x99" + bytes(7) + b"\6")
    wire._hear(encode(Pdu(spec.ALERT_NOTIFICATION, 0, 7)))
    wire._hear(encode(Pdu(spec.UNBIND, 0, 8)))
    assert statuses(said) == [
        ("enquire_link_resp", 0),
        ("query_sm_resp", spec.ESME_RINVBNDSTS),
        ("generic_nack", spec.ESME_RINVCMDID),
        ("unbind_resp", 0),
    ]


def test_whatever_comes_it_goes_on_and_takes_nothing() -> None:
    test, wire, said = dialogue()
    test.answered = {1: "ab1"}
    chance = Random(5)
    seeds = [receipt("zz9", OTHER), pack_deliver(3, OTHER, "43210", 0, 0, b"STOP")]
    seeds += [encode(Pdu(command, 0, 9)) for command in spec.COMMANDS]
    for _ in range(3_000):
        octets = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(1, 5)):
            octets[chance.randrange(16, len(octets)) if len(octets) > 16 else chance.randrange(4, 16)] = (
                chance.randrange(256)
            )
        wire._hear(bytes(octets))
    assert not test.receipts
    taken = [status for name, status in statuses(said) if name == "deliver_sm_resp"]
    assert taken and 0 not in taken


def test_what_does_not_fit_the_link_is_told_before_connecting() -> None:
    import pytest

    from appliance.smpp import PduError

    link = parse({"link": [{"name": "a", "host": "h"}]}, Path("/nowhere"), "test").links[0]
    for to, text, sender in ((NUMBER, "x" * 2_000, "MYBANK"), (NUMBER, "x", "X" * 40)):
        with pytest.raises(PduError):
            LinkTest(link, None, to, text, sender)

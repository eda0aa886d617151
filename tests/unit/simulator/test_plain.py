"""The quick way for plain submits says and keeps what the long way does, and leaves to it what is odd."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.smpp import Pdu, encode, spec
from tests.unit.simulator.test_session import Lab


class Slow(Lab):
    """The same operator, all of it the long way."""

    def __init__(self, **options):
        super().__init__(**options)
        self.operator.plain.on = False


def packed(sequence=1, **fields):
    plain = {
        "source_addr_ton": 5, "source_addr": b"MYBANK", "dest_addr_ton": 1, "dest_addr_npi": 1,
        "destination_addr": b"393331234567", "registered_delivery": 1, "short_message": b"ciao",
    }  # fmt: skip
    tlvs = fields.pop("tlvs", {})
    return encode(Pdu(spec.SUBMIT_SM, 0, sequence, {**plain, **fields}, tlvs))


def lived(kind, octets):
    """Everything an operator says to these octets until its receipts are out, what handsets show, and what it counted."""
    lab = kind(receipt_delay_ms="20..80")
    lab.operator.writer._next_id = 1_790_000_000_000_000
    session, wire = lab.bind()
    session.data_received(octets)
    for _ in range(40):
        lab.time += 0.005
        for at, act in [t for t in lab.timers if t[0] <= lab.time]:
            lab.timers.remove((at, act))
            act()
    shown = [(m.to, m.sender, m.text) for m in lab.operator.inbox.messages(None, 99)]
    return wire.heard[1:], shown, lab.operator.counts()


ODD = {
    "usual": {},
    "a short code as sender": {"source_addr_ton": 3, "source_addr": b"40400"},
    "a number as sender": {"source_addr_ton": 1, "source_addr_npi": 1, "source_addr": b"390612345678"},
    "no sender": {"source_addr_ton": 0, "source_addr": b""},
    "no receipt": {"registered_delivery": 0},
    "only of failures": {"registered_delivery": 2},
    "UCS-2": {"data_coding": 8, "short_message": "Ωμέγα".encode("utf-16-be")},
    "a part": {"esm_class": 0x40, "short_message": b"\5\0\3\7\2\1" + b"x" * 100},
    "160 septets": {"short_message": b"x" * 160},
    "too long": {"short_message": b"x" * 161},
    "empty": {"short_message": b""},
    "in the payload": {"short_message": b"", "tlvs": {spec.TLV_MESSAGE_PAYLOAD: b"long" * 100}},
    "a reference": {"tlvs": {spec.TLV_USER_MESSAGE_REFERENCE: b"\0\7"}},
    "no digits": {"destination_addr": b"39333abc"},
    "a plus": {"destination_addr": b"+393331234567"},
    "a short destination": {"destination_addr": b"12345"},
    "no destination": {"destination_addr": b""},
    "a validity": {"validity_period": b"000001000000000R"},
    "a time": {"schedule_delivery_time": b"000001000000000R"},
    "a service": {"service_type": b"CMT"},
}


@pytest.mark.parametrize("fields", ODD.values(), ids=ODD)
def test_one_submit_both_ways(fields):
    assert lived(Lab, packed(**fields)) == lived(Slow, packed(**fields))


def test_a_chunk_of_everything_keeps_its_order():
    octets = b"".join(packed(n, **fields) for n, fields in enumerate(ODD.values(), 1))
    octets += encode(Pdu(spec.ENQUIRE_LINK, 0, 90)) + packed(91)
    assert lived(Lab, octets) == lived(Slow, octets)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(ODD.values())), st.integers(16, 60), st.integers(0, 255))
def test_broken_octets_are_as_broken_either_way(fields, at, octet):
    whole = bytearray(packed(**fields))
    whole[min(at, len(whole) - 1)] = octet
    assert lived(Lab, bytes(whole)) == lived(Slow, bytes(whole))


@pytest.mark.parametrize(
    "options",
    [{"id_form": "hex"}, {"refuse_rate": 0.1}, {"duplicate_rate": 0.1}, {"storm_s": 1.0}, {"latency_ms": "5"}, {"receipt_format": "tlv"}],
    ids=str,
)  # fmt: skip
def test_an_operator_with_habits_is_not_plain(options):
    lab = Lab()
    assert lab.operator.plain.on
    assert not Lab(**options).operator.plain.on
    lab.operator.follow(lab.operator.options.changed(options))
    assert not lab.operator.plain.on


def test_a_refused_receipt_comes_again_and_an_ended_bind_gives_it_back():
    lab = Lab(receipt_delay_ms="0")
    session, wire = lab.bind()
    session.data_received(packed())
    lab.time += 0.1
    for _, act in list(lab.timers):
        act()
    first = wire.heard[-1]
    assert first.command_id == spec.DELIVER_SM
    session.connection_lost(None)
    other, heard = lab.bind()
    lab.time += 0.1
    for _, act in list(lab.timers):
        act()
    assert [p.fields for p in heard.heard if p.command_id == spec.DELIVER_SM] == [first.fields]
    del other

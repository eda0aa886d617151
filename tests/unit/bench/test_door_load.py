"""The load through the door: a window that is kept, answers and letters told apart by their headers, however the octets are cut."""

from __future__ import annotations

import pytest

from appliance.bench.door_load import DoorLoad, _Bind, submits
from appliance.smpp import Framer, Pdu, encode, pack_deliver, pack_submit_resp, spec


class Wire:
    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def frames(self) -> list[bytes]:
        out = Framer().hear(b"".join(self.written))
        self.written.clear()
        return out


def bound(window: int) -> tuple[DoorLoad, _Bind, Wire]:
    load = DoorLoad("127.0.0.1:1", "bank", "secret", submits(1, 30), 1, 10_000, window)
    bind, wire = _Bind(load), Wire()
    bind.connection_made(wire)  # type: ignore[arg-type]
    asked = wire.frames()
    assert [frame[4:8] for frame in asked] == [spec.BIND_TRANSCEIVER.to_bytes(4, "big")]
    sequence = int.from_bytes(asked[0][12:16], "big")
    bind.data_received(encode(Pdu(spec.BIND_TRANSCEIVER_RESP, 0, sequence, {"system_id": b"SMSC"})))
    return load, bind, wire


def numbers(frames: list[bytes]) -> list[int]:
    return [int.from_bytes(frame[12:16], "big") for frame in frames]


@pytest.mark.parametrize("piece", [1, 7, 20, 10_000])
def test_the_window_is_kept_and_every_answer_counts(piece: int) -> None:
    load, bind, wire = bound(10)
    sent = wire.frames()
    assert len(sent) == 10 == bind.in_flight
    octets = b"".join(pack_submit_resp(number, 0, "id") for number in numbers(sent[:4]))
    octets += pack_submit_resp(numbers(sent)[4], 0x58)
    octets += pack_deliver(77, "+393330000001", "MYBANK", 4, 0, b"id:1 stat:DELIVRD") + encode(
        Pdu(spec.ENQUIRE_LINK, 0, 9)
    )
    for at in range(0, len(octets), piece):
        bind.data_received(octets[at : at + piece])
    heard = wire.frames()
    assert [frame[4:8] for frame in heard].count(spec.SUBMIT_SM.to_bytes(4, "big")) == 5
    assert bind.in_flight == 10 and load.accepted >= 1 and load.refusals == {"ESME_RTHROTTLED": 1}
    answers = {int.from_bytes(f[4:8], "big"): numbers([f])[0] for f in heard if f[4] & 0x80}
    assert answers == {spec.DELIVER_SM_RESP: 77, spec.ENQUIRE_LINK_RESP: 9}
    assert set(numbers(sent)).isdisjoint(numbers([f for f in heard if not f[4] & 0x80]))


def test_it_is_held_back_while_too_much_is_on_its_way() -> None:
    load, bind, wire = bound(10)
    sent = wire.frames()
    load.in_flight_max = 1
    load.accepted = 5
    bind.data_received(b"".join(pack_submit_resp(number, 0, "id") for number in numbers(sent)))
    assert wire.frames() == [] and bind.in_flight == 0

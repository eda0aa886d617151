"""The door with stand-ins for the other processes: connections without sockets, an engine that commits to memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.access import DoorAccount, DoorAccounts
from appliance.clock import now_ms
from appliance.door import process, statuses
from appliance.door.connection import Connection
from appliance.door.desk import Desk
from appliance.door.parts import Parts
from appliance.door.replacing import content_of
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.limits import DOOR_PARTS_S_MAX, DOOR_STRANGERS_PER_ADDRESS, SETTLE_S_MAX
from appliance.message import NOTIFY_ACCOUNT_SHIFT, NOTIFY_DOOR, NOTIFY_DOOR_FAILURES, SENT
from appliance.settings import parse
from appliance.smpp import Framer, Pdu, decode, encode, spec
from appliance.text import encode as encode_text
from appliance.text import parts_with_udh
from tests.support.fake_engine import FakeAuditor, FakeEngine, FakeReader, FakeRing, fake_blind_indexer

ACCOUNT = DoorAccount(5, "core", 3, binds_max=2, window=50, rate_per_s=0)
SLOW = DoorAccount(6, "slow", 3, rate_per_s=1)
RAW: dict[str, Any] = {"link": [{"name": "op", "host": "127.0.0.1"}], "route": [{"prefix": "", "links": ["op"]}]}


class FakeAccess:
    def check_door(self, system_id: str, password: str, *_: object) -> DoorAccount:
        if password == "hurried":
            raise Error("rate_limited", "too many failed attempts", wait_s=5)
        found = {a.system_id: a for a in (ACCOUNT, SLOW)}.get(system_id)
        if found is None or password != "right":
            raise Error("unauthorized", "this system_id, password or address is not one of the door's")
        return found

    def door_accounts(self) -> DoorAccounts:
        return DoorAccounts([ACCOUNT, SLOW])


class FakeTransport:
    def __init__(self) -> None:
        self.written = bytearray()
        self.ended = ""
        self.reading = True

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.1", 5) if name == "peername" else None

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def write(self, octets: bytes) -> None:
        self.written += octets

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def is_closing(self) -> bool:
        return bool(self.ended)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Alone:
    """A desk and its loop; `connect` makes a connection, `run` lets what is under way end."""

    def __init__(self, home: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.engine, self.auditor, self.ring = FakeEngine(), FakeAuditor(), FakeRing()
        self.home = home
        self.open()

    def open(self) -> None:
        settings = parse(RAW, self.home, "test")
        self.desk = Desk(
            settings, self.ring, self.engine, self.auditor, self.auditor, fake_blind_indexer, FakeAccess()  # type: ignore[arg-type]
        )  # fmt: skip
        for round_ in (self.desk.long.open(), self.desk.look(), self.desk.peers.look()):
            self.loop.run_until_complete(round_)

    def do(self, act: Callable[..., Any], *args: Any) -> None:
        """Calls as the loop calls a protocol: what it starts belongs to this loop."""

        async def inside() -> None:
            act(*args)

        self.loop.run_until_complete(inside())

    def run(self) -> None:
        """Until nothing is under way; what never ends fails."""
        self.loop.run_until_complete(asyncio.wait_for(self.desk.settle(), SETTLE_S_MAX))

    def connect(self) -> tuple[Connection, FakeTransport]:
        connection, transport = Connection(self.desk), FakeTransport()
        connection.connection_made(transport)  # type: ignore[arg-type]
        return connection, transport

    def bound(self, system_id: str = "core", kind: int = spec.BIND_TRANSCEIVER) -> tuple[Connection, FakeTransport]:
        connection, transport = self.connect()
        self.do(connection.data_received, frame(kind, 1, system_id=system_id.encode(), password=b"right"))
        self.run()
        assert [p.status for p in heard(transport)] == [0]
        return connection, transport

    def close(self) -> None:
        self.run()
        self.desk.close()


def frame(command: int, sequence: int, tlvs: dict[int, bytes] | None = None, **fields: int | bytes) -> bytes:
    return encode(Pdu(command, 0, sequence, dict(fields), tlvs or {}))


def submit(sequence: int, text: bytes = b"ciao", **more: int | bytes) -> bytes:
    fields: dict[str, int | bytes] = {
        "source_addr_ton": 5, "source_addr": b"BANCA", "dest_addr_ton": 1, "destination_addr": b"393331234567",
        "registered_delivery": 1, "short_message": text,
    }  # fmt: skip
    return frame(spec.SUBMIT_SM, sequence, None, **(fields | more))


def heard(transport: FakeTransport) -> list[Pdu]:
    frames = Framer().hear(bytes(transport.written))
    transport.written.clear()
    return [decode(f) for f in frames]


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    made = Alone(tmp_path)
    yield made
    made.close()
    made.loop.close()


# --- binds ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("system_id", "password", "status"),
    [
        (b"core", b"wrong", spec.ESME_RINVPASWD),
        (b"nobody", b"right", spec.ESME_RINVPASWD),
        (b"core", b"hurried", spec.ESME_RBINDFAIL),
    ],
)
def test_a_refused_bind_is_answered_closed_and_on_record_once(
    alone: Alone, system_id: bytes, password: bytes, status: int
) -> None:
    for _ in range(3):
        connection, transport = alone.connect()
        alone.do(connection.data_received, frame(spec.BIND_TRANSMITTER, 1, system_id=system_id, password=password))
        alone.run()
        assert [p.status for p in heard(transport)] == [status]
        assert transport.ended == "closed"
    alone.loop.run_until_complete(asyncio.sleep(0))
    assert [e[1:4] for e in alone.auditor.entries] == [("door.refused", "address:192.0.2.1", "refused")]


def test_binds_are_counted_and_given_back(alone: Alone) -> None:
    alone.bound()
    second, _ = alone.bound()
    connection, transport = alone.connect()
    alone.do(connection.data_received, frame(spec.BIND_TRANSMITTER, 1, system_id=b"core", password=b"right"))
    alone.run()
    assert heard(transport)[0].status == spec.ESME_RALYBND
    alone.do(second.connection_lost, None)
    alone.bound()
    assert alone.desk.numbers.state()["binds"] == {"transceiver": 2}


def test_strangers_of_one_address_are_few(alone: Alone) -> None:
    transports = [alone.connect()[1] for _ in range(DOOR_STRANGERS_PER_ADDRESS + 1)]
    assert [t.ended for t in transports] == [""] * DOOR_STRANGERS_PER_ADDRESS + ["aborted"]


def test_a_revoked_account_is_unbound(alone: Alone) -> None:
    _, transport = alone.bound()
    alone.desk.access.door_accounts = lambda: DoorAccounts([SLOW])  # type: ignore[method-assign]
    alone.desk.accounts = DoorAccounts([])
    alone.loop.run_until_complete(alone.desk.look())
    assert [p.command_id for p in heard(transport)] == [spec.UNBIND]


# --- submits ----------------------------------------------------------------------------------------------
def test_nothing_is_answered_before_the_commit(alone: Alone) -> None:
    connection, transport = alone.bound()
    gate = asyncio.Event()
    alone.engine.gate = gate.wait
    alone.do(connection.data_received, submit(2) + submit(3))
    alone.loop.run_until_complete(asyncio.sleep(0.01))
    assert heard(transport) == []
    alone.loop.call_soon(gate.set)
    alone.run()
    answers = heard(transport)
    assert [(p.sequence, p.status) for p in answers] == [(2, 0), (3, 0)]
    (batch,) = alone.engine.batches
    assert (batch.callers, batch.notify) == ([3, 3], [NOTIFY_DOOR | 5 << NOTIFY_ACCOUNT_SHIFT] * 2)
    assert {bytes(p.fields["message_id"]).decode().replace("-", "") for p in answers} == {i.hex() for i in batch.ids}  # type: ignore[arg-type]


def test_each_of_a_chunk_has_its_own_answer(alone: Alone) -> None:
    connection, transport = alone.bound()
    chunk = submit(2) + submit(3, b"") + submit(4, destination_addr=b"99") + submit(5, data_coding=4) + submit(6)
    alone.do(connection.data_received, chunk)
    alone.run()
    assert {p.sequence: p.status for p in heard(transport)} == {
        2: 0, 3: spec.ESME_RINVMSGLEN, 4: spec.ESME_RINVDSTADR, 5: 0x104, 6: 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("engine_unavailable", spec.ESME_RSYSERR),
        ("peer_unavailable", spec.ESME_RSYSERR),
        ("overloaded", spec.ESME_RTHROTTLED),
        ("store_full", spec.ESME_RMSGQFUL),
    ],
)
def test_what_the_engine_cannot_do_now_is_for_later(alone: Alone, code: str, status: int) -> None:
    connection, transport = alone.bound()
    alone.engine.down = Error(code, "not now")
    alone.do(connection.data_received, submit(2))
    alone.run()
    assert [p.status for p in heard(transport)] == [status]


def test_without_the_hsm_nothing_is_taken(alone: Alone) -> None:
    connection, transport = alone.bound()
    alone.desk.peers.grace_s = 0.0
    alone.ring.well = (False, "gone")
    alone.loop.run_until_complete(alone.desk.peers.look())
    alone.do(connection.data_received, submit(2))
    alone.run()
    assert [p.status for p in heard(transport)] == [spec.ESME_RSYSERR]


def test_over_its_rate_an_account_is_throttled(alone: Alone) -> None:
    connection, transport = alone.bound("slow")
    for sequence in (2, 3, 4):
        alone.do(connection.data_received, submit(sequence))
        alone.run()
    assert [p.status for p in heard(transport)] == [0, spec.ESME_RTHROTTLED, spec.ESME_RTHROTTLED]


def test_an_answer_for_a_connection_that_is_gone_harms_nobody(alone: Alone) -> None:
    connection, transport = alone.bound()
    alone.do(connection.data_received, submit(2))
    alone.do(connection.connection_lost, None)
    alone.run()
    assert len(alone.engine.batches) == 1
    assert heard(transport) == []


def test_who_does_not_read_is_not_read_from(alone: Alone) -> None:
    connection, transport = alone.bound()
    alone.do(connection.pause_writing)
    assert not transport.reading and connection.room == 0
    alone.do(connection.tick, 10**9)
    assert transport.ended == "aborted"


# --- parts ------------------------------------------------------------------------------------------------
def parts_of(text: bytes) -> list[bytes]:
    return parts_with_udh(0, text, 9, 8)


def test_a_window_of_one_sends_a_long_message(alone: Alone) -> None:
    connection, transport = alone.bound()
    ids = []
    for n, octets in enumerate(parts_of(b"Lungo " * 60)):
        assert alone.engine.batches == []
        alone.do(connection.data_received, submit(10 + n, octets, esm_class=0x40))
        alone.run()
        (answer,) = heard(transport)
        assert answer.status == 0
        ids.append(bytes(answer.fields["message_id"]).decode())  # type: ignore[arg-type]
    (batch,) = alone.engine.batches
    assert batch.payloads == [b"Lungo " * 60]
    assert [i.rpartition("-")[2] for i in ids] == ["1", "2", "3"]
    assert {i[:36].replace("-", "") for i in ids} == {batch.ids[0].hex()}


def test_a_whole_that_the_engine_could_not_take_goes_later_and_once(alone: Alone) -> None:
    connection, transport = alone.bound()
    chunk = b"".join(submit(10 + n, octets, esm_class=0x40) for n, octets in enumerate(parts_of(b"Lungo " * 60)))
    alone.do(connection.data_received, chunk)
    alone.engine.down = Error("engine_unavailable", "not now")
    alone.run()
    assert [p.status for p in heard(transport)] == [0, 0, 0]
    alone.engine.down = None
    for now_s in (100.0, 200.0):
        alone.do(alone.desk.tick, now_s)
        alone.run()
    assert [len(b.ids) for b in alone.engine.batches] == [1]


def test_a_crash_between_commit_and_forgetting_sends_once(alone: Alone) -> None:
    connection, _ = alone.bound()
    chunk = b"".join(submit(10 + n, octets, esm_class=0x40) for n, octets in enumerate(parts_of(b"Lungo " * 60)))

    async def not_dropped(do: Any, before: Any = alone.desk.long._do) -> Any:
        if "drop" in do.__code__.co_names:
            raise Error("store_full", "the power is cut here")
        return await before(do)

    alone.desk.long._do = not_dropped  # type: ignore[method-assign]
    alone.do(connection.data_received, chunk)
    alone.run()
    alone.desk.close()
    alone.open()
    for now_s in (100.0, 200.0):
        alone.do(alone.desk.tick, now_s)
        alone.run()
    assert len(alone.engine.batches) == 2, "it was handed over again"
    assert len(alone.engine.rows) == 1, "and known again"
    left = alone.loop.run_until_complete(alone.desk.long._do(Parts.count))
    assert left == 0


def test_parts_that_stay_alone_end_with_receipts(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    connection, transport = alone.bound()
    first, second, _ = parts_of(b"Lungo " * 60)
    alone.do(connection.data_received, submit(10, first, esm_class=0x40) + submit(11, second, esm_class=0x40))
    alone.run()
    asked = {bytes(p.fields["message_id"]) for p in heard(transport)}  # type: ignore[arg-type]
    later_ms = int((DOOR_PARTS_S_MAX + 1) * 1000)
    monkeypatch.setattr("appliance.door.long.now_ms", lambda: now_ms() + later_ms)
    alone.do(alone.desk.tick, 100.0)
    alone.run()
    told = {
        p.tlvs[spec.TLV_RECEIPTED_MESSAGE_ID].rstrip(b"\0"): p.tlvs[spec.TLV_MESSAGE_STATE] for p in heard(transport)
    }
    assert told == dict.fromkeys(asked, bytes((spec.STATE_EXPIRED,)))


def test_a_whole_that_can_never_go_ends_with_receipts(alone: Alone) -> None:
    connection, transport = alone.bound()
    texts = parts_with_udh(0, b"x" * 4_100, 9, 8)
    for n, octets in enumerate(texts):
        alone.do(connection.data_received, submit(10 + n, octets, esm_class=0x40))
    alone.run()
    answers = heard(transport)
    rejected = [p for p in answers if p.command_id == spec.DELIVER_SM]
    assert len(answers) - len(rejected) == len(texts) == len(rejected)
    assert {p.tlvs[spec.TLV_MESSAGE_STATE] for p in rejected} == {bytes((spec.STATE_REJECTED,))}
    assert alone.engine.batches == []


def test_wholes_of_one_chunk_go_together_and_each_has_its_own_end(alone: Alone) -> None:
    connection, transport = alone.bound()
    texts = [b"Lungo " * 60, b"x" * 4_100, b"Ancora " * 60]  # the one between is longer than any message may be
    chunk, sequence = b"", 10
    for reference, text in enumerate(texts):
        for octets in parts_with_udh(0, text, reference, 8):
            chunk += submit(sequence, octets, esm_class=0x40)
            sequence += 1
    alone.do(connection.data_received, chunk)
    alone.run()
    rejected = [p for p in heard(transport) if p.command_id == spec.DELIVER_SM]
    assert len(rejected) == len(parts_with_udh(0, texts[1], 1, 8))
    assert sum(len(b.ids) for b in alone.engine.batches) == 2
    assert {len(b.requests) for b in alone.engine.batches} == {2}, "one commit, each with a memory of its own"
    assert alone.loop.run_until_complete(alone.desk.long._do(lambda parts: parts.count())) == 0


def test_a_part_that_waits_for_the_others_is_known_and_cannot_be_cancelled(alone: Alone) -> None:
    connection, transport = alone.bound()
    alone.do(connection.data_received, submit(10, parts_of(b"Lungo " * 60)[0], esm_class=0x40))
    alone.run()
    (answer,) = heard(transport)
    message_id = bytes(answer.fields["message_id"])  # type: ignore[arg-type]
    alone.do(connection.data_received, frame(spec.QUERY_SM, 11, message_id=message_id))
    alone.run()
    alone.do(connection.data_received, frame(spec.CANCEL_SM, 12, message_id=message_id))
    alone.run()
    assert [(p.sequence, p.status) for p in heard(transport)] == [(11, 0), (12, statuses.ESME_RCANCELFAIL)]


# --- the rest ---------------------------------------------------------------------------------------------
def test_many_at_once_have_one_id_and_tell_who_was_refused(alone: Alone) -> None:
    connection, transport = alone.bound()
    where = b"\1\1\x01393331234567\0" + b"\1\2\x013331234567\0" + b"\1\1\x01393331234568\0"
    alone.do(
        connection.data_received,
        frame(spec.SUBMIT_MULTI, 4, source_addr_ton=5, source_addr=b"BANCA", dest_addresses=where, short_message=b"x"),
    )
    alone.run()
    (answer,) = heard(transport)
    (batch,) = alone.engine.batches
    assert answer.status == 0
    assert bytes(answer.fields["message_id"]).decode().replace("-", "") == batch.ids[0].hex()  # type: ignore[arg-type]
    assert batch.to == ["+393331234567", "+393331234568"]
    assert answer.fields["unsuccess_smes"] == b"\2\x013331234567\0" + (0x50).to_bytes(4, "big")


@pytest.fixture
def accepted(alone: Alone) -> tuple[Connection, FakeTransport, bytes]:
    """A bind and the id of a message that it sent, in Latin-1."""
    connection, transport = alone.bound()
    alone.desk._reader = FakeReader(alone.engine)  # type: ignore[assignment]
    alone.do(connection.data_received, submit(2, b"perch\xe9", data_coding=3))
    alone.run()
    return connection, transport, bytes(heard(transport)[0].fields["message_id"])  # type: ignore[arg-type]


def replace(message_id: bytes, **more: int | bytes) -> bytes:
    fields: dict[str, int | bytes] = {
        "message_id": message_id, "source_addr_ton": 5, "source_addr": b"BANCA", "registered_delivery": 2,
        "short_message": b"gi\xe0",
    }  # fmt: skip
    return frame(spec.REPLACE_SM, 7, None, **(fields | more))


Accepted = tuple[Connection, FakeTransport, bytes]


def test_a_message_is_replaced_in_the_coding_it_came_in(alone: Alone, accepted: Accepted) -> None:
    connection, transport, message_id = accepted
    (found,) = alone.engine.rows.values()
    before_ms = found.expires_ms
    alone.do(connection.data_received, replace(message_id))
    alone.run()
    assert [(p.command_id, p.status) for p in heard(transport)] == [(spec.REPLACE_SM_RESP, 0)]
    (asked,) = alone.engine.replaced
    assert asked["payload"] == encode_text("già")[1] and asked["who"] == "door:core"
    assert asked["notify"] == NOTIFY_DOOR_FAILURES | 5 << NOTIFY_ACCOUNT_SHIFT
    assert (asked["send_at_ms"], asked["expires_ms"]) == (0, before_ms), "what is not given stays"
    content = content_of(alone.ring.keys[found.key_id].open(asked["content"], b"c" + found.id))
    assert content.payload == asked["payload"] and content.door is not None and content.door.source[2] == "BANCA"
    assert alone.desk.numbers.state()["replaced"] == 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"message_id": b"0" * 36}, spec.ESME_RINVMSGID),
        ({"source_addr": b"ALTRA"}, spec.ESME_RINVSRCADR),
        ({"short_message": b""}, spec.ESME_RINVMSGLEN),
        ({"sm_default_msg_id": 3}, 0x63),
        ({"registered_delivery": 3}, 0x07),
        ({"schedule_delivery_time": b"200101000000000+"}, spec.ESME_RINVSCHED),
        ({"schedule_delivery_time": b"000030000000000R"}, spec.ESME_RINVEXPIRY),
        ({"schedule_delivery_time": b"000040000000000R", "validity_period": b"000040010000000R"}, spec.ESME_RINVSCHED),
        ({"validity_period": b"000000000005000R"}, spec.ESME_RINVEXPIRY),
        ({"source_addr": b"", "source_addr_ton": 0}, 0),
        ({"schedule_delivery_time": b"000000010000000R"}, 0),
    ],
)
def test_a_replacement_names_the_field_that_is_wrong(
    alone: Alone, accepted: Accepted, fields: dict[str, Any], status: int
) -> None:
    connection, transport, message_id = accepted
    alone.do(connection.data_received, replace(**({"message_id": message_id} | fields)))
    alone.run()
    assert [p.status for p in heard(transport)] == [status]
    assert len(alone.engine.replaced) == (status == 0)


def test_what_has_left_and_what_came_in_parts_is_not_replaced(alone: Alone, accepted: Accepted) -> None:
    connection, transport, message_id = accepted
    next(iter(alone.engine.rows.values())).status = SENT
    alone.do(connection.data_received, replace(message_id))
    for n, octets in enumerate(parts_of(b"Lungo " * 60)):
        alone.do(connection.data_received, submit(10 + n, octets, esm_class=0x40))
    alone.run()
    answers = heard(transport)
    assert [p.status for p in answers if p.command_id == spec.REPLACE_SM_RESP] == [0x13]
    part = [bytes(p.fields["message_id"]) for p in answers if p.command_id == spec.SUBMIT_SM_RESP][-1]  # type: ignore[arg-type]
    alone.do(connection.data_received, replace(part, short_message=b"corto"))
    alone.run()
    assert [p.status for p in heard(transport)] == [0x13]
    assert alone.engine.replaced == []


def test_stopping_answers_what_is_owed_and_takes_nothing_more(alone: Alone) -> None:
    connection, transport = alone.bound()
    gate = asyncio.Event()
    alone.engine.gate = gate.wait
    alone.do(connection.data_received, submit(2))
    alone.loop.run_until_complete(asyncio.sleep(0.01))
    alone.desk.closing = True
    alone.do(connection.unbind)
    alone.do(connection.data_received, submit(3))
    assert [(p.sequence, p.status) for p in heard(transport)] == [(3, spec.ESME_RSYSERR)]
    alone.loop.call_soon(gate.set)
    alone.run()
    assert [p.command_id for p in heard(transport)] == [spec.SUBMIT_SM_RESP, spec.UNBIND]
    assert alone.connect()[1].ended == "aborted"


class Listening:
    def close(self) -> None:
        pass


def test_a_stop_ends_although_an_engine_never_answers(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "SETTLE_S_MAX", 0.04)
    monkeypatch.setattr(process, "GOODBYE_S_MAX", 0.02)
    connection, transport = alone.bound()
    gate = asyncio.Event()
    alone.engine.gate = gate.wait
    alone.do(connection.data_received, submit(2))
    goodbye = process._goodbye(alone.desk, Listening())  # type: ignore[arg-type]
    alone.loop.run_until_complete(asyncio.wait_for(goodbye, SETTLE_S_MAX))
    assert heard(transport) == [], "what is not durable has no answer"
    alone.do(gate.set)


def test_a_stop_does_not_check_the_binds_that_still_wait_for_it(alone: Alone) -> None:
    held = threading.Event()
    checked: list[str] = []

    def check(system_id: str, *_: object) -> DoorAccount:
        checked.append(system_id)
        held.wait(SETTLE_S_MAX)
        return ACCOUNT

    alone.desk.access.check_door = check  # type: ignore[assignment,method-assign]
    for _ in range(DOOR_STRANGERS_PER_ADDRESS):
        connection, _ = alone.connect()
        alone.do(connection.data_received, frame(spec.BIND_TRANSMITTER, 1, system_id=b"core", password=b"right"))
    pool = alone.desk._checks
    shut = pool.shutdown

    def shutdown(wait: bool = True, cancel_futures: bool = False) -> None:
        shut(wait=False, cancel_futures=cancel_futures)
        held.set()
        shut(wait=wait)

    pool.shutdown = shutdown  # type: ignore[method-assign]
    alone.desk.close()
    assert len(checked) < DOOR_STRANGERS_PER_ADDRESS
    alone.open()


# --- one person is erased, and a key is replaced ---------------------------------------------------------------
def asked(alone: Alone, op: str, **payload: Any) -> Any:
    return alone.loop.run_until_complete(process._operations(alone.desk)[op](payload, Peer(0, 0, 0)))


def test_parts_and_receipts_that_no_engine_knows_of_are_forgotten_by_number(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hers: parts that wait, and the receipt of some that never became whole; somebody else's stay."""
    hers, his = b"393331234567", b"393337654321"
    connection, _ = alone.bound(kind=spec.BIND_TRANSMITTER)
    for n, number in enumerate((hers, his)):
        first, *_ = parts_of(b"Lungo " * 60)
        alone.do(connection.data_received, submit(10 + n, first, esm_class=0x40, destination_addr=number))
    alone.run()
    later_ms = int((DOOR_PARTS_S_MAX + 1) * 1000)
    with monkeypatch.context() as later:
        later.setattr("appliance.door.long.now_ms", lambda: now_ms() + later_ms)
        alone.do(alone.desk.tick, 100.0)
        alone.run()
    for n, number in enumerate((hers, his)):
        first, *_ = parts_of(b"Ancora " * 60)
        alone.do(connection.data_received, submit(20 + n, first, esm_class=0x40, destination_addr=number))
    alone.run()
    sealed = [letter.content[12:44] for letter in alone.desk.post.book.ended_without_engine(0, 10)]
    files = lambda: b"".join(path.read_bytes() for path in alone.home.glob("door*.db*"))  # noqa: E731
    assert len(sealed) == 2 and all(piece in files() for piece in sealed)
    assert asked(alone, "known_number", number="+393331234567") == {"parts": 1, "letters": 1}
    assert asked(alone, "forget_number", number="+393331234567") == {"parts": 1, "letters": 1, "forgotten": 0}
    assert asked(alone, "known_number", number="+393331234567") == {"parts": 0, "letters": 0}
    assert asked(alone, "known_number", number="+393337654321") == {"parts": 1, "letters": 1}
    assert [piece in files() for piece in sealed] == [False, True], "not in a free page or the log either"
    with pytest.raises(Error):
        asked(alone, "forget_number", number="393331234567")


def test_letters_and_parts_are_sealed_anew_and_say_the_same(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    connection, _transport = alone.bound(kind=spec.BIND_TRANSMITTER)
    first, second, third = parts_of(b"Lungo " * 60)
    alone.do(connection.data_received, submit(10, first, esm_class=0x40))
    alone.run()
    later_ms = int((DOOR_PARTS_S_MAX + 1) * 1000)
    with monkeypatch.context() as later:
        later.setattr("appliance.door.long.now_ms", lambda: now_ms() + later_ms)
        alone.do(alone.desk.tick, 100.0)
        alone.run()
    alone.do(connection.data_received, submit(20, first, esm_class=0x40) + submit(21, second, esm_class=0x40))
    alone.run()
    (old,) = alone.ring.keys
    assert asked(alone, "reseal", key_id=old) == {"rows": 3, "unreadable": 0, "more": 0}
    assert asked(alone, "reseal", key_id=old) == {"rows": 0, "unreadable": 0, "more": 0}
    (letter,) = alone.desk.post.book.ended_without_engine(0, 10)
    assert letter.key_id == old + 1 and content_of(alone.ring.keys[old + 1].open(letter.content, b"c" + letter.id)).door
    alone.do(connection.data_received, submit(22, third, esm_class=0x40))
    alone.run()
    assert sum(len(batch.ids) for batch in alone.engine.batches) == 1, "it became whole all the same"

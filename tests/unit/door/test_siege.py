"""The door against a system, or a stranger, that means ill: places, disk and time that one takes are not the others'."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.access import DoorAccounts
from appliance.clock import monotonic_s
from appliance.door import long, process
from appliance.limits import DOOR_BIND_S_MAX, DOOR_CONNECTIONS_MAX, DOOR_LINGER_S_MAX, DOOR_PART_OCTETS_MAX
from appliance.smpp import spec
from appliance.text import parts_with_udh

from .test_desk import ACCOUNT, SLOW, Alone, frame, heard, submit


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    made = Alone(tmp_path)
    yield made
    made.close()
    made.loop.close()


def test_a_stranger_that_takes_no_answers_loses_its_place(alone: Alone) -> None:
    connection, transport = alone.connect()
    alone.do(connection.data_received, frame(spec.ENQUIRE_LINK, 1) * 100)
    began_s = monotonic_s()
    alone.do(connection.tick, began_s + DOOR_BIND_S_MAX)
    assert transport.ended == "closed", "which waits until what is unsent has left"
    alone.do(connection.tick, began_s + DOOR_LINGER_S_MAX / 2)
    assert transport.ended == "closed"
    alone.do(connection.tick, began_s + DOOR_LINGER_S_MAX + 1)
    assert transport.ended == "aborted"


def test_an_account_revoked_while_its_password_is_checked_is_not_bound(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone.loop.run_until_complete(alone.desk.look())
    monkeypatch.setattr(alone.desk.access, "door_accounts", lambda: DoorAccounts([SLOW]), raising=False)
    connection, transport = alone.connect()
    alone.do(connection.data_received, frame(spec.BIND_TRANSCEIVER, 1, system_id=b"core", password=b"right"))
    alone.run()
    alone.loop.run_until_complete(alone.desk.look())
    heard(transport)
    assert connection.session.state != "bound"
    alone.do(connection.data_received, submit(2))
    alone.run()
    assert [p.status for p in heard(transport) if p.command_id == spec.SUBMIT_SM_RESP] == [spec.ESME_RSYSERR]
    assert not alone.engine.batches


def test_fragments_of_one_account_do_not_keep_another_from_sending(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long, "DOOR_PARTS_PER_ACCOUNT", 3)
    connection, transport = alone.bound()
    for n in range(5):
        (first, *_) = parts_with_udh(0, b"Lungo " * 60, n + 1, 8)
        alone.do(connection.data_received, submit(10 + n, first, esm_class=0x40))
        alone.run()
    assert [p.status for p in heard(transport)] == [0, 0, 0, spec.ESME_RTHROTTLED, spec.ESME_RTHROTTLED]
    assert alone.loop.run_until_complete(alone.desk.long._do(lambda parts: parts.counts())) == {ACCOUNT.id: 3}
    other, wire = alone.bound("slow")
    alone.do(other.data_received, submit(10, first, esm_class=0x40))
    alone.run()
    assert [p.status for p in heard(wire)] == [0]


def test_a_part_longer_than_any_message_is_not_written_down(alone: Alone) -> None:
    connection, transport = alone.bound()
    sar = {spec.TLV_SAR_MSG_REF_NUM: b"\0\1", spec.TLV_SAR_TOTAL_SEGMENTS: b"\2", spec.TLV_SAR_SEGMENT_SEQNUM: b"\1"}
    for n, octets in enumerate((DOOR_PART_OCTETS_MAX, DOOR_PART_OCTETS_MAX + 1)):
        tlvs = {spec.TLV_MESSAGE_PAYLOAD: b"x" * octets, 0x1500: b"y" * 20_000, **sar}
        address = {"dest_addr_ton": 1, "destination_addr": b"393331234567"}
        alone.do(connection.data_received, frame(spec.DATA_SM, 10 + n, tlvs, **address))
        alone.run()
    assert [p.status for p in heard(transport)] == [0, spec.ESME_RINVMSGLEN]
    kept = alone.loop.run_until_complete(
        alone.desk.long._do(lambda parts: parts._conn.execute("SELECT max(length(sealed)) FROM part").fetchone()[0])
    )
    assert kept < DOOR_PART_OCTETS_MAX + 1_000, "what is not read again is not kept"


def test_what_is_in_the_way_of_one_late_message_is_not_in_the_others(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, transport = alone.bound()
    for n in (1, 2):
        (first, *_) = parts_with_udh(0, b"Lungo " * 60, n, 8)
        alone.do(connection.data_received, submit(10 + n, first, esm_class=0x40))
    alone.run()
    heard(transport)
    first_id = min(
        row[0] for row in alone.loop.run_until_complete(
            alone.desk.long._do(lambda parts: parts._conn.execute("SELECT id FROM whole").fetchall())
        )
    )  # fmt: skip
    alone.loop.run_until_complete(
        alone.desk.long._do(lambda parts: parts._conn.execute("UPDATE part SET sealed=x'00' WHERE id=?", (first_id,)))
    )
    monkeypatch.setattr("appliance.door.long.now_ms", lambda: 2**45)
    alone.do(alone.desk.tick, 100.0)
    alone.run()
    assert alone.loop.run_until_complete(alone.desk.long._do(lambda parts: parts.count())) == 1


def test_there_are_files_for_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(process.resource, "setrlimit", lambda _, limits: given.append(limits))
    for limits in ((1_024, 524_288), (1_024, -1), (1_024, 4_096), (524_288, 524_288)):
        monkeypatch.setattr(process.resource, "getrlimit", lambda _, now=limits: now)
        process._room_for_files()
    assert given == [(process.FILES, 524_288), (process.FILES, -1), (4_096, 4_096)]
    assert process.FILES > 2 * DOOR_CONNECTIONS_MAX

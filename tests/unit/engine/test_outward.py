"""What the engine tells others: in order, at least once, and nobody who is away holds up the rest."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.engine.ledger import Ledger
from appliance.engine.outward import Outward
from appliance.engine.retention import retire
from appliance.errors import Error
from appliance.message import DELIVERED, NOTIFY_ACCOUNT_SHIFT, NOTIFY_DOOR, NOTIFY_WEBHOOK, REDACTED, SENT, new_ids
from appliance.router import RouteTable
from appliance.store import Work

DAY = 20_779
AT = DAY * 86_400_000
NOTIFY = NOTIFY_WEBHOOK | NOTIFY_DOOR | 3 << NOTIFY_ACCOUNT_SHIFT


class Peer:
    """Another process: keeps what it is told, or is away, or takes it and the answer is lost."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.away = False
        self.mute = False

    async def call(self, op: str, payload: dict[str, Any]) -> None:
        if self.away:
            raise Error("peer_unavailable", "away")
        self.heard.append((op, payload))
        if self.mute:
            raise Error("peer_unavailable", "no answer")

    def rows(self, op: str) -> list[Any]:
        return [
            row for said, payload in self.heard if said == op for row in payload.get("events", payload.get("messages"))
        ]


class Box:
    """An engine's ledger and its outward side; `beat` commits what is in hand."""

    def __init__(self, folder: Path, closed: bool = False, listeners: bool = True) -> None:
        self.ledger = Ledger(folder, RouteTable([("", ("op",))]), ["op"], {}, "engine-0")
        self.auditor, self.courier, self.door = Peer(), Peer(), Peer()
        self.outward = Outward(self.ledger, self.auditor, self.courier, None if closed else self.door, listeners)  # type: ignore[arg-type]
        self.now_s = 0.0
        self.seq = 0

    def message(self, *statuses: int) -> bytes:
        self.seq += 1
        message_id = new_ids(1, AT + self.seq)[0]
        work = Work()
        sealed = (b"n" * 40, b"c" * 60)
        work.messages.append(
            (self.seq, message_id, 7, 0, 0, 1, "BANK", 39, b"i" * 16, *sealed, 1, AT, 0, AT + 9, NOTIFY)
        )
        for status in statuses:
            work.tell(NOTIFY, self.seq, status, AT, None)
        self.write(work)
        return message_id

    def customer_wrote(self, recipient: str) -> bytes:
        message_id = new_ids(1, AT)[0]
        work = Work()
        link = self.ledger.link_numbers[DAY]["op"]
        work.inbound.append((message_id, link, AT, 1, b"i" * 16, b"n" * 40, recipient, b"c" * 60))
        self.write(work)
        return message_id

    def whole(self, *ids: bytes) -> None:
        work = Work()
        work.heard += [(i, AT, 1, b"i" * 16, b"n" * 40, "4040", b"h" * 60) for i in ids]
        self.write(work)

    def write(self, work: Work) -> None:
        self.ledger.partition(DAY).write(work)
        self.ledger.partition(DAY).commit()

    async def beat(self, count: int = 1) -> None:
        for _ in range(count):
            self.now_s += 1.1
            self.outward.settle()
            for partition in self.ledger.partitions.values():
                if partition.conn.in_transaction:
                    partition.commit()
            self.outward.committed(set(self.ledger.partitions))
            self.outward._not_before.clear()
            self.outward.send(self.now_s)
            await self.outward.drain(1.0)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    box = Box(tmp_path)
    box.ledger.partition(DAY)
    return box


def test_the_door_gets_final_statuses_and_customers_messages_in_order(box: Box) -> None:
    ids = [box.message(SENT, DELIVERED) for _ in range(5)]
    wrote = [box.customer_wrote(recipient) for recipient in ("4040", "5050")]
    asyncio.run(box.beat(3))
    assert [row[0] for row in box.door.rows("events")] == ids
    assert {tuple(row[1:]) for row in box.door.rows("events")} == {(1, b"c" * 60, DELIVERED, AT, "", 7, NOTIFY)}
    assert [(row[0], row[3], row[6]) for row in box.door.rows("inbound")] == [
        (wrote[0], "4040", "op"),
        (wrote[1], "5050", "op"),
    ]
    assert not box.ledger.partition(DAY).untold()


def test_a_door_that_is_away_is_tried_again_and_holds_up_no_webhook(box: Box) -> None:
    box.door.away = True
    ids = [box.message(DELIVERED) for _ in range(3)]
    box.customer_wrote("4040")
    asyncio.run(box.beat(3))
    assert [row[0] for row in box.courier.rows("status_events")] == ids and box.door.heard == []
    assert box.ledger.partition(DAY).untold()
    box.door.away = False
    asyncio.run(box.beat(2))
    assert [row[0] for row in box.door.rows("events")] == ids and len(box.door.rows("inbound")) == 1


def test_an_answer_that_was_lost_is_asked_for_again_with_the_same_numbers(box: Box) -> None:
    box.door.mute = True
    box.message(DELIVERED)
    box.customer_wrote("4040")
    asyncio.run(box.beat(2))
    box.message(DELIVERED)
    box.door.mute = False
    asyncio.run(box.beat(3))
    said = [(payload["source"], payload["first"]) for op, payload in box.door.heard if op == "events"]
    ((source, first),) = set(said)
    assert source.startswith("engine-0/2026-11-22") and source.endswith("/doors") and first == 1
    assert {payload["first"] for op, payload in box.door.heard if op == "inbound"} == {1}
    assert not box.ledger.partition(DAY).untold()


def test_a_redacted_message_is_told_without_its_content(box: Box) -> None:
    box.message(DELIVERED)
    work = Work()
    work.redactions.append((1,))
    work.doors.append((1, REDACTED, AT, None))
    box.write(work)
    asyncio.run(box.beat(2))
    assert [(row[2], row[3]) for row in box.door.rows("events")] == [(b"", DELIVERED), (b"", REDACTED)]


def test_with_the_door_closed_nothing_is_told_and_nothing_piles_up(tmp_path: Path) -> None:
    box = Box(tmp_path, closed=True)
    box.ledger.partition(DAY)
    box.message(DELIVERED)
    box.customer_wrote("4040")
    asyncio.run(box.beat(3))
    partition = box.ledger.partition(DAY)
    assert box.door.heard == [] and not partition.untold() and partition.doors(9) == (0, [])
    assert len(partition.conn.execute("SELECT 1 FROM inbound").fetchall()) == 1, "it stays to be asked for"


def test_a_door_that_is_away_for_ever_does_not_keep_a_day_for_ever(box: Box) -> None:
    box.door.away = True
    box.message(DELIVERED)
    asyncio.run(box.beat(3))
    retire(box.ledger, DAY + 30, 30, AT + 30 * 86_400_000, set())
    assert DAY in box.ledger.partitions, "within its retention it is kept for the door"
    notes = retire(box.ledger, DAY + 31, 30, AT + 31 * 86_400_000, set())
    assert DAY not in box.ledger.partitions and [note["what"] for note in notes] == ["partition.erased"]


def test_customers_whole_messages_go_to_the_courier_once_also_after_a_gap(box: Box) -> None:
    ids = [new_ids(1, AT + n)[0] for n in range(4)]
    box.whole(ids[0])
    box.whole(ids[0], ids[1])  # the first again: it uses up a number
    box.whole(*ids)
    box.courier.away = True
    asyncio.run(box.beat(2))
    assert box.ledger.partition(DAY).may_move(AT), "a day is not erased while one of it is untold"
    box.courier.away = False
    asyncio.run(box.beat(8))
    told = box.courier.rows("received")
    assert [row[0] for row in told] == ids and {tuple(row[1:]) for row in told} == {
        (1, b"n" * 40, "4040", b"h" * 60, AT)
    }
    assert not box.ledger.partition(DAY).heard(10)[1]


def test_without_a_webhook_for_them_they_are_settled_untold(tmp_path: Path) -> None:
    box = Box(tmp_path, listeners=False)
    box.ledger.partition(DAY)
    box.whole(new_ids(1, AT)[0])
    asyncio.run(box.beat(3))
    assert not box.courier.rows("received") and not box.ledger.partition(DAY).heard(10)[1]

"""What the courier forgets of erased messages, and what it seals anew after a key was compromised."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.courier.book import Book, Sorted
from appliance.courier.letter import webhook_id
from appliance.courier.process import Desk
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.keys import DataKey
from appliance.message import CHANGE, new_ids

OLD, NEW = DataKey(7, b"o" * 32), DataKey(8, b"n" * 32)
IDS = new_ids(4, 1_795_000_000_000)


class Ring:
    async def by_id(self, key_id: int) -> DataKey:
        return {7: OLD, 8: NEW}[key_id]

    async def successor(self, key_id: int) -> DataKey:
        if key_id != 7:
            raise Error("key_state", "not compromised")
        return NEW


class Courier:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.book = Book(home / "courier.db")
        self.desk = Desk(self.book, None, None, (), Ring())  # type: ignore[arg-type]
        events = [[i, 7, OLD.seal(b"content", b"c" + i), 4, 1, "", 1] for i in IDS]
        self.book.take("engine-0", 1, events, 1)
        self.book.sort([Sorted(i, "bank:443", OLD.seal(b"label", b"w" + i)) for i in IDS[:3]])

    def ask(self, op: str, payload: Any) -> Any:
        return asyncio.run(getattr(self.desk, op)(payload, Peer(0, 0, 0)))

    def octets(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.home.glob("courier.db*"))


@pytest.fixture
def courier(tmp_path: Path) -> Courier:
    return Courier(tmp_path)


def test_what_is_due_of_an_erased_message_is_dropped_and_nothing_of_it_is_left(courier: Courier) -> None:
    sealed = [due.sealed[12:40] for due in courier.book.due("bank:443", 10, 10)]
    assert all(piece in courier.octets() for piece in sealed)
    assert courier.ask("forget", {"ids": [], "messages": IDS[:2]}) == {"forgotten": 2}
    left = courier.book.due("bank:443", 10, 10)
    assert [due.id for due in left] == [IDS[2]]
    octets = courier.octets()
    assert [piece in octets for piece in sealed].count(True) == 1


def test_labels_are_sealed_anew_and_those_not_sorted_yet_are_for_the_next_time(courier: Courier) -> None:
    assert courier.ask("reseal", {"key_id": 7}) == {"rows": 3, "unreadable": 0, "more": 1}
    for due in courier.book.due("bank:443", 10, 10):
        assert (due.key_id, NEW.open(due.sealed, b"w" + due.id)) == (8, b"label")
    courier.book.sort([Sorted(IDS[3], "bank:443", OLD.seal(b"label", b"w" + IDS[3]))])
    assert courier.ask("reseal", {"key_id": 7}) == {"rows": 1, "unreadable": 0, "more": 0}
    assert courier.ask("reseal", {"key_id": 7})["rows"] == 0
    with pytest.raises(Error):
        courier.ask("reseal", {"key_id": 8})


def test_what_waits_is_listed_newest_first_by_host_and_page(courier: Courier) -> None:
    rows = courier.ask("deliveries", {"host": "", "before": None, "limit": 2})["rows"]
    assert [row[1] for row in rows] == [IDS[3], IDS[2]] and [row[7] for row in rows] == ["", "bank:443"]
    more = courier.ask("deliveries", {"host": "bank:443", "before": rows[-1][0], "limit": 50})["rows"]
    assert [row[1] for row in more] == [IDS[1], IDS[0]]
    assert courier.ask("deliveries", {"host": "other:443", "before": None, "limit": 50})["rows"] == []


class Told:
    """Rounds that allow one host, and hear that something was brought."""

    hosts, allow_loopback = frozenset({"desk.bank.example"}), False

    def __init__(self) -> None:
        self.heard: list[str] = []

    def known(self, host: str) -> None:
        self.heard.append(host)

    def brought(self) -> None:
        self.heard.append("brought")


def test_a_change_of_two_people_is_told_as_one(courier: Courier, monkeypatch: pytest.MonkeyPatch) -> None:
    async def today(self: Ring, day: int) -> DataKey:
        return NEW

    monkeypatch.setattr(Ring, "for_day", today, raising=False)
    rounds = Told()
    courier.desk = Desk(courier.book, rounds, None, (), Ring())  # type: ignore[arg-type]
    (id_,) = new_ids(1, 1_795_000_000_000)
    letter = {"id": id_, "flow": None, "caller": 3, "url": "https://desk.bank.example/c", "told": {"event": "asked", "number": 1}}  # fmt: skip
    assert courier.ask("letter", letter) == {"host": "desk.bank.example:443"}
    courier.ask("letter", letter)  # the same again
    (due,) = courier.book.due("desk.bank.example:443", 2**53, 10)
    label = msgspec.msgpack.decode(NEW.open(due.sealed, b"w" + id_))
    assert (due.status, due.caller) == (CHANGE, 3) and courier.book.flow_of(id_) is None
    assert json.loads(label[3])["type"] == "change.asked" and json.loads(label[3])["data"]["number"] == 1
    assert webhook_id(id_, CHANGE).endswith("-change") and rounds.heard[:2] == ["desk.bank.example:443", "brought"]
    with pytest.raises(Error, match="allowed hosts"):
        courier.ask("letter", letter | {"url": "https://elsewhere.example/"})

"""What the courier forgets of erased messages, and what it seals anew after a key was compromised."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.courier.book import Book, Sorted
from appliance.courier.process import Desk
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.keys import DataKey
from appliance.message import new_ids

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

"""The post: letters opened when there is room, a letter over when all its parcels are, and nothing lost by keys or binds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.access import DoorAccount, DoorAccounts
from appliance.door.post import DAY_MS, Parcel, Post
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.keys import DataKey
from appliance.message import (
    DELIVERED,
    GSM7,
    NOTIFY_ACCOUNT_SHIFT,
    NOTIFY_DOOR,
    REDACTED,
    SENT,
    Content,
    DoorNote,
    id_text,
    new_ids,
)
from appliance.smpp import parse_deliver

KEY = DataKey(1, b"k" * 32)
NOW = 1_800_000_000_000
PEER = Peer(1, 1, 1)
encode = msgspec.msgpack.encode


class Ring:
    """The keys process: may be away, may have destroyed a key."""

    def __init__(self) -> None:
        self.failing: Error | None = None

    async def by_id(self, key_id: int) -> DataKey:
        if self.failing is not None:
            raise self.failing
        if key_id != 1:
            raise Error("key_destroyed", "destroyed")
        return KEY


class Desk:
    """A post with a clock to turn, and an engine beside it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "door.db"
        self.now_s = 100.0
        self.ring = Ring()
        self.accounts = DoorAccounts(
            [DoorAccount(1, "core", 7, inbound=("4040",)), DoorAccount(2, "cards", 7, inbound=("*",))]
        )
        self.woken: list[set[int]] = []
        self.first = self.first_inbound = 1
        self.open()

    def open(self) -> None:
        self.post = Post(
            self.path,
            self.ring,
            self.accounts,
            {"op": "gsm7"},
            30,
            lambda: self.now_s,
            lambda: NOW + int(self.now_s * 1000),
        )
        self.post.wake = self.woken.append

    def told(self, ids: list[str] | None = None, account: int = 1, key_id: int = 1, status: int = DELIVERED) -> bytes:
        message_id = new_ids(1, NOW)[0]
        note = DoorNote((5, 0, "BANK"), (1, 1, "393331234567"), ids or [])
        content = KEY.seal(encode(Content(GSM7, b"text", door=note)), b"c" + message_id)
        self.event(message_id, content, status, account, key_id)
        return message_id

    def event(self, message_id: bytes, content: bytes, status: int, account: int = 1, key_id: int = 1) -> None:
        notify = NOTIFY_DOOR | account << NOTIFY_ACCOUNT_SHIFT
        events = [[message_id, key_id, content, status, NOW, "", 7, notify]]
        answer = asyncio.run(self.post.events({"source": "e", "first": self.first, "events": events}, PEER))
        assert answer == {"settled": self.first}
        self.first += 1

    def wrote(self, recipient: str, octets: bytes = b"STOP") -> bytes:
        message_id = new_ids(1, NOW)[0]
        content = {"esm_class": 0, "data_coding": 0, "short_message": octets, "tlvs": {}}
        sealed = KEY.seal(encode(content), b"c" + message_id), KEY.seal(b"+393331234567", b"n" + message_id)
        row = [message_id, 1, sealed[1], recipient, sealed[0], NOW, "op"]
        asyncio.run(self.post.inbound({"source": "i", "first": self.first_inbound, "messages": [row]}, PEER))
        self.first_inbound += 1
        return message_id

    def take(self, room: int = 10, account: int = 1) -> list[Parcel]:
        return asyncio.run(self.post.take(account, room))

    def due(self, account: int = 1) -> tuple[int, int]:
        self.post.flush()
        return self.post.book.counts().get(account, (0, 0))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def said(parcels: list[Parcel]) -> list[str]:
    return [parse_deliver(p.pdu(9)).tlvs[0x001E].decode().rstrip("\0") for p in parcels]


def test_a_receipt_goes_to_the_account_that_sent_and_is_forgotten_when_taken(desk: Desk) -> None:
    ours, other = desk.told(), desk.told(account=2)
    assert desk.woken == [{1}, {2}]
    (parcel,) = desk.take()
    assert said([parcel]) == [id_text(ours)] and parse_deliver(parcel.pdu(77)).sequence == 77
    assert said(desk.take(account=2)) == [id_text(other)]
    desk.post.settled(parcel, 0)
    assert desk.due() == (0, 0) and desk.due(2) == (1, 0) and desk.take() == []


def test_a_customers_message_that_was_erased_is_handed_to_nobody(desk: Desk) -> None:
    erased, taken = desk.wrote("4040", b"erased"), desk.wrote("4040", b"kept")
    assert asyncio.run(desk.post.forget({"ids": [erased, b"?" * 16]}, PEER)) == {"forgotten": 1}
    assert [parse_deliver(p.pdu(1)).short_message for p in desk.take()] == [b"kept"] and desk.due() == (1, 0)
    row = [erased, 1, b"n", "4040", b"", NOW, "op"]  # erased while it was on its way
    asyncio.run(desk.post.inbound({"source": "i", "first": desk.first_inbound, "messages": [row]}, PEER))
    assert desk.due() == (1, 0)
    asyncio.run(desk.post.forget({"ids": [taken]}, PEER))
    assert desk.due() == (0, 0)


def test_customers_messages_go_by_recipient(desk: Desk) -> None:
    desk.wrote("4040", b"to core")
    desk.wrote("5050", b"to the rest")
    assert [parse_deliver(p.pdu(1)).short_message for p in desk.take()] == [b"to core"]
    assert [parse_deliver(p.pdu(1)).short_message for p in desk.take(account=2)] == [b"to the rest"]


def test_a_long_messages_letter_is_over_when_all_its_receipts_were_taken(desk: Desk) -> None:
    desk.told(["a-1", "a-2", "a-3"])
    desk.told(["b"])
    first = desk.take(2)
    assert said(first) == ["a-1", "a-2"]
    for parcel in first:
        desk.post.settled(parcel, 0)
    assert desk.due() == (2, 0)
    rest = desk.take(2)
    assert said(rest) == ["a-3", "b"]
    for parcel in rest:
        desk.post.settled(parcel, 0)
    assert desk.due() == (0, 0)


def test_only_the_receipts_that_were_not_taken_are_repeated(desk: Desk) -> None:
    desk.told(["a-1", "a-2", "a-3"])
    one, two, three = desk.take()
    desk.post.settled(one, 0)
    desk.post.settled(two, 0x14)
    assert desk.take() == [], "its third answer is not there yet"
    desk.post.settled(three, 0)
    desk.now_s += 1.0
    again = desk.take()
    assert said(again) == ["a-2"]
    desk.post.lost(again)
    again = desk.take()
    assert said(again) == ["a-2"]
    desk.post.settled(again[0], 0)
    assert desk.due() == (0, 0)


def test_a_refusal_for_good_of_one_part_sets_the_letter_aside(desk: Desk) -> None:
    desk.told(["a-1", "a-2"])
    one, two = desk.take()
    desk.post.settled(two, 0x65)
    desk.post.settled(one, 0x14)
    assert desk.due() == (0, 1)
    (state,) = desk.post.state()["letters"]
    assert state == {
        "account": 1, "system_id": "core", "due": 0, "oldest_ms": None, "aside": 1, "reasons": {"ESME_RX_P_APPN": 1}
    }  # fmt: skip
    assert desk.post.bring_back(1) == 1 and said(desk.take()) == ["a-1", "a-2"]


def test_a_crash_repeats_what_was_under_way_with_the_same_ids_and_nothing_else(desk: Desk) -> None:
    ids = [desk.told() for _ in range(6)]
    first = desk.take(4)
    for parcel in first[:2]:
        desk.post.settled(parcel, 0)
    desk.post.flush()
    desk.post.settled(first[2], 0)  # heard, not yet written down
    desk.post.book.close()
    desk.open()
    assert said(desk.take()) == [id_text(i) for i in ids[2:]]


def test_keys_that_are_away_lose_nothing_and_are_asked_again(desk: Desk) -> None:
    ids = [desk.told() for _ in range(3)]
    desk.ring.failing = Error("hsm_unavailable", "away")
    assert desk.take() == [] and desk.post.next_s(1) == 2.0
    desk.ring.failing = None
    assert desk.take() == [], "not before the pause is over"
    desk.now_s += 2.0
    assert said(desk.take()) == [id_text(i) for i in ids]


def test_what_can_never_be_opened_is_set_aside_and_holds_up_nothing(desk: Desk) -> None:
    desk.told(key_id=9)
    message_id = new_ids(1, NOW)[0]
    desk.event(message_id, b"forged" * 10, DELIVERED)
    good = desk.told()
    assert said(desk.take()) == [id_text(good)]
    assert desk.due() == (1, 2) and set(desk.post.book.reasons()[1]) == {"key_destroyed", "key_refused"}


def test_a_letter_swapped_with_anothers_does_not_open(desk: Desk) -> None:
    first, second = desk.told(), desk.told()
    desk.post.book._conn.execute("UPDATE letter SET id = CASE n WHEN 1 THEN ? ELSE ? END", (second, first))
    assert desk.take() == [] and desk.due() == (0, 2)


def test_a_redacted_message_is_forgotten_although_it_was_opened(desk: Desk) -> None:
    message_id = desk.told(["a-1", "a-2"])
    (one,) = desk.take(1)
    desk.event(message_id, b"", REDACTED)
    desk.post.settled(one, 0)
    assert desk.take() == [] and desk.due() == (0, 0)


def test_two_binds_share_and_a_lost_one_leaves_its_share_to_the_other(desk: Desk) -> None:
    ids = [id_text(desk.told()) for _ in range(6)]
    first, second = desk.take(3), desk.take(3)
    assert said(first) == ids[:3] and said(second) == ids[3:]
    desk.post.lost(first)
    assert said(desk.take()) == ids[:3]


def test_the_last_bind_gone_leaves_nothing_in_memory_and_nothing_is_lost(desk: Desk) -> None:
    desk.told(["a-1", "a-2", "a-3"])
    ids = [id_text(desk.told()) for _ in range(3)]
    parcels = desk.take(1)
    desk.post.lost(parcels)
    desk.post.released(1)
    assert desk.post.state()["in_memory"] == 0 and desk.post._open == {}
    assert said(desk.take()) == ["a-1", "a-2", "a-3", *ids]


def test_a_revoked_account_gets_nothing_more_and_its_callers_other_one_takes_over(desk: Desk) -> None:
    desk.told()
    desk.post.accounts = DoorAccounts([DoorAccount(2, "cards", 7)])
    assert desk.take() == []
    later = desk.told(account=1)
    assert said(desk.take(account=2)) == [id_text(later)]


def test_nobody_gets_the_receipts_of_another_api_key(desk: Desk) -> None:
    desk.post.accounts = DoorAccounts([DoorAccount(1, "other", 8)])
    desk.told(account=1)
    assert desk.take() == [] and desk.post.book.tallies() == {"unclaimed": 1}


def test_letters_are_dropped_when_their_days_are_over(desk: Desk) -> None:
    desk.told()
    assert len(desk.take()) == 1
    desk.now_s += 30 * DAY_MS / 1000 + 1
    desk.told()
    desk.post.sweep()
    assert desk.due() == (1, 0) and len(desk.take()) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"first": 0}, "invalid"),
        ({"events": [[b"short", 1, b"", DELIVERED, 0, "", 7, 2]]}, "invalid"),
        ({"events": [[bytes(16), 1, b"", SENT, 0, "", 7, 2]]}, "invalid"),
        ({"events": [["x"]]}, "malformed"),
        ({"more": 1}, "malformed"),
    ],
)
def test_what_no_engine_says_is_refused(desk: Desk, change: dict[str, Any], code: str) -> None:
    with pytest.raises(Error) as e:
        asyncio.run(desk.post.events({"source": "e", "first": 1, "events": [], **change}, PEER))
    assert e.value.code == code


def test_nothing_in_the_book_is_in_clear(desk: Desk) -> None:
    desk.told()
    desk.wrote("4040", b"my secret words")
    desk.post.close()
    octets = b"".join(path.read_bytes() for path in desk.path.parent.glob("door.db*"))
    assert b"393331234567" not in octets and b"secret words" not in octets

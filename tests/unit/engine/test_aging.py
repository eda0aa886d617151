"""Retention by class: what is old of one class goes from its day, sealed as it was; the others, the skeletons and what still waits stay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance import clock
from appliance.clock import DAY_MS
from appliance.engine.aging import Aging, due, kept_days
from appliance.engine.left_stores import LeftStores
from appliance.engine.scrubbing import Scrubbing
from appliance.keys import blind_index
from appliance.message import ALERT, BULK, OTP, new_ids
from appliance.settings import parse
from appliance.store import Reader
from tests.support.engine_alone import INDEX_KEY, KEY, Time, World, batch

ANNA = "+393471234567"
SUBJECT = blind_index(INDEX_KEY, ANNA)


class Ring:
    def __init__(self) -> None:
        self.days: frozenset[int] | None = frozenset()
        self.certain = 1 << 40

    async def retention(self) -> tuple[frozenset[int], int] | None:
        return None if self.days is None else (self.days, self.certain)


class Bank(World):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ring, self.scrubbing = Ring(), Scrubbing(self.ledger)
        settings, stores = parse({}, folder, "test"), LeftStores(self.ledger, {})
        self.aging = Aging(self.ledger, settings, self.ring, self._do, stores, self.scrubbing.days)  # type: ignore[arg-type]

    async def _do(self, act: Callable[[], Any]) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.beat.acts.append((act, future))
        await self.beat.once()
        await self.scrubbing.step()
        return await future

    def look(self) -> int:
        return asyncio.run(self.aging.look(clock.now_ms()))

    def texts(self) -> dict[bytes, bool]:
        """Message -> whether text and number are there."""
        reader = Reader(self.folder)
        rows = reader.search(number_index=SUBJECT, limit=200)[0]
        reader.close()
        assert all(bool(row.number) == (row.content is not None) for row in rows)
        return {row.id: bool(row.number) for row in rows}

    def sent(self, *classes: int) -> list[bytes]:
        """A batch with a message of each class, delivered."""
        made = batch(*["text"] * len(classes))
        made.classes = list(classes)
        self.accept(made)
        for each in self.submits():
            operator_id = f"op{each.sequence}-{made.ids[0].hex()[:8]}"
            self.answer(each.sequence, operator_id)
            self.run()
            self.receipt(operator_id)
        self.run()
        return made.ids


@pytest.fixture
def bank(tmp_path: Path, time: Time) -> Bank:
    world = Bank(tmp_path)
    world.bind()
    return world


def test_each_class_has_its_own_time_and_none_is_kept_longer_than_its_partition() -> None:
    kept = kept_days(parse({}, Path("/x"), "t"))
    assert kept == {"otp": 3, "alert": 30, "transaction": 30, "bulk": 7, "inbound": 30}
    assert kept_days(parse({"store": {"retention_days": 5}}, Path("/x"), "t")) == dict(
        kept, alert=5, transaction=5, bulk=5, inbound=5
    )
    nothing: frozenset[Any] = frozenset()
    assert [due(kept, 100 - age, 100, nothing, nothing) for age in (3, 4, 8, 31)] == [
        [],
        ["otp"],
        ["otp", "bulk"],
        list(kept),
    ]
    assert due(kept, 90, 100, frozenset({90}), nothing) == [] and due(kept, 90, 100, nothing, frozenset({"otp"})) == [
        "bulk"
    ]


def test_old_codes_go_and_what_is_younger_or_of_another_class_stays(bank: Bank, time: Time) -> None:
    first = bank.sent(OTP, ALERT, BULK, OTP)
    long = batch("x" * 400, class_=OTP)
    bank.accept(long)
    for n, each in enumerate(bank.submits()):
        bank.answer(each.sequence, f"long{n}")
    bank.run()
    number, content = bank.found(first[0]).number, bank.found(first[0]).content

    def octets():
        return b"".join(p.read_bytes() for p in bank.folder.rglob("*") if p.is_file() and not p.name.endswith("-shm"))

    assert number and content and number[12:40] in octets() and content[12:40] in octets()
    time.pass_(3 * 86_400)
    assert bank.look() == 0
    time.pass_(86_400)
    bank.run()
    assert bank.look() == 3, "two of the batch, and the long one, whose validity is over"
    assert bank.texts() == {first[0]: False, first[1]: True, first[2]: True, first[3]: False, long.ids[0]: False}
    assert bank.status(first[0]) == "delivered"
    assert number[12:40] not in octets() and content[12:40] not in octets()
    assert bank.look() == 0, "looked at once a day"
    time.pass_(4 * 86_400)
    bank.run()
    assert bank.look() == 1 and not bank.texts()[first[2]] and bank.texts()[first[1]], "bulk"
    entries = [
        e for outbox in bank.ledger.outboxes.values() for e in outbox.pending(100)[1] if e["what"] == "partition.aged"
    ]
    assert [e["detail"] for e in entries] == [{"class": "otp", "messages": 3}, {"class": "bulk", "messages": 1}]


def test_a_hold_stops_it_and_so_does_a_keys_process_that_says_nothing_or_another_day(bank: Bank, time: Time) -> None:
    ids = bank.sent(OTP)
    day = clock.day_of(time.ms)
    time.pass_(5 * 86_400)
    for held in (None, frozenset({day})):
        bank.ring.days = held
        assert bank.look() == 0 and bank.texts()[ids[0]]
    bank.ring.days, bank.ring.certain = frozenset(), day
    assert bank.look() == 0, "the clock went ahead: nobody is certain that it is so late"
    bank.ring.certain = day + 5
    assert bank.look() == 1 and not bank.texts()[ids[0]]


def test_what_waits_or_may_be_answered_is_left_for_the_next_day(bank: Bank, time: Time) -> None:
    later = batch("later", class_=OTP, at=time.ms + 20 * DAY_MS)
    bank.accept(later)
    ids = bank.sent(OTP)
    time.pass_(5 * 86_400)
    assert bank.look() == 1 and bank.texts() == {later.ids[0]: True, ids[0]: False}
    bank.crash()
    again = Bank(bank.folder.parent)
    again.start()
    time.pass_(86_400)
    again.step()
    assert again.look() == 0 and again.texts()[later.ids[0]], "not marked as done: it is looked at again"


def test_what_customers_wrote_goes_when_it_was_told(bank: Bank, time: Time) -> None:
    now, day = time.ms, clock.day_of(time.ms)
    (message_id,) = new_ids(1, now)
    sealed, part, whole = KEY.seal(ANNA.encode(), b"n"), KEY.seal(b"x", b"c"), KEY.seal(b"x", b"h")
    work = bank.ledger.work[day]
    work.inbound.append((message_id, 1, now, 1, SUBJECT, sealed, "4040", part))
    work.heard.append((message_id, now, 1, SUBJECT, sealed, "4040", whole))
    bank.run()
    bank.aging.kept = dict.fromkeys(bank.aging.kept, 2)
    time.pass_(4 * 86_400)
    assert bank.look() == 0, "nobody has read it"
    partition = bank.ledger.partition(day)
    partition.begin()
    for mark in ("heard_told", "inbound_read", "inbound_told"):
        partition.set_mark(mark, 1)
    partition.commit()
    bank.aging._looked.clear()
    assert bank.look() == 1
    for table in ("inbound", "heard"):
        row = partition.conn.execute(f"SELECT number,content,number_index FROM {table}").fetchone()
        assert row == (b"", b"", SUBJECT)

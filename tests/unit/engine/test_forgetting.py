"""One person erased from a day: nothing of number or text is left in any file, sealed or clear; the skeleton is, and everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance import clock
from appliance.engine import forgetting as forgetting_file
from appliance.engine.forgetting import Forgetting
from appliance.engine.left_stores import LeftStores
from appliance.engine.scrubbing import Scrubbing
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.keys import blind_index
from appliance.message import CANCELLED, QUEUED, SCHEDULED, Batch, new_ids
from appliance.store import NO_ID, Reader, wrote
from tests.support.engine_alone import INDEX_KEY, KEY, World, batch

ANNA, BRUNO = "+393471234567", "+393477654321"
SUBJECT, OTHER = blind_index(INDEX_KEY, ANNA), blind_index(b"retired", ANNA)
PEER = Peer(1, 1, 1)


class Process:
    """Courier or door: told what is to be forgotten."""

    def __init__(self) -> None:
        self.forgot: list[dict[str, Any]] = []
        self.away = False

    async def call(self, op: str, payload: Any = None, timeout_s: float = 1.0) -> Any:
        if self.away:
            raise Error("peer_unavailable", "away")
        self.forgot.append(payload)
        return {}


class Ring:
    def __init__(self) -> None:
        self.days: list[int] | None = []
        self.allowed = True

    async def held(self) -> frozenset[int] | None:
        return None if self.days is None else frozenset(self.days)

    async def erasure(self, request: int) -> dict[str, Any]:
        if not self.allowed:
            raise Error("forbidden", "nobody approved it")
        return {"erasure": 1}


class Outward:
    def __init__(self) -> None:
        self.courier, self.door = Process(), Process()
        self.busy: set[Any] = set()


class Bank(World):
    """A world with messages to and from two people, and the means to forget one of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ring, self.outward, self.forgot = Ring(), Outward(), list[bytes]()
        self.day = clock.day_of(clock.now_ms())
        self.scrubbing = Scrubbing(self.ledger)
        self.forgetting = Forgetting(
            self.ledger,
            self.outward,
            self.ring,
            self._do,
            self.forgot.append,
            LeftStores(self.ledger, {}),
            self.scrubbing.days,
        )  # type: ignore[arg-type]

    async def _do(self, act: Callable[[], Any]) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        async with self.turn:
            self.beat.acts.append((act, future))
            await self.beat.once()
        return await future

    def erase(self, **changed: Any) -> dict[str, Any]:
        asked = {
            "request": 7,
            "subject": SUBJECT,
            "stands_for": OTHER,
            "number": ANNA,
            "day": self.day,
            "who": "console:ann",
        }

        async def both() -> Any:
            self.turn = asyncio.Lock()  # a log is emptied between two beats, never in one: they share a connection

            async def scrubbing() -> None:
                while True:
                    async with self.turn:
                        await self.scrubbing.step()
                    await asyncio.sleep(0)

            task = asyncio.create_task(scrubbing())
            try:
                return await self.forgetting.subject({**asked, **changed}, PEER)
            finally:
                task.cancel()

        return asyncio.run(both())  # type: ignore[no-any-return]

    def from_customer(self, number: str, text: str) -> list[bytes]:
        """A part and the whole of it; what is sealed of them."""
        now = clock.now_ms()
        (message_id,) = new_ids(1, now)
        index, sealed = blind_index(INDEX_KEY, number), KEY.seal(number.encode(), b"n" + message_id)
        part, whole = (KEY.seal(msgspec.msgpack.encode({"text": text}), aad + message_id) for aad in (b"c", b"h"))
        work = self.ledger.work[self.day]
        work.inbound.append((message_id, 1, now, 1, index, sealed, "4040", part))
        work.heard.append((message_id, now, 1, index, sealed, "4040", whole))
        self.run()
        return [sealed, part, whole]

    def octets(self) -> bytes:
        """Every file of the store: the database with its free pages, its log, whatever else is there."""
        return b"".join(
            path.read_bytes() for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".db-shm"
        )


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path)


def _sealed(sent: Batch) -> list[bytes]:
    return [*sent.numbers, *sent.contents]


def _left(bank: Bank, pieces: list[bytes]) -> int:
    octets = bank.octets()
    return sum(piece[12:44] in octets for piece in pieces)


def test_nothing_of_the_person_is_left_in_any_file_and_everything_of_the_others_is(bank: Bank) -> None:
    bank.bind()
    mixed = batch("one", "two", "three")
    mixed.to[1], mixed.number_indexes[1] = BRUNO, blind_index(INDEX_KEY, BRUNO)
    mixed.numbers[1] = KEY.seal(BRUNO.encode(), b"n" + mixed.ids[1])
    bank.accept(mixed)
    for n, each in enumerate(bank.submits()):
        bank.answer(each.sequence, f"op{n}")
    bank.run()
    bank.receipt("op0")
    bank.run()
    long, later = batch("x" * 400), batch("later", at=clock.now_ms() + 3_000_000)
    bank.accept(long)
    bank.submits()
    bank.accept(later)
    wrote_ = bank.from_customer(ANNA, "who are you?")
    others = bank.from_customer(BRUNO, "ciao")
    index = blind_index(INDEX_KEY, ANNA)
    park = (1, "op9", 4, clock.now_ms(), None, index, "BANK", None, 3, b"t" * 16, None)
    bank.ledger.work[bank.day].parked += [park, (1, f"?{index.hex()}:BANK:0:4", *park[2:])]
    bank.run()
    hers = [mixed.numbers[0], mixed.contents[0], mixed.numbers[2], mixed.contents[2], *_sealed(later), *wrote_]
    assert _left(bank, hers) == len(hers)

    told = bank.erase()
    assert told == {"messages": 3, "cancelled": 1, "inbound": 1, "parts": 1, "receipts": 2, "waiting": 1}
    assert _left(bank, hers) == 0
    assert SUBJECT in bank.octets(), "the one that is leaving"
    for each in bank.submits():
        bank.answer(each.sequence, "")
    bank.link.submitter.connection_lost(None)
    bank.run()
    assert bank.erase()["messages"] == 1
    octets = bank.octets()
    assert SUBJECT not in octets and SUBJECT.hex().encode() not in octets and SUBJECT[:7] not in octets
    assert _left(bank, _sealed(long)) == 0
    assert _left(bank, [mixed.numbers[1], mixed.contents[1], *others]) == 5, "Bruno's are all there"
    assert KEY.open(bank.found(mixed.ids[1]).number or b"", b"n" + mixed.ids[1]) == BRUNO.encode()


def test_the_skeleton_stays_and_is_found_by_the_other_index_alone(bank: Bank) -> None:
    bank.bind()
    sent = batch("one", "two")
    bank.accept(sent)
    for n, each in enumerate(bank.submits()):
        bank.answer(each.sequence, f"op{n}")
    bank.run()
    before = [bank.found(each) for each in sent.ids]
    bank.erase()
    reader = Reader(bank.folder)
    assert reader.search(number_index=SUBJECT)[0] == []
    found = {row.id: row for row in reader.search(number_index=OTHER)[0]}
    for was in before:
        now = found[was.id]
        same = (
            "seq",
            "caller",
            "status",
            "class_",
            "segments",
            "sender",
            "calling_code",
            "link",
            "accepted_ms",
            "expires_ms",
        )
        assert [getattr(now, name) for name in same] == [getattr(was, name) for name in same]
        assert (now.number, now.content) == (b"", None)
    assert bank.ledger.existing(bank.day).batched_to(SUBJECT) == []  # type: ignore[union-attr]
    bank.receipt("op1")
    bank.run()
    assert bank.status(sent.ids[1]) == "delivered", "its receipt still finds it"
    (columns, numbers) = bank.ledger.partitions[bank.day].conn.execute("SELECT columns,numbers FROM batch").fetchone()
    assert numbers == NO_ID * 2 and sent.ids[0] in columns


def test_it_survives_a_crash_and_may_be_done_twice(bank: Bank) -> None:
    sent = batch("one", "two", "three", at=clock.now_ms() + 3_000_000)
    bank.accept(sent)
    bank.from_customer(ANNA, "hello")
    first = bank.erase()
    assert (first["messages"], first["cancelled"], first["waiting"]) == (3, 3, 0)
    bank.crash()
    again = Bank(bank.folder.parent)
    again.start()
    assert set(again.erase().values()) == {0}
    assert [row.status for row in Reader(again.folder).search(number_index=OTHER)[0]] == [CANCELLED] * 3
    assert not list(wrote(again.folder, SUBJECT))
    assert not again.ledger.queues.lengths[2], "nothing of it waits"


def test_many_messages_are_many_transactions(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting_file, "AT_ONCE", 3)
    bank.accept(batch(*["usual"] * 8))
    bank.accept(batch(*["long " * 100] * 4))
    for text in ("a", "b", "c", "d"):
        bank.from_customer(ANNA, text)
    beats = bank.beat.beats
    told = bank.erase()
    assert (told["messages"], told["inbound"], told["parts"]) == (12, 4, 4)
    assert bank.beat.beats - beats > 6
    assert SUBJECT not in bank.octets()


def test_a_legal_hold_or_a_keys_process_that_does_not_answer_or_no_second_person_refuse(bank: Bank) -> None:
    bank.accept(batch("one"))
    for change, code in (
        ({"days": [bank.day]}, "legal_hold"),
        ({"days": None}, "peer_unavailable"),
        ({"allowed": False}, "forbidden"),
    ):
        bank.ring = bank.forgetting.keyring = Ring()  # type: ignore[assignment]
        vars(bank.ring).update(change)
        with pytest.raises(Error) as caught:
            bank.erase()
        assert caught.value.code == code
    bank.forgetting.keyring = Ring()  # type: ignore[assignment]
    bank.outward.courier.away = True
    with pytest.raises(Error):
        bank.erase()
    assert len(Reader(bank.folder).search(number_index=SUBJECT)[0]) == 1, "nothing was erased"
    bank.outward.courier.away = False
    for wrong in ({"subject": OTHER}, {"subject": b"short"}, {"day": "today"}):
        with pytest.raises(Error) as caught:
            bank.erase(**wrong)
        assert caught.value.code == "malformed"


def test_courier_and_door_forget_before_and_after_and_the_log_says_so_without_the_number(bank: Bank) -> None:
    sent = batch("one", at=clock.now_ms() + 3_000_000)
    sent.notify = [1]
    bank.accept(sent)
    bank.from_customer(ANNA, "ciao")
    bank.erase()
    assert [f["messages"] for f in bank.outward.courier.forgot] == [sent.ids] * 2
    assert all(sent.ids[0] in f["ids"] and len(f["ids"]) == 3 for f in bank.outward.door.forgot)
    assert bank.forgot == [SUBJECT], "and the listener"
    entries = bank.ledger.outboxes[bank.day].pending(100)[1]
    assert [e["detail"] for e in entries if e["what"] == "subject.day_erased"] == [{"rows": 3, "request": 7}]
    assert ANNA[1:] not in repr(entries)
    statuses = [row[3] for row in bank.ledger.partitions[bank.day].webhooks(10)[1]]
    assert len(statuses) == 2, "cancelled, and redacted: the courier drops what it still has"


def test_a_day_that_waits_for_its_time_is_cancelled_and_those_before_it_go_on(bank: Bank) -> None:
    sent = batch("later", at=clock.now_ms() + 3_000_000)
    bank.accept(sent)
    bank.accept(batch("now", to=BRUNO))
    bank.erase()
    rows = Reader(bank.folder).search()[0]
    assert {row.status for row in rows} == {CANCELLED, QUEUED} and SCHEDULED not in {row.status for row in rows}

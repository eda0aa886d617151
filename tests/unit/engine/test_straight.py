"""Messages that live in batches and messages that are rows: nobody who looks can tell them apart, whatever happens to them."""

from __future__ import annotations

import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance import clock
from appliance.engine import accepting, acts, tending
from appliance.engine.awaited import Outstanding
from appliance.keys import blind_index
from appliance.message import BULK, DELIVERED, OTP, SENT, STATUSES
from appliance.store import OperationalError, Reader, stored
from appliance.store.behind import numbers_in
from tests.support.engine_alone import INDEX_KEY, Time, World, batch

THROTTLED, FOREVER = 0x58, 0x0B
WHO = "api:1"


def rows_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(accepting, "odd_ones", lambda batch: set(range(len(batch.ids))))


def conn_of(world: World) -> Any:
    return world.ledger.partitions[max(world.ledger.partitions)].conn


def count(world: World, table: str) -> int:
    n: int = conn_of(world).execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return n


def put_in_place(world: World) -> None:
    """All that the indexes built behind have gathered."""
    partition = world.ledger.partitions[max(world.ledger.partitions)]
    while partition.behind(1):
        partition.begin()
        partition.place(1)
        partition.commit()


def through(world: World, *texts: str, class_: int = BULK) -> list[bytes]:
    """Accepted, answered, receipted: ids of messages whose life is over."""
    b = batch(*texts, class_=class_)
    world.accept(b)
    submits = world.submits()
    for n, submit in enumerate(submits):
        world.answer(submit.sequence, f"{texts[n]}-id")
    world.run()
    for n in range(len(submits)):
        world.receipt(f"{texts[n]}-id", sequence=500 + n)
    world.run()
    return b.ids


def test_a_usual_life_leaves_one_batch_one_tally_and_no_row(world: World, time: Time) -> None:
    world.bind()
    ids = through(world, "one", "two", "three")
    assert [count(world, t) for t in ("batch", "tally", "message", "progress", "segment")] == [1, 1, 0, 0, 0]
    assert [world.status(i) for i in ids] == ["delivered"] * 3
    time.pass_(2)
    through(world, "four")
    assert count(world, "moves") <= 4, "what a tally has taken in is forgotten"


def test_a_second_receipt_changes_nothing_even_after_a_restart(world: World, tmp_path: Path, time: Time) -> None:
    world.bind()
    (one,) = through(world, "one")
    world.receipt("one-id", "UNDELIV", 501)
    world.run()
    world.crash()
    again = World(tmp_path)
    again.start()
    again.bind()
    again.receipt("one-id", "UNDELIV", 600)
    again.run()
    assert count(again, "ended") == 0
    put_in_place(again)
    assert count(again, "ended") == 1
    again.receipt("one-id", "UNDELIV", 999)
    again.run()
    assert again.status(one) == "delivered" and len(again.ledger.parked) == 0


def test_a_restart_takes_in_moves_of_a_day_to_which_nothing_more_happens(world: World, tmp_path: Path) -> None:
    world.bind()
    through(world, "one", "two")
    assert count(world, "moves") > 0
    world.crash()
    again = World(tmp_path)
    again.start()
    again.run()
    assert count(again, "moves") == 0, "the next start reads none of them once more"
    assert stored.totals(conn_of(again)) == {DELIVERED: 2}
    again.crash()


def test_a_restart_knows_what_awaits_its_receipt(world: World, tmp_path: Path) -> None:
    world.bind()
    b = batch("one", "two", "three")
    world.accept(b)
    one, two, _ = world.submits()
    world.answer(one.sequence, "A")
    world.answer(two.sequence, "B")
    world.run()
    world.receipt("A", "UNDELIV")
    world.run()
    world.crash()
    again = World(tmp_path)
    assert again.start() == 1, "the third was under way"
    again.bind()
    again.receipt("B")
    again.run()
    assert [again.status(i) for i in b.ids] == ["undelivered", "delivered", "indeterminate"]
    assert again.found(b.ids[0]).error == "UNDELIV 000" and again.found(b.ids[1]).link == "op"


def test_a_tally_is_written_while_receipts_are_awaited_and_the_wait_in_memory_ends(world: World, time: Time) -> None:
    world.bind()
    b = batch("one", "two")
    world.accept(b)
    for n, submit in enumerate(world.submits()):
        world.answer(submit.sequence, f"id{n}")
    world.run()
    assert count(world, "tally") == 0
    time.pass_(tending.WRITTEN_EACH_MS / 1000 + 1)
    world.run()
    assert count(world, "tally") == 1 and count(world, "moves") == 0
    time.pass_(tending.AWAITED_MS_MAX / 1000)
    world.run()
    assert count(world, "segment") == 2 and not world.ledger.straight.tallies
    world.receipt("id1")
    world.run()
    assert [world.status(i) for i in b.ids] == ["sent", "delivered"]


def test_more_receipts_awaited_than_memory_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outstanding, "MOST", 3)
    monkeypatch.setattr(Outstanding, "FORGOTTEN_EACH", 2)
    world.bind()
    b = batch(*"abcdef")
    world.accept(b)
    for n, submit in enumerate(world.submits()):
        world.answer(submit.sequence, f"id{n}")
    world.run()
    assert len(world.ledger.outstanding) <= 3 and count(world, "segment") == 4
    for n in range(6):
        world.receipt(f"id{n}", sequence=600 + n)
    world.run()
    assert [world.status(i) for i in b.ids] == ["delivered"] * 6


def test_redacting_erases_the_content_of_its_batch(world: World) -> None:
    world.bind()
    ids = through(world, "one", "two", "three")
    day = clock.day_of(clock.now_ms())
    columns, _ = stored.columns_of(conn_of(world), 1)
    sealed = columns.contents[:]
    for each in ids[:2]:  # both in one beat
        assert acts.redact(world.ledger, day, each, WHO, clock.now_ms()) == "redacted"
    world.run()
    kept = conn_of(world).execute("SELECT columns FROM batch").fetchone()[0]
    assert sealed[0] not in kept and sealed[1] not in kept and sealed[2] in kept
    assert [world.found(i).content for i in ids] == [None, None, sealed[2]]
    assert [world.status(i) for i in ids] == ["delivered"] * 3


def test_a_batch_that_the_disk_does_not_take_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.bind()
    world.beat.pause_s = 0.0
    partition = world.ledger.partitions[clock.day_of(clock.now_ms())]
    commit, fails = partition.commit, [1]

    def failing() -> None:
        if fails:
            fails.pop()
            raise OperationalError("disk I/O error")
        commit()

    monkeypatch.setattr(partition, "commit", failing)
    with pytest.raises(Exception, match="cannot be written"):
        world.accept(batch("lost"))
    assert world.submits() == [] and not world.ledger.straight.tallies and not any(world.ledger.straight.moved.values())
    ids = through(world, "kept")
    assert world.status(ids[0]) == "delivered" and count(world, "batch") == 1
    put_in_place(world)
    (entries,) = conn_of(world).execute("SELECT entries FROM number").fetchone()
    assert numbers_in(entries, blind_index(INDEX_KEY, "+393471234567")) == [2]


def test_what_was_queued_before_leaves_once_when_the_disk_is_back(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.beat.pause_s = 0.0
    b = batch("one", "two")
    world.accept(b)
    world.bind()
    partition = world.ledger.partitions[b.day]
    commit, fails = partition.commit, [1]

    def failing() -> None:
        if fails:
            fails.pop()
            raise OperationalError("disk I/O error")
        commit()

    monkeypatch.setattr(partition, "commit", failing)
    world.run()
    assert world.submits() == []
    world.run()
    assert len(world.submits()) == 2
    world.crash()
    assert World(tmp_path).start() == 2


def usual(world: World, by: random.Random, time: Time, ids: list[bytes], names: dict[bytes, str]) -> None:
    """Something that may happen, told by chance."""
    what = by.random()
    submits = world.submits() if what < 0.75 else []
    for submit in submits:
        said = by.choices((0, THROTTLED, FOREVER), (8, 1, 1))[0]
        world.answer(submit.sequence, f"op{submit.sequence}" if not said else "", said)
        names.setdefault(f"op{submit.sequence}".encode(), "")
    if what < 0.5:
        for name in list(names)[: by.randrange(6)]:
            del names[name]
            world.receipt(name.decode(), by.choice(("DELIVRD", "DELIVRD", "UNDELIV", "EXPIRED")), by.randrange(1, 9**6))
    elif what > 0.9 and ids:
        one, act = by.choice(ids), by.choice((acts.cancel, acts.redact))
        act(world.ledger, clock.day_of(time.ms), one, WHO, time.ms)
    time.pass_(by.choice((0.0, 0.2, 3.0, 40.0)))
    world.step()


def seen(world: World) -> list[Any]:
    """All that a reader is told: the page of a search, each message whole, totals, by status."""
    reader = Reader(world.folder)
    page, cursor = reader.search(limit=200)
    whole = [reader.message(found.id) for found in page]
    by_status = [[f.id for f in reader.search(status=status, limit=200)[0]] for status in range(len(STATUSES))]
    filters: list[dict[str, Any]] = [
        {"class_": OTP},
        {"link": "op"},
        {"number_index": blind_index(INDEX_KEY, "+393471234567")},
        {"callers": [1]},
        {"callers": [2]},
        {"from_ms": page[-1].accepted_ms + 1},
    ]
    filtered = [[f.id for f in reader.search(limit=200, **each)[0]] for each in filters]
    totals = reader.totals(clock.day_of(clock.now_ms()))
    reader.close()
    return [msgspec.to_builtins([page, whole]), cursor, by_status, filtered, totals]


@pytest.mark.parametrize("seed", range(12))
def test_batches_and_rows_cannot_be_told_apart(
    tmp_path: Path, seed: int, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same things happen to two engines, one of which keeps every message as rows; a crash in the middle."""
    given = random.Random(seed)
    batches = []
    for n in range(6):
        texts = [f"m{n}.{k}" + "x" * given.choice((0, 0, 0, 200)) for k in range(given.randrange(1, 5))]
        batches.append(batch(*texts, class_=given.choice((OTP, BULK)), now=time.ms))
    told = []
    began = (time.ms, time.s)
    for plain in (False, True):
        time.ms, time.s = began
        by = random.Random(seed)
        with monkeypatch.context() as patch:
            if plain:
                rows_only(patch)
            folder = tmp_path / str(plain)
            world = World(folder)
            world.bind()
            ids: list[bytes] = []
            names: dict[bytes, str] = {}
            for each in batches[:4]:
                world.accept(deepcopy(each))
                ids += each.ids
                for _ in range(4):
                    usual(world, by, time, ids, names)
            before = seen(world)
            world.crash()
            world = World(folder)
            world.start()
            world.bind()
            for each in batches[4:]:
                world.accept(deepcopy(each))
                for _ in range(6):
                    usual(world, by, time, ids, names)
            told.append((before, seen(world)))
            world.crash()
    assert told[0] == told[1]


def test_search_by_number_finds_what_is_not_yet_in_the_index_and_what_is(world: World) -> None:
    world.bind()
    ids = through(world, "one", "two")
    index = stored.columns_of(conn_of(world), 1)[1][:16]
    reader = Reader(world.folder)
    assert [f.id for f in reader.search(number_index=index)[0]] == ids[::-1]
    put_in_place(world)
    assert count(world, "number") == 1
    assert [f.id for f in reader.search(number_index=index)[0]] == ids[::-1]
    assert reader.search(number_index=b"?" * 16)[0] == []
    assert [f.id for f in reader.search(number_index=index, status=DELIVERED, limit=1)[0]] == ids[1:]
    assert reader.search(number_index=index, status=SENT)[0] == []

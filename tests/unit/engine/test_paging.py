"""What a start reads: of many days of messages nearly all are over, and none of these is read to find those that wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance import clock, limits
from appliance.message import TRANSACTION
from appliance.smpp.spec import ESME_RSYSERR
from appliance.store import stored
from tests.support.engine_alone import Time, World, batch

WAITING = 2


def store_of(folder: Path, time: Time, over: int) -> None:
    """Batches that are over, and behind them two that wait."""
    world = World(folder)
    world.bind()
    for n in range(over):
        world.accept(batch(f"over {n}"))
        (submit,) = world.submits()
        world.answer(submit.sequence, f"A{n}")
        world.receipt(f"A{n}", sequence=n + 1)
        world.run()
    world.drop()
    time.pass_(2)  # what moved is in tallies by now, and forgotten
    for n in range(WAITING):
        world.accept(batch(f"waits {n}"))
    world.crash()


@pytest.mark.parametrize("over", [4, 16])
def test_a_start_reads_the_batches_that_wait_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, over: int
) -> None:
    """An engine with fifty million messages read every batch at its start, and was killed for hanging, again and again."""
    store_of(tmp_path, Time(monkeypatch), over)
    read: list[int] = []
    columns_of = stored.columns_of

    def counted(conn: Any, first: int) -> Any:
        read.append(first)
        return columns_of(conn, first)

    monkeypatch.setattr(stored, "columns_of", counted)
    world = World(tmp_path)
    world.start()
    assert sum(world.ledger.queues.lengths) == WAITING
    assert len(set(read)) == WAITING
    world.bind()
    world.run()
    assert [s.short_message for s in world.submits()] == [b"waits 0", b"waits 1"]


def small_queues(folder: Path, patch: pytest.MonkeyPatch) -> tuple[Time, World]:
    """Six messages of a class in memory, three read at a time, three under way."""
    patch.setattr(limits, "QUEUE_MESSAGES_MAX", 6)
    patch.setattr(limits, "QUEUE_PAGE_MESSAGES", 3)
    time = Time(patch)
    world = World(folder, window=3)
    world.bind()
    return time, world


def test_what_an_operator_puts_off_counts_as_what_waits_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator that said "later" to everything at the speed of its link drew the whole backlog into memory."""
    time, world = small_queues(tmp_path, monkeypatch)
    texts = [f"m {n}" for n in range(30)]
    world.accept(batch(*texts))
    most, heard = 0, list[bytes]()
    for turn in range(80):
        world.step()
        for submit in world.submits():
            if turn < 10:
                world.answer(submit.sequence, "", ESME_RSYSERR)
            else:
                heard.append(submit.short_message)
                world.answer(submit.sequence, f"A{len(heard)}")
        world.run()
        most = max(most, world.ledger.queues.lengths[TRANSACTION] + len(world.ledger.delayed))
        time.pass_(0.25)
    assert most <= 6 + 3, "and a window that comes back"
    assert sorted(heard) == sorted(text.encode() for text in texts)
    assert world.ledger.delayed.lengths == [0] * 4


@pytest.mark.parametrize("days", [-1, 0, 1])
def test_what_comes_while_others_wait_on_disk_waits_there_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """Of yesterday, too, after the clock was set back over midnight: such came into memory without a bound."""
    time, world = small_queues(tmp_path, monkeypatch)
    texts = [f"m {n}" for n in range(20)]
    world.accept(batch(*texts[:10], life_ms=4 * clock.DAY_MS))
    time.ms += days * clock.DAY_MS
    world.ledger.partition(clock.day_of(clock.now_ms()))
    for text in texts[10:]:
        world.accept(batch(text, life_ms=4 * clock.DAY_MS))
    heard: list[bytes] = []
    for _ in range(40):
        assert world.ledger.queues.lengths[TRANSACTION] <= 6 + 3, "and a window that comes back"
        for submit in world.submits():
            heard.append(submit.short_message)
            world.answer(submit.sequence, f"A{len(heard)}")
        world.step()
    assert sorted(heard) == sorted(text.encode() for text in texts)
    assert not any(world.ledger.spilled)

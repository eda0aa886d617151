"""What a start reads: of many days of messages nearly all are over, and none of these is read to find those that wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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

"""An audit log that takes nothing: what was accepted goes out, and from a stated number of entries on nothing new is accepted."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from appliance.engine.outward import Outward
from appliance.engine.unrecorded import Unrecorded
from appliance.errors import Error
from tests.support.engine_alone import World, batch


class Auditor:
    """Takes entries, or says that its store is full."""

    def __init__(self) -> None:
        self.full = True
        self.entries: list[Any] = []

    async def call(self, op: str, payload: dict[str, Any]) -> None:
        if self.full:
            raise Error("store_full", "the audit store cannot be written")
        self.entries += payload["entries"]


def test_the_bound_is_told_once_each_way(caplog: pytest.LogCaptureFixture) -> None:
    waiting = Unrecorded(5)
    with caplog.at_level(logging.CRITICAL):
        for count in (3, 4, 5, 6, 7, 2, 0):
            waiting.heard(20_000, count)
            waiting.heard(20_001, 0)
            assert waiting.full is (count >= 5) and bool(waiting.why) is waiting.full
    assert len(caplog.records) == 2
    assert waiting.total == 0
    waiting.heard(20_000, 3)
    waiting.heard(20_001, 2)
    with pytest.raises(Error, match="audit log has not taken") as refused:
        waiting.check()
    assert refused.value.code == "audit_unavailable"
    Unrecorded().check()


def test_messages_go_on_to_the_bound_and_again_after_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.ledger.unrecorded.bound = 4
    auditor = Auditor()
    outward = Outward(world.ledger, auditor, auditor, None)  # type: ignore[arg-type]
    world.beat.before_commit.append(outward.settle)

    async def told(now_s: float) -> None:
        outward.committed(set(world.ledger.partitions))
        outward._not_before.clear()
        outward.send(now_s)
        await outward.drain(1.0)

    accepted, refused = 0, ""
    while not refused:
        assert accepted <= 4
        try:
            world.accept(batch("ciao"))
            accepted += 1
        except Error as e:
            refused = e.code
        asyncio.run(told(accepted))
    assert (refused, accepted) == ("audit_unavailable", 4)
    assert world.ledger.queues.lengths == [0, 0, 4, 0] or sum(world.ledger.queues.lengths) == 4  # they still leave
    assert world.ledger.open_ends()["unrecorded"] == 4
    auditor.full = False
    for second in range(3):
        asyncio.run(told(100 + second))
        world.run()
    asyncio.run(told(200))
    assert [e["what"] for e in auditor.entries] == ["batch.committed"] * 4
    world.accept(batch("di nuovo"))

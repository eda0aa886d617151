"""The measure of the engine's stages goes through whole lives of messages, and counts every stage once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from appliance import clock
from appliance.engine import stage_costs
from appliance.engine.stages import STAGES, StageCosts
from appliance.message import DELIVERED


def test_what_is_measured_are_full_lives(tmp_path: Path) -> None:
    costs = StageCosts(tmp_path, 1_000)
    asyncio.run(costs.run(300, 100))
    asyncio.run(costs.beat.once())
    said = costs.operator_says()
    costs.bind.data_received(said)
    asyncio.run(costs.beat.once())
    totals = costs.ledger.partitions[clock.day_of(clock.now_ms())].totals()
    assert totals == {DELIVERED: costs.answered}
    costs.beat.close()


def test_every_stage_is_told_once(tmp_path: Path) -> None:
    told = stage_costs(tmp_path, 200, 100)
    assert {stage.strip("_") for stage in STAGES} < told.keys() and "commit" in told
    assert abs(told.pop("all") - sum(told.values())) < 0.1

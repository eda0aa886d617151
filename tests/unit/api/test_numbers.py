"""The metrics of operator links, read from the state that a link itself tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.api.numbers import Numbers
from tests.support.operator_side import Hands, world_of


def lines(numbers: Numbers) -> dict[str, float]:
    text = numbers.text().decode()
    rows = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("casemate_link_")]
    return {name: float(value) for name, value in rows}


def test_a_links_binds_pace_and_pauses_are_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hands = Hands(monkeypatch)
    world, sides = world_of(tmp_path, binds=2, pace=50)
    numbers = Numbers()

    def now() -> dict[str, float]:
        numbers.engine = {"links": [world.link.state()]}
        return lines(numbers)

    link = '{link="op"}'
    first = now()
    assert first["casemate_link_up" + link] == 1 and first["casemate_link_binds" + link] == 2
    assert first["casemate_link_pace" + link] == 50 and first["casemate_link_paused" + link] == 0
    world.link.throttled_at(hands.s)
    sides[0].drop()
    second = now()
    assert second["casemate_link_up" + link] == 1 and second["casemate_link_binds" + link] == 1
    assert second["casemate_link_throttled_total" + link] == 1
    assert second["casemate_link_pace" + link] == 1 and second["casemate_link_paused" + link] == 1
    world.link.drain(True)
    third = now()
    assert third["casemate_link_up" + link] == 0 and third["casemate_link_drained" + link] == 1

"""Windows in turns: each is set against its neighbours, and the load is watched through settling and measuring."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.bench import turns
from appliance.bench.figures import Sample
from appliance.bench.turns import Window


def test_a_window_without_a_neighbour_in_the_usual_state_says_nothing() -> None:
    rows = [
        Window("table", 50.0, 1.0),
        Window("table", 50.0, 1.0),
        Window("fixed", 100.0, 1.0),
        Window("table", 90.0, 1.0),
    ]
    assert turns.ratios(rows, "fixed") == [0.5, 0.9]
    assert turns.report(rows[2:3], ("fixed", "fixed"))["ratio"] == 0.0


class Watched:
    def __init__(self) -> None:
        self.now = 0.0
        self.submitted = 0
        self.through_s: list[float] = []

    def through(self, seconds: float) -> None:
        self.through_s.append(seconds)
        self.now += seconds
        self.submitted += int(100 * seconds)

    def sample(self) -> Sample:
        return Sample(self.now, 0, 0, 0, self.submitted, 0, 0, {"engine": self.now * 0.5, "door": 9.0}, {})


def test_two_states_take_turns_and_the_usual_one_is_first_and_last(monkeypatch: pytest.MonkeyPatch) -> None:
    watch: Any = Watched()
    monkeypatch.setattr(turns, "monotonic_s", lambda: watch.now)
    taken: list[str] = []
    windows = turns.taken(watch, ("fixed", "table"), taken.append, 20.0, 4.0, ("engine",))
    assert taken == [window.name for window in windows] and taken[-1] == "fixed"
    assert taken[:2] == ["fixed", "table"] and watch.through_s[:2] == [turns.SETTLE_S, 4.0]
    assert windows[0] == Window("fixed", 100.0, 5_000.0)

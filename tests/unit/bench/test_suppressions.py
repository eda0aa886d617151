"""The judging of `casemate bench suppressions`: neighbours are compared, and each promise can fail."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from appliance.bench.suppressions import STATES, as_class, listed, page, passed
from appliance.bench.texts import bodies
from appliance.bench.turns import Window, report


def test_windows_are_set_against_their_neighbours() -> None:
    rows = [("exempt", 100.0, 5.0), ("screened", 95.0, 6.0), ("exempt", 90.0, 5.0), ("screened", 90.0, 6.0)]
    told = report([Window(*row) for row in rows], STATES)
    assert (told["ratio"], told["ratios"]) == (1.0, [1.0, 1.0])
    assert (told["exempt_per_s"], told["screened_cpu_us"]) == (95, 6.0)
    whole = told | {
        "imported_s": 12.0,
        "effective_s": 1.0,
        "suppressed": 1_000_000,
        "accepted": 9,
        "rejected": 0,
        "left": 0,
    }
    assert passed(whole) and "1,000,000 numbers in 12.0 s" in page(whole)
    for wrong in ({"ratio": 0.949}, {"imported_s": 30.1}, {"left": 1}, {"rejected": 1}):
        assert not passed(whole | wrong)


def test_the_list_is_distinct_and_none_of_the_load(tmp_path: Path) -> None:
    listed(tmp_path / "list.csv", 1_000)
    numbers = [row["number"] for row in csv.DictReader((tmp_path / "list.csv").open())]
    assert len(set(numbers)) == 1_000 and all(n.startswith("+3934") for n in numbers)
    (body,) = bodies(1, 1, 3)
    messages = json.loads(as_class(body, "bulk"))["messages"]
    assert [m["class"] for m in messages] == ["bulk"] * 3 and all(m["to"].startswith("+3933") for m in messages)

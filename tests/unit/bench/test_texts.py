"""The load's texts: the same for the same seed, mostly one segment, within what the API takes."""

from __future__ import annotations

import json

from appliance.bench.texts import bodies, messages
from appliance.message import CLASSES
from appliance.text import encode


def test_the_same_seed_gives_the_same_load() -> None:
    assert bodies(7, 3, 50) == bodies(7, 3, 50) != bodies(8, 3, 50)
    assert [len(json.loads(b)["messages"]) for b in bodies(7, 3, 50)] == [50, 50, 50]


def test_it_looks_like_a_bank_s_day() -> None:
    rows = messages(1, 5_000)
    segments = [encode(row["text"])[2] for row in rows]
    assert {row["class"] for row in rows} == set(CLASSES)
    assert 0.85 < sum(s == 1 for s in segments) / len(rows) < 0.99
    assert 1.0 < sum(segments) / len(rows) < 1.3
    assert len({encode(row["text"])[0] for row in rows}) == 2

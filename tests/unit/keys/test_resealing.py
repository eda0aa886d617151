"""The drill from its first pass to its last, over played processes: it ends only when a whole pass found nothing, long enough after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.clock import DAY_MS
from appliance.errors import Error
from appliance.keys import Resealing
from appliance.settings import parse
from appliance.store import Partition

TODAY = 20_779
KEY: dict[str, Any] = {
    "key_id": 5,
    "purpose": "message",
    "day": TODAY,
    "state": "compromised",
    "changed_ms": TODAY * DAY_MS,
}


class Box:
    """`left`: rows by day and table still under the key; each call takes two. `late`: come back under it after the first pass."""

    def __init__(self, home: Path) -> None:
        self.settings = parse({}, home, "test")
        for day in (TODAY - 9, TODAY - 1, TODAY):
            Partition(self.settings.store, day).close()
        self.key = dict(KEY)
        self.left = {(TODAY, "message"): 5, (TODAY - 1, "batch"): 2, (TODAY, "idempotency"): 1}
        self.late = 0
        self.at_ms = TODAY * DAY_MS
        self.asked: list[tuple[int, str]] = []
        self.told: list[tuple[float, int]] = []

    def call(self, process: str, op: str, payload: dict[str, Any], timeout_s: float = 1.0) -> Any:
        if process == "keys":
            return {"keys": [self.key]}
        if process != "engine-0":
            return {"rows": 0, "unreadable": 0, "more": 0}
        where = (payload["day"], payload["table"])
        self.asked.append(where)
        rows = min(2, self.left.get(where, 0))
        self.left[where] = self.left.get(where, 0) - rows
        after = payload.get("after", 0) + rows
        return {
            "rows": rows,
            "unreadable": 0,
            "after": after,
            "after_mac": b"",
            "last": 5,
            "more": self.left[where] > 0,
        }

    def pause(self) -> None:
        self.at_ms += 1_000
        if self.late:
            self.left[TODAY, "message"], self.late = 1, self.late - 1

    def run(self, site: Any = lambda key: (0, 0)) -> dict[str, int]:
        told = lambda what, share, rows: self.told.append((share, rows))  # noqa: E731
        return Resealing(self.settings, self.call, {"verify": site}, lambda: self.at_ms, self.pause, told).run(
            5, "cli:t"
        )


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_every_table_of_the_days_around_is_gone_through_and_the_bar_only_grows(box: Box) -> None:
    assert box.run() == {"key": 5, "rows": 8, "unreadable": 0}
    assert {day for day, _ in box.asked} == {TODAY - 1, TODAY}, "the key of a day seals nothing of nine days before"
    first = box.told[: box.told.index(next(t for t in box.told if t[1] == 8)) + 1]
    assert first == sorted(first) and box.told[-1] == (1.0, 8)


def test_it_goes_on_until_nothing_seals_under_the_old_key_any_more(box: Box) -> None:
    box.late = 2
    assert box.run()["rows"] == 10
    assert box.at_ms - box.key["changed_ms"] > 3_000, "also when a pass found nothing sooner"
    box.late = box.left[TODAY, "message"] = 1_000
    with pytest.raises(Error) as caught:
        box.run()
    assert caught.value.code == "overloaded"


def test_only_a_compromised_data_key(box: Box) -> None:
    for change, code in (
        ({"state": "active"}, "key_state"),
        ({"purpose": "tenant"}, "not_found"),
        ({"key_id": 6}, "not_found"),
    ):
        box.key = KEY | change
        with pytest.raises(Error) as caught:
            box.run()
        assert caught.value.code == code
    assert box.asked == []


def test_what_cannot_be_read_is_told(box: Box) -> None:
    assert box.run(site=lambda key: (0, 3))["unreadable"] == 3

"""Several engines asked like one: what goes to which, and what becomes of their answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appliance.errors import Error
from appliance.intake import empty_batch
from appliance.message import new_ids
from appliance.shards import BlockingEngines, Engines
from appliance.shards.merging import links

AT = 1_795_305_600_000
DOWN = Error("peer_unavailable", "engine-1 does not answer", process="engine-1")


class One:
    """An engine that answers what it is told to, and notes what it was asked."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Any]] = []

    async def call(self, op: str, payload: Any = None, timeout_s: float = 1.0) -> Any:
        self.asked.append((op, payload))
        if isinstance(self.answer, Error):
            raise self.answer
        return self.answer


class Blocking(One):
    def call(self, op: str, payload: Any = None, timeout_s: float = 1.0) -> Any:  # type: ignore[override]
        return asyncio.run(super().call(op, payload, timeout_s))

    def close(self) -> None: ...


def ask(answers: list[Any], op: str, payload: Any = None) -> tuple[Any, list[One]]:
    """Both ways of asking say the same."""
    ones = [One(answer) for answer in answers]
    found = asyncio.run(Engines(ones).call(op, payload))
    assert BlockingEngines([Blocking(answer) for answer in answers]).call(op, payload) == found
    return found, ones


def link(name: str, **changed: Any) -> dict[str, Any]:
    return {
        "name": name, "state": "up", "drained": False, "window": 10, "in_flight": 1, "pace": 5.0, "pace_now": 5.0,
        "paused_until_ms": 0, "submitted": 7, "answered": 6, "receipted": 5, "errors": 1, "throttled": 0,
        "up_since_ms": 100, "last_error": "", "binds": [{"host": "a:1"}], "queued": 2, "trace_until_ms": 0,
        "health": {"state": "closed"}, **changed,
    }  # fmt: skip


def state(**changed: Any) -> dict[str, Any]:
    return {
        "process": "engine-0", "ready": True, "started_ms": 50, "links": [link("op")],
        "queues": {"otp": 1, "bulk": 2}, "spilled": {"otp": False, "bulk": False},
        "statuses": {"sent": 3}, "segments": {"submitted": 7, "receipted": 5}, "awaiting_receipt": 1, "parked": 0,
        "routes": {"version": 2, "digest": "d", "routes": 1, "groups": 1, "to_regroup": 0, "swapping": False,
                   "longest_ms": 1.0, "problems": []},
        "held": 1, "indeterminate": 2, "unrecorded": 0, "damaged": [], "stages": {"beats": 10}, "broken": "", **changed,
    }  # fmt: skip


def test_with_one_engine_nothing_is_merged() -> None:
    answer = {"odd": 1}
    assert ask([answer], "state")[0] is answer


@pytest.mark.parametrize("op", ["cancel", "redact", "replace", "decide"])
@pytest.mark.parametrize("shard", [0, 2])
def test_what_belongs_to_a_message_goes_to_its_owner(op: str, shard: int) -> None:
    (message_id,) = new_ids(1, AT, shard)
    _, ones = ask([{}, {}, {}], op, {"id": message_id})
    assert [len(one.asked) for one in ones] == [int(n == shard) for n in range(3)]


def test_a_message_of_an_engine_that_left_is_read_only() -> None:
    (message_id,) = new_ids(1, AT, 5)
    with pytest.raises(Error, match="no longer has"):
        ask([{}, {}], "cancel", {"id": message_id})


def test_a_batch_goes_to_who_owns_its_ids() -> None:
    batch = empty_batch(1, AT, 1)
    batch.ids += new_ids(3, AT, 1)
    _, ones = ask([{}, {}], "accept", batch)
    assert [len(one.asked) for one in ones] == [0, 1]


def test_a_key_is_looked_for_where_it_is_asked_for() -> None:
    _, ones = ask([{"macs": []}, {"macs": [b"m"]}], "seen", {"shard": 1, "macs": [b"m"]})
    assert [len(one.asked) for one in ones] == [0, 1]


def test_counts_are_added_and_links_put_together() -> None:
    second = state(
        links=[link("op", state="down", up_since_ms=0, last_error="connect"), link("two")], statuses={"sent": 4}
    )
    found, _ = ask([state(), second], "state")
    assert (found["statuses"], found["queues"]["bulk"], found["held"], found["ready"]) == ({"sent": 7}, 4, 2, True)
    op, two = found["links"]
    assert (op["state"], op["window"], op["pace"], op["submitted"], op["queued"]) == ("partly", 20, 10.0, 14, 4)
    assert op["last_error"] == "connect" and [bind["shard"] for bind in op["binds"]] == [0, 1]
    assert two["state"] == "up" and [row["shard"] for row in found["shards"]] == [0, 1]


def test_one_that_is_silent_is_said_and_the_others_are_shown() -> None:
    found, _ = ask([state(), DOWN], "state")
    assert not found["ready"] and found["statuses"] == {"sent": 3}
    assert "engine-1: engine-1 does not answer" in found["why"]
    pong, _ = ask([{"pid": 7, "ready": True, "why": ""}, DOWN], "ping")
    assert pong["ready"], "the other takes messages"
    assert [(row["shard"], row["ready"]) for row in pong["shards"]] == [(0, True), (1, False)]
    with pytest.raises(Error, match="does not answer"):
        ask([DOWN, DOWN], "ping")


def test_an_act_for_all_is_done_by_all_or_told() -> None:
    missing = Error("not_found", "there is no such link")
    assert ask([{"cancelled": 2}, {"cancelled": 3}], "left_alone", {})[0] == {"cancelled": 5}
    assert ask([{"until_ms": 9}, missing], "trace", {})[0] == {"until_ms": 9}
    assert ask([link("op", drained=True, state="drained"), missing], "drain", {})[0]["drained"]
    with pytest.raises(Error, match="no such link"):
        ask([missing, missing], "trace", {})
    with pytest.raises(Error, match="does not answer"):
        ask([{"cancelled": 2}, DOWN], "left_alone", {})


def test_a_link_is_tested_by_the_first_that_can() -> None:
    found, ones = ask([DOWN, {"ok": True}], "link_test", {})
    assert found == {"ok": True} and len(ones[1].asked) == 1


def test_traces_are_one_by_time() -> None:
    def trace(*at: int) -> dict[str, Any]:
        return {
            "until_ms": 99,
            "last": len(at),
            "skipped": 1,
            "pdus": [{"at_ms": a, "number": n} for n, a in enumerate(at, 1)],
        }

    found, _ = ask([trace(10, 30), trace(20)], "trace_read", {"link": "op", "after": 0})
    assert [pdu["at_ms"] for pdu in found["pdus"]] == [10, 20, 30] and found["skipped"] == 2
    found, _ = ask([trace(10, 30), trace(20)], "trace_read", {"link": "op", "after": 20})
    assert [pdu["number"] for pdu in found["pdus"]] == [30]


def test_what_a_drain_answers_says_less() -> None:
    rows = [{n: v for n, v in link("op").items() if n not in ("queued", "health", "trace_until_ms")} for _ in range(2)]
    assert ask(rows, "drain", {})[0]["window"] == 20


def test_a_link_is_drained_when_all_its_parts_are() -> None:
    (one,) = links({0: [link("op", state="drained")], 1: [link("op", state="draining")]})
    assert one["state"] == "draining"

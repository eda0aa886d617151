"""Entries of one process that wait share a call: each is answered as if it had been alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.audit import Recorder
from appliance.errors import Error
from appliance.settings import parse


class Log:
    """The auditor, as far as a recorder sees it. `refused`: acts that it does not take."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.size = 0
        self.refused: set[str] = set()
        self.down = False

    async def call(self, op: str, payload: Any) -> dict[str, int]:
        words = [each["on"] for each in payload["entries"]]
        self.calls.append(words)
        await asyncio.sleep(0)
        if self.down:
            raise Error("peer_unavailable", "away")
        if self.refused & set(words):
            raise Error("invalid", "no such entry")
        self.size += len(words)
        return {"index": self.size - 1, "size": self.size}


@pytest.fixture
def log() -> Log:
    return Log()


def recorded(log: Log, *names: str) -> list[Any]:
    async def all_of_them() -> list[Any]:
        recorder = Recorder(parse({}, Path("/nonexistent"), "test"))
        recorder._client = log  # type: ignore[assignment]
        acts = (recorder.record("api:anna", "message.searched_by_number", name) for name in names)
        return await asyncio.gather(*acts, return_exceptions=True)

    return asyncio.run(all_of_them())


def test_what_waits_shares_a_call_and_keeps_its_place(log: Log) -> None:
    assert recorded(log, "a:1", "b:1", "c:1", "d:1") == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert log.calls == [["a:1", "b:1", "c:1", "d:1"]]


def test_one_that_is_refused_refuses_no_other(log: Log) -> None:
    log.refused = {"b:1"}
    one, other, last = recorded(log, "a:1", "b:1", "c:1")
    assert (one, last) == ((0, 1), (1, 2))
    assert isinstance(other, Error) and other.code == "invalid"


def test_without_the_auditor_nothing_is_recorded(log: Log) -> None:
    log.down = True
    assert [each.code for each in recorded(log, "a:1", "b:1")] == ["audit_unavailable"] * 2


def test_what_comes_during_a_call_waits_for_the_next(log: Log) -> None:
    async def in_turn() -> list[Any]:
        recorder = Recorder(parse({}, Path("/nonexistent"), "test"))
        recorder._client = log  # type: ignore[assignment]
        first = asyncio.ensure_future(recorder.record("api:anna", "message.searched_by_number", "a:1"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        others = [recorder.record("api:anna", "message.searched_by_number", name) for name in ("b:1", "c:1")]
        return await asyncio.gather(first, *others)

    assert asyncio.run(in_turn()) == [(0, 1), (1, 3), (2, 3)]
    assert log.calls == [["a:1"], ["b:1", "c:1"]]

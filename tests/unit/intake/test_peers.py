"""When a face may accept: keys and engine as last seen, and for how long messages go on without the HSM."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appliance.clock import DAY_MS
from appliance.errors import Error
from appliance.intake.peers import Peers
from appliance.intake.sealing import Seals

NOON = 20_000 * DAY_MS + DAY_MS // 2


class Key:
    """Nothing is sealed here."""

    def __init__(self) -> None:
        self.retired = False


class Ring:
    well = True

    async def for_day(self, day: int) -> Any:
        if not self.well:
            raise Error("hsm_unavailable", "away")
        return Key()

    by_id = for_day

    async def index_key(self) -> bytes:
        return b"i"

    async def derive(self, purpose: str, subject: str) -> bytes:
        return b"d"

    async def healthy(self) -> tuple[bool, str]:
        return self.well, "" if self.well else "hsm_unavailable: away"


class Well:
    async def call(self, op: str, payload: Any = None, timeout_s: float = 1.0) -> Any:
        return {"ready": True}


class Face:
    def __init__(self, grace_s: float) -> None:
        self.at_s, self.at_ms = 0.0, NOON
        self.ring = Ring()
        seals = Seals(self.ring, lambda key: lambda number: key)
        self.peers = Peers(seals, Well(), Well(), grace_s, lambda: self.at_s, lambda: self.at_ms)

    def look(self, after_s: float = 0.0) -> bool:
        self.at_s += after_s
        self.at_ms += int(after_s * 1000)
        asyncio.run(self.peers.look())
        try:
            self.peers.check_open()
        except Error as e:
            assert e.code == "hsm_unavailable"
            return False
        return True


def test_messages_go_on_under_the_key_in_memory_for_the_time_that_was_set() -> None:
    face = Face(900)
    assert face.look()
    face.ring.well = False
    assert face.look(0.5)
    assert "away" in face.peers.checks["keys"][1]
    assert not face.peers.hsm_well, "metrics tell the truth"
    assert face.peers.not_ready() == ""
    assert face.look(899)
    assert not face.look(1)
    face.ring.well = True
    assert face.look(1)
    face.ring.well = False
    assert face.look(899), "the time begins anew"


def test_without_grace_messages_are_refused_at_once() -> None:
    face = Face(0)
    assert face.look()
    face.ring.well = False
    assert not face.look(0.5)


def test_a_face_that_never_had_the_key_takes_nothing() -> None:
    face = Face(900)
    face.ring.well = False
    assert not face.look()


def test_a_compromised_key_serves_nobody_while_the_hsm_is_away() -> None:
    face = Face(900)
    assert face.look()
    first = face.peers.seals.newest
    assert first is not None
    first.key.retired = True
    assert face.look(0.5)
    assert face.peers.seals.newest is not first, "another one is fetched at the next look"
    face.ring.well = False
    assert face.look(0.5)
    face.peers.seals.newest.key.retired = True  # type: ignore[union-attr]
    assert not face.look(0.5), "rather nothing than under this one"


class Onlooker:
    """A peer that takes many turns of the loop to answer, and notes at each what a request would be judged by."""

    def __init__(self) -> None:
        self.peers: Peers | None = None
        self.seen: list[bool] = []

    async def call(self, op: str, payload: Any = None, timeout_s: float = 1.0) -> Any:
        for _ in range(10):
            await asyncio.sleep(0)
            assert self.peers is not None
            self.seen.append(self.peers.checks["keys"][0])
        return {"ready": True}


def test_no_request_is_refused_between_the_keys_answer_and_the_others() -> None:
    face = Face(900)
    assert face.look()
    onlooker = Onlooker()
    onlooker.peers, face.peers.engine, face.peers.auditor = face.peers, onlooker, onlooker
    face.ring.well = False
    assert face.look(1)
    assert onlooker.seen == [True] * 20


def test_nobody_is_let_in_while_the_day_s_key_is_still_fetched() -> None:
    """The HSM is well again, but the keys process gives no key: never open, not even between two answers."""
    face = Face(0)
    onlooker = Onlooker()
    onlooker.peers, face.peers.engine, face.peers.auditor = face.peers, onlooker, onlooker

    async def none(day: int) -> Any:
        for _ in range(5):
            await asyncio.sleep(0)
        raise Error("hsm_unavailable", "away")

    face.ring.for_day = none  # type: ignore[method-assign]
    assert not face.look()
    assert onlooker.seen == [False] * 20


@pytest.mark.parametrize(("hours", "goes_on"), [(11.9, True), (12.1, False)])
def test_a_new_day_needs_the_hsm(hours: float, goes_on: bool) -> None:
    face = Face(86_400)
    assert face.look()
    face.ring.well = False
    assert face.look(hours * 3600) is goes_on

"""Keyrings over a made-up `keys` process: each answer asked for once, errors passed on, nothing shown."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.keys import BlockingKeyring, Keyring
from appliance.settings import parse

KEY = bytes(range(32))


class Process:
    """Answers as the `keys` process does."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.down: Error | None = None
        self.current, self.epoch = 3, 0
        self.states: dict[int, str] = {}

    def answer(self, op: str, payload: Any) -> Any:
        self.calls.append((op, payload))
        if self.down is not None:
            raise self.down
        if op == "data_key":
            return {"key_id": payload.get("key_id", self.current), "key": KEY}
        if op == "states":
            return {"states": [[each, self.states[each]] for each in payload["key_ids"] if each in self.states]}
        return {"key": KEY, "ready": True, "why": "", "epoch": self.epoch}


class AsyncClient(Process):
    async def call(self, op: str, payload: Any = None, timeout_s: float = 1) -> Any:
        await asyncio.sleep(0)
        return self.answer(op, payload)


class ThreadClient(Process):
    def call(self, op: str, payload: Any = None, timeout_s: float = 1) -> Any:
        return self.answer(op, payload)


def test_many_who_ask_at_once_make_one_call(tmp_path: Path) -> None:
    async def run() -> None:
        ring = Keyring(parse({}, tmp_path, "test"))
        client = ring._client = AsyncClient()  # type: ignore[assignment]
        keys = await asyncio.gather(*(ring.for_day(1) for _ in range(50)))
        assert all(k is keys[0] for k in keys)
        assert await ring.by_id(3) is keys[0], "the same key by its number"
        assert [await ring.index_key(), await ring.index_key()] == [KEY, KEY]
        assert [await ring.derive("cursor", ""), await ring.derive("cursor", "")] == [KEY, KEY]
        assert [op for op, _ in client.calls] == ["data_key", "index_key", "derive"]
        assert KEY.hex() not in repr(ring) + repr(vars(ring))

    asyncio.run(run())


def test_errors_are_passed_on_and_nothing_is_kept_of_them(tmp_path: Path) -> None:
    async def run() -> None:
        ring = Keyring(parse({}, tmp_path, "test"))
        client = ring._client = AsyncClient()  # type: ignore[assignment]
        kept = await ring.for_day(1)
        client.down = Error("hsm_unavailable", "gone")
        assert await ring.for_day(1) is kept, "what is in memory works on"
        for _ in range(2):
            with pytest.raises(Error) as caught:
                await ring.for_day(2)
            assert caught.value.code == "hsm_unavailable"
        assert (await ring.healthy())[0] is False
        client.down = None
        assert (await ring.for_day(2)).key_id == 3
        assert await ring.healthy() == (True, "")

    asyncio.run(run())


def test_blocking_keyring_does_the_same(tmp_path: Path) -> None:
    ring = BlockingKeyring(parse({}, tmp_path, "test"))
    client = ring._client = ThreadClient()  # type: ignore[assignment]
    assert ring.for_day(1) is ring.for_day(1) is ring.by_id(3)
    assert ring.index_key() == ring.index_key() == ring.derive("cursor", "") == ring.derive("cursor", "") == KEY
    assert [op for op, _ in client.calls] == ["data_key", "index_key", "derive"]
    client.down = Error("peer_unavailable", "keys does not answer")
    assert ring.healthy()[0] is False
    with pytest.raises(Error):
        ring.by_id(9)


def test_nobody_answers(tmp_path: Path) -> None:
    ring = BlockingKeyring(parse({}, tmp_path, "test"))
    ready, why = ring.healthy()
    assert not ready
    assert "keys" in why


def test_a_destroyed_key_is_asked_for_once(tmp_path: Path) -> None:
    """A page of an erased day has two hundred messages under it; and what is not there yet is asked for again."""

    async def run() -> None:
        ring = Keyring(parse({}, tmp_path, "test"))
        client = ring._client = AsyncClient()  # type: ignore[assignment]
        for code, calls in (("key_missing", 3), ("key_destroyed", 1)):
            client.down = Error(code, "gone")
            client.calls.clear()
            for _ in range(3):
                with pytest.raises(Error) as caught:
                    await ring.by_id(9)
                assert caught.value.code == code
            assert len(client.calls) == calls

    asyncio.run(run())
    blocking = BlockingKeyring(parse({}, tmp_path, "test"))
    client = blocking._client = ThreadClient()  # type: ignore[assignment]
    client.down = Error("key_destroyed", "gone")
    for _ in range(3):
        with pytest.raises(Error, match="destroyed"):
            blocking.by_id(9)
    assert len(client.calls) == 1


def test_a_compromised_key_is_put_down_at_the_next_look(tmp_path: Path) -> None:
    async def run() -> None:
        ring = Keyring(parse({}, tmp_path, "test"))
        client = ring._client = AsyncClient()  # type: ignore[assignment]
        held = await ring.for_day(1)
        assert (await ring.healthy())[0] and not held.retired
        client.current, client.epoch, client.states = 4, 1, {3: "compromised"}
        assert (await ring.healthy())[0] and held.retired
        assert (await ring.for_day(1)).key_id == 4
        assert await ring.by_id(3) is held, "what it sealed is still opened"
        client.epoch, client.states = 3, {3: "destroyed", 4: "active"}
        await ring.healthy()
        with pytest.raises(Error, match="destroyed"):
            await ring.by_id(3)
        assert (await ring.for_day(1)).key_id == 4

    asyncio.run(run())

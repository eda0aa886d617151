"""Both ends of a socket between processes are looked at: a false server is told nothing, a false client is not heard."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from appliance.errors import Error
from appliance.intercom import BlockingClient, Client, Peer, Server

SOMEBODY = frozenset({os.getuid() + 1_000})

pytestmark = pytest.mark.stories


def served(folder: Path, story: Callable[[Path, list[Any]], Awaitable[None]], new_loop: Any) -> list[Any]:
    """Runs a story against a server that remembers what it heard."""
    heard: list[Any] = []

    async def hear(payload: Any, peer: Peer) -> Any:
        heard.append(payload)
        return payload

    async def run() -> None:
        server = Server({"hear": hear})
        await server.start(folder / "keys.sock")
        try:
            await story(folder / "keys.sock", heard)
        finally:
            await server.stop()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run())
    return heard


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_socket_of_somebody_else_is_told_nothing(tmp_path: Path, new_loop: Any) -> None:
    async def story(path: Path, heard: list[Any]) -> None:
        false = Client(path, SOMEBODY)
        results = await asyncio.gather(*(false.call("hear", "a key") for _ in range(5)), return_exceptions=True)
        assert all(isinstance(r, Error) and "somebody else" in r.message for r in results)
        with pytest.raises(Error, match="somebody else"):
            await asyncio.to_thread(BlockingClient(path, SOMEBODY).call, "hear", "a key")
        right = Client(path)
        assert await right.call("hear", "mine") == "mine"
        assert await asyncio.to_thread(BlockingClient(path).call, "hear", "mine too") == "mine too"
        right.close()

    assert served(tmp_path, story, new_loop) == ["mine", "mine too"]


def test_a_client_of_somebody_else_is_not_heard(tmp_path: Path) -> None:
    async def run() -> None:
        heard: list[Any] = []

        async def hear(payload: Any, peer: Peer) -> None:
            heard.append(payload)

        server = Server({"hear": hear}, SOMEBODY)
        await server.start(tmp_path / "keys.sock")
        with pytest.raises(Error):
            await Client(tmp_path / "keys.sock").call("hear", "?", 2.0)
        await server.stop()
        assert heard == []

    asyncio.run(run())

"""The two sides of a call with the transport's part played by the test: hanging peers, slow readers, replies too large."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.intercom import Client, Peer, Server
from appliance.intercom import frame as frames
from appliance.intercom.client import UNREAD_OCTETS_MAX
from appliance.intercom.server import _Connection


class Pipe:
    """A transport whose other end does not read."""

    def __init__(self) -> None:
        self.octets = b""
        self.events: list[str] = []

    def write(self, data: bytes) -> None:
        self.octets += data

    def get_write_buffer_size(self) -> int:
        return len(self.octets)

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self.events.append("abort")

    def pause_reading(self) -> None:
        self.events.append("pause")

    def resume_reading(self) -> None:
        self.events.append("resume")


def test_what_a_hanging_peer_does_not_read_does_not_pile_up() -> None:
    client, pipe = Client(Path("auditor.sock")), Pipe()
    client._transport = pipe  # type: ignore[assignment]

    async def call(octets: int) -> None:
        with pytest.raises(Error) as caught:
            await client.call("append", b"x" * octets, timeout_s=0)
        assert caught.value.code == "peer_unavailable"

    asyncio.run(call(10))
    assert pipe.events == []  # slow, perhaps
    asyncio.run(call(UNREAD_OCTETS_MAX))
    assert pipe.events == ["abort"] and client._waiting == {}


def test_a_peer_that_does_not_read_its_replies_is_not_read_either() -> None:
    connection, pipe = _Connection(Server({})), Pipe()
    connection.transport = pipe  # type: ignore[assignment]
    connection.pause_writing()
    connection.resume_writing()
    assert pipe.events == ["pause", "resume"]


@pytest.mark.parametrize(("reply", "code"), [(b"x" * 2_000, "too_large"), ({1, 2, object()}, "internal")])
def test_a_reply_that_cannot_be_sent_is_an_error_to_its_caller(
    reply: Any, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "FRAME_OCTETS_MAX", 1_000)

    async def huge(payload: Any, peer: Peer) -> Any:
        return reply

    connection, pipe = _Connection(Server({"huge": huge})), Pipe()
    connection.transport = pipe  # type: ignore[assignment]
    asyncio.run(connection._serve([7, "huge", None]))
    ((number, ok, payload),) = frames.Frames().hear(pipe.octets)
    assert (number, ok, payload[0]) == (7, False, code)

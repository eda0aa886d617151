"""A connection is bounded: its head, its time, how many there are. The transport is played; time is passed in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from appliance.api import wire
from appliance.api.wire import Wire, sweep
from appliance.limits import HTTP_BODY_S_MAX, HTTP_HEAD_OCTETS_MAX, HTTP_HEAD_S_MAX, HTTP_HEADERS_MAX, HTTP_STALL_S_MAX

HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"


class Transport:
    def __init__(self) -> None:
        self.said = b""
        self.closed = self.aborted = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: bytes) -> None:
        self.said += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


BODIES: list[bytes] = []


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        event = await receive()
        body, more = body + event.get("body", b""), event.get("more_body", False)
    BODIES.append(body)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Line:
    """Connections of one played server."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.config = uvicorn.Config(echo, http=Wire, ws="none", lifespan="off", log_config=None, log_level="error")
        self.config.load()
        self.state = ServerState()

    def open(self) -> tuple[Wire, Transport]:
        made, transport = Wire(self.config, self.state, {}, _loop=self.loop), Transport()
        made.connection_made(transport)  # type: ignore[arg-type]
        return made, transport

    def turn(self) -> None:
        for _ in range(5):
            self.loop.run_until_complete(asyncio.sleep(0))


@pytest.fixture
def line() -> Iterator[Line]:
    loop = asyncio.new_event_loop()
    yield Line(loop)
    loop.close()


def test_an_ordinary_request_is_answered_and_the_connection_stays(line: Line) -> None:
    made, transport = line.open()
    made.data_received(HEAD + b"\r\n0123456789")
    line.turn()
    assert b"204 No Content" in transport.said and not transport.closed
    assert not made.late(line.loop.time() + 1_000), "idle between requests: keep-alive has its own time"


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
WEBSOCKET = b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"


@pytest.mark.parametrize("offer", [OFFER, WEBSOCKET])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_offer_of_another_protocol_is_ignored_and_the_body_kept(line: Line, offer: bytes, size: int) -> None:
    BODIES.clear()
    made, transport = line.open()
    octets = HEAD + offer + b"\r\n0123456789" + HEAD + b"\r\nabcdefghij" + HEAD + offer + b"\r\nABCDEFGHIJ"
    for at in range(0, len(octets), size):
        made.data_received(octets[at : at + size])
    for _ in range(10):
        line.turn()
    assert BODIES == [b"0123456789", b"abcdefghij", b"ABCDEFGHIJ"]
    assert transport.said.count(b"204 No Content") == 3 and not transport.closed
    assert not made.late(line.loop.time() + 1_000)


def test_a_tunnel_is_refused(line: Line) -> None:
    made, transport = line.open()
    made.data_received(b"CONNECT bank.example:443 HTTP/1.1\r\nHost: bank.example:443\r\n\r\n" + HEAD)
    line.turn()
    assert transport.said.startswith(b"HTTP/1.1 400 ") and transport.closed


@pytest.mark.parametrize(
    "piece", [b"X: " + b"a" * 30_000 + b"\r\n", b"a" * 30_000], ids=["many", "one that never ends"]
)
def test_a_head_that_grows_is_refused(line: Line, piece: bytes) -> None:
    made, transport = line.open()
    made.data_received(HEAD + b"X: ")
    for _ in range(HTTP_HEAD_OCTETS_MAX // len(piece) + 1):
        made.data_received(piece)
    assert transport.said.startswith(b"HTTP/1.1 431 ") and transport.closed
    said = transport.said
    made.data_received(piece * 100)
    assert transport.said == said


def test_too_many_headers_are_refused(line: Line) -> None:
    made, transport = line.open()
    made.data_received(HEAD + b"X: a\r\n" * HTTP_HEADERS_MAX + b"\r\n")
    assert b" 400 " in transport.said and transport.closed


@pytest.mark.parametrize(
    ("sent", "allowed_s"),
    [(b"", HTTP_HEAD_S_MAX), (HEAD, HTTP_HEAD_S_MAX), (HEAD + b"\r\n01234", HTTP_BODY_S_MAX)],
    ids=["nothing", "half a head", "half a body"],
)
def test_who_is_slow_is_shown_out(line: Line, sent: bytes, allowed_s: float) -> None:
    made, transport = line.open()
    now_s = line.loop.time()
    if sent:
        made.data_received(sent)
    line.turn()
    assert sweep([made], now_s + allowed_s - 1) == 0 and not transport.closed
    assert sweep([made], now_s + allowed_s + 1) == 1 and transport.closed


def test_octets_now_and_then_do_not_buy_time(line: Line) -> None:
    made, transport = line.open()
    now_s = line.loop.time()
    made.data_received(b"GET / HTTP/1.1\r\n")
    for _ in range(20):
        made.data_received(b"X: a\r\n")
    assert sweep([made], now_s + HTTP_HEAD_S_MAX + 1) == 1 and transport.closed


def test_an_answer_nobody_takes_is_given_up(line: Line) -> None:
    made, transport = line.open()
    made.data_received(HEAD + b"\r\n0123456789")
    made.pause_writing()
    now_s = line.loop.time()
    assert not made.late(now_s + HTTP_STALL_S_MAX - 1)
    assert sweep([made], now_s + HTTP_STALL_S_MAX + 1) == 1 and transport.aborted
    made.resume_writing()
    assert not made.late(now_s + HTTP_STALL_S_MAX + 1)


def test_one_connection_too_many_hears_so(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wire, "room", 3)
    open_now = [line.open() for _ in range(4)]
    assert [t.closed for _, t in open_now] == [False, False, False, True]
    assert open_now[3][1].said.startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n012345",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n01234",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    ],
)
def test_what_two_parsers_could_read_in_two_ways_is_refused(line: Line, request_: bytes) -> None:
    _, transport = made = line.open()
    made[0].data_received(request_)
    assert b" 400 " in transport.said and transport.closed and b"204" not in transport.said


def test_room_follows_the_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire.resource, "getrlimit", lambda _: (512, 512))
    monkeypatch.setattr(wire.resource, "setrlimit", lambda *_: None)
    assert wire.connections_max() == 512 - wire.OWN_FILES

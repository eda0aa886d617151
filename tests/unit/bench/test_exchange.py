"""A load's connection reads answers however they are cut, and says when it was lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appliance.bench.exchange import Exchange, post
from appliance.bench.load import told_batch, told_single

ANSWER = b"HTTP/1.1 202 Accepted\r\nserver: x\r\nContent-Length: 5\r\n\r\nhello"


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        pass


def asked() -> tuple[Exchange, list[tuple[int, bytes]]]:
    exchange, heard = Exchange(), list[tuple[int, bytes]]()
    exchange.connection_made(Wire())
    exchange.ask(b"GET / HTTP/1.1\r\n\r\n", lambda status, body: heard.append((status, body)))
    return exchange, heard


@pytest.mark.parametrize("at", range(1, len(ANSWER)))
def test_an_answer_in_two_pieces(at: int) -> None:
    exchange, heard = asked()
    exchange.data_received(ANSWER[:at])
    assert heard == [] and not exchange.free
    exchange.data_received(ANSWER[at:])
    assert heard == [(202, b"hello")] and exchange.free


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n\r\n0\r\n\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize("at", range(1, len(CHUNKED)))
def test_an_answer_in_chunks_that_look_like_ends(at: int) -> None:
    exchange, heard = asked()
    exchange.data_received(CHUNKED[:at])
    assert heard == [] and not exchange.free
    exchange.data_received(CHUNKED[at:])
    assert heard == [(200, b"\r\n0\r\n\r\nhello")] and exchange.free
    exchange.ask(b"GET / HTTP/1.1\r\n\r\n", lambda status, body: heard.append((status, body)))
    exchange.data_received(ANSWER)
    assert heard[1] == (202, b"hello")


def test_an_answer_without_a_body() -> None:
    exchange, heard = asked()
    exchange.data_received(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert heard == [(204, b"")]


def test_a_lost_connection_is_told_once() -> None:
    exchange, heard = asked()
    exchange.connection_lost(None)
    exchange.connection_lost(None)
    assert heard == [(0, b"")] and not exchange.open


def test_a_request_is_whole() -> None:
    assert post("h:1", "/p", "k", b"{}").split(b"\r\n") == [
        b"POST /p HTTP/1.1", b"host: h:1", b"authorization: Bearer k", b"content-type: application/json",
        b"content-length: 2", b"", b"{}",
    ]  # fmt: skip


def test_what_answers_mean() -> None:
    assert told_batch(202, b'{"accepted": [{"segments": 2, "id": "x"}, {"segments": 1}], "rejected": [{}]}') == (
        2,
        3,
        1,
    )
    assert told_single(202, b'{"id": "x", "segments": 4}') == (1, 4, 0)
    assert told_batch(503, b"") is None and told_single(429, b"") is None

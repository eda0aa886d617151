"""Receipts that a gateway calls with are heard however they are cut, and only those that say delivered: no socket."""

from __future__ import annotations

import asyncio
from typing import Any

from appliance.bench import jasmin, kannel
from appliance.bench.callbacks import Called, Receipts


class Wire(asyncio.Transport):
    """Keeps what is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += bytes(data)


def called(receipts: Receipts, octets: bytes) -> bytes:
    one, wire = Called(receipts), Wire()
    one.connection_made(wire)
    for at in range(0, len(octets), 9):
        one.data_received(octets[at : at + 9])
    return wire.written


def test_kannel_calls_with_a_type() -> None:
    receipts = Receipts(kannel.DELIVERED)
    octets = b"GET /r?i=5&s=1 HTTP/1.1\r\nHost: x\r\n\r\nGET /r?i=6&s=2 HTTP/1.1\r\n\r\nGET /r?i=7&s=1 HTTP/1.1\r\n\r\n"
    assert called(receipts, octets) == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 3
    assert receipts.delivered == 2 and dict(receipts.ends) == {5: 1, 7: 1}


def test_jasmin_calls_for_each_level_and_wants_to_be_acknowledged() -> None:
    receipts = Receipts(jasmin.DELIVERED, jasmin.ACKNOWLEDGED)
    one = b"GET /r?i=5&id=7bb4&level=1&message_status=ESME_ROK&connector=operator HTTP/1.1\r\nHost: x\r\n\r\n"
    two = b"GET /r?i=5&id=7bb4&level=2&message_status=DELIVRD&connector=17&err=000&text=x HTTP/1.1\r\nHost: x\r\n\r\n"
    other = b"GET /r?i=6&id=2c04&level=2&message_status=UNDELIV&connector=17&text=DELIVRD HTTP/1.1\r\n\r\n"
    assert called(receipts, one + two + other).count(b"Content-Length: 10\r\n\r\nACK/Jasmin") == 3
    assert receipts.delivered == 1 and dict(receipts.ends) == {5: 1}

"""One keep-alive HTTP/1.1 connection of a load: a request at a time, its answer's status and body; a few microseconds each.

It reads what the servers measured here send (a length, chunks or nothing), not all of HTTP (RFC 9112).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

#: Told the status and body of the answer; status 0: the connection ended before there was one.
Heard = Callable[[int, bytes], None]


class Exchange(asyncio.Protocol):
    """Ask, and `heard` is called with the answer. One request under way."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._heard: Heard | None = None
        self._octets = b""
        self._whole = -1  # octets of head and body, once the head is read
        self._body = 0  # where the body begins
        self._chunked = False

    @property
    def open(self) -> bool:
        return self._transport is not None

    @property
    def free(self) -> bool:
        return self._transport is not None and self._heard is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._tell(0, b"")

    def ask(self, request: bytes, heard: Heard) -> None:
        assert self._transport is not None and self._heard is None
        self._heard = heard
        self._octets, self._whole = b"", -1
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        octets = self._octets = self._octets + data if self._octets else data
        if self._whole < 0:
            end = octets.find(b"\r\n\r\n")
            if end < 0:
                return
            head = octets[:end].lower()
            self._chunked = b"\r\ntransfer-encoding: chunked" in head
            at = head.find(b"\r\ncontent-length:")
            length = 0
            if at >= 0:
                line = head.find(b"\r\n", at + 17)
                length = int(head[at + 17 : line if line >= 0 else end])
            self._body, self._whole = end + 4, end + 4 + length
        if self._chunked:
            body = unchunked(octets, self._body)
            if body is not None:
                self._tell(int(octets[9:12]), body)
        elif len(octets) >= self._whole:
            self._tell(int(octets[9:12]), octets[self._body : self._whole])

    def _tell(self, status: int, body: bytes) -> None:
        heard, self._heard = self._heard, None
        if heard is not None:
            heard(status, body)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def unchunked(octets: bytes, at: int) -> bytes | None:
    """The body that begins there in chunks (RFC 9112, 7.1; without trailers); None when it is not whole yet."""
    body = b""
    while (end := octets.find(b"\r\n", at)) >= 0:
        size = int(octets[at:end].partition(b";")[0], 16)
        at = end + 2 + size + 2
        if at > len(octets):
            return None
        if not size:
            return body
        body += octets[end + 2 : at - 2]
    return None


def post(host: str, path: str, key: str, body: bytes) -> bytes:
    """A whole request."""
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body

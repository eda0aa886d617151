"""The server's end of one HTTP connection, bounded: how many there are, how large a head is, how long anything may take.

uvicorn with httptools bounds none of these by itself: a head of megabytes is gathered, and whoever sends an octet a minute stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Iterable
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from appliance.limits import (
    HTTP_BODY_S_MAX,
    HTTP_CONNECTIONS_MAX,
    HTTP_HEAD_OCTETS_MAX,
    HTTP_HEAD_S_MAX,
    HTTP_HEADERS_MAX,
    HTTP_STALL_S_MAX,
)

SWEEP_S: Final = 1.0
OWN_FILES: Final = 128  # descriptors kept for stores, sockets of other processes and logs
_SHORT: Final = b"HTTP/1.1 %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
FULL: Final = _SHORT % b"503 Service Unavailable\r\nretry-after: 1"
TOO_LARGE: Final = _SHORT % b"431 Request Header Fields Too Large"
TOO_SLOW: Final = _SHORT % b"408 Request Timeout"


class TooLarge(Exception):
    """Ends parsing from inside a callback of the parser."""


def connections_max() -> int:
    """Connections that this process takes: the limit, or what its file descriptors allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < HTTP_CONNECTIONS_MAX + OWN_FILES:
        wanted = HTTP_CONNECTIONS_MAX + OWN_FILES
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return HTTP_CONNECTIONS_MAX if soft == resource.RLIM_INFINITY else min(HTTP_CONNECTIONS_MAX, soft - OWN_FILES)


class Wire(HttpToolsProtocol):
    """One connection. `sweep` closes those whose time is over; nothing is timed one by one."""

    room: int = HTTP_CONNECTIONS_MAX

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.in_head = True
        self.since_s = (
            self.loop.time()
        )  # a connection that never says anything is late as well; 0: no request is being read
        self.stalled_s = 0.0  # since when the other side takes no more of an answer; 0: it does
        self.head_octets = 0
        self.offered = False  # whether the request offers another protocol; it is read again without that

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows the type
        if len(self.connections) > self.room:
            self.refuse(FULL)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._parse(data)
        if self.in_head and self.since_s:
            self.head_octets += len(data)
            if self.head_octets > HTTP_HEAD_OCTETS_MAX:
                self.refuse(TOO_LARGE)

    def _parse(self, data: bytes) -> None:
        """What uvicorn does, but for an offer to speak another protocol (Upgrade, RFC 9110 section 7.8): it is ignored, as a
        server may, while uvicorn loses the body. Java's client makes one with each first request in clear text."""
        self._unset_keepalive_if_required()
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offered:
                if self.parser.get_method() == b"CONNECT":
                    self.send_400_response("Invalid HTTP request received.")
                    return
                data = self._plain_head() + data[offered.args[0] :]
                self.parser, self.offered = httptools.HttpRequestParser(self), False
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return

    def _plain_head(self) -> bytes:
        """The head that was read, without the offer."""
        lines = [b"%s %s HTTP/1.1" % (self.parser.get_method(), self.url)]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                value = b", ".join(t for t in tokens if t.lower() not in (b"upgrade", b"http2-settings"))
            if value and name not in (b"upgrade", b"http2-settings"):
                lines.append(b"%s: %s" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.in_head, self.head_octets = True, 0
        self.since_s = self.loop.time()

    def on_headers_complete(self) -> None:
        self.in_head = False
        if len(self.headers) > HTTP_HEADERS_MAX or len(self.url) > HTTP_HEAD_OCTETS_MAX:
            raise TooLarge
        self.offered = self.parser.should_upgrade()
        if not self.offered:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self.offered:
            return
        self.since_s = 0.0
        super().on_message_complete()

    def pause_writing(self) -> None:
        self.stalled_s = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.stalled_s = 0.0
        super().resume_writing()

    def late(self, now_s: float) -> bool:
        """Whether this connection's time is over at `now_s` of its event loop."""
        if self.stalled_s and now_s - self.stalled_s > HTTP_STALL_S_MAX:
            return True
        return bool(self.since_s) and now_s - self.since_s > (HTTP_HEAD_S_MAX if self.in_head else HTTP_BODY_S_MAX)

    def refuse(self, answer: bytes) -> None:
        """Ends the connection, with `answer` when none is on its way."""
        if self.transport.is_closing():
            return
        if self.stalled_s:
            self.transport.abort()  # what it does not take would wait for ever
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(answer)
        self.transport.close()


def sweep(connections: Iterable[Any], now_s: float) -> int:
    """Closes the connections whose time is over; how many there were."""
    late = [c for c in connections if isinstance(c, Wire) and c.late(now_s)]
    for connection in late:
        connection.refuse(TOO_SLOW)
    return len(late)


async def keep_sweeping(connections: set[Any]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_S)
        sweep(list(connections), loop.time())

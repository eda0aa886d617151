"""What a gateway that is measured beside the appliance calls: each message's end, heard as a caller hears it, by HTTP."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from typing import cast

import uvloop


class Receipts:
    """Counts, and each message's end by the number in its address.

    `delivered`: matches the head of a call that says so, the message's number in its first group; `answer`: what the gateway takes for heard.
    """

    def __init__(self, delivered: re.Pattern[bytes], answer: bytes = b"") -> None:
        self.delivered = 0
        self.ends: Counter[int] = Counter()
        self.port = 0
        self.pattern = delivered
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._main, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(10)

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(lambda: Called(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    def heard(self, head: bytes) -> None:
        if found := self.pattern.match(head):
            self.delivered += 1
            self.ends[int(found[1])] += 1

    def close(self) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


class Called(asyncio.Protocol):
    """One connection from the gateway; its requests have no body."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts
        self._octets = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._octets += data
        *whole, self._octets = self._octets.split(b"\r\n\r\n")
        for head in whole:
            self._receipts.heard(head)
        self._transport.write(self._receipts.answer * len(whole))

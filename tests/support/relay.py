"""A loop in a thread, and a relay in it: octets from a port of the loopback to somewhere, TLS taken off or put on in between."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Coroutine
from typing import Any


class Loop:
    """An asyncio loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def do(self, what: Coroutine[Any, Any, Any], seconds: float = 20) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(seconds)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)


class Relay:
    """Listens on `port` of 127.0.0.1, with TLS when `front` is given, and passes on to host and port, with TLS when `back` is."""

    def __init__(
        self, host: str, port: int, front: ssl.SSLContext | None = None, back: ssl.SSLContext | None = None
    ) -> None:
        self._host, self._behind, self._front, self._back = host, port, front, back
        self._loop = Loop()
        self.port: int = self._loop.do(self._listen())

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=self._front)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(
            self._host, self._behind, ssl=self._back, server_hostname="localhost" if self._back else None
        )

        async def pour(source: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while octets := await source.read(65_536):
                    into.write(octets)
                    await into.drain()
            into.close()

        await asyncio.gather(pour(reader, back), pour(there, writer))

    def close(self) -> None:
        self._loop.loop.call_soon_threadsafe(self._server.close)
        self._loop.close()

"""HOT: one connection of an operator link: it binds, binds again with jittered back-off, and passes octets to and from the session.

What is heard is put into the link's lists. Nothing is written to an operator but by `Link.submit` (after the commit), the
acknowledgements of a beat, and the session itself.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from typing import TYPE_CHECKING, Final

from appliance import clock
from appliance.smpp import ClientSession, Deliver, Heard

if TYPE_CHECKING:
    from .link import Link

#: Heard and not yet durable; an operator that delivers faster than a slow or failing disk takes is not read meanwhile.
DELIVERS_MAX: Final = 20_000


class Bind(asyncio.Protocol):
    """One TCP connection and its session; binds again by itself until it is stopped."""

    def __init__(self, link: Link, kind: str) -> None:
        self.link = link
        self.kind = kind
        self.session = self._session()
        self.transport: asyncio.Transport | None = None
        self.stopping = False
        self.last_error = ""
        self.up_since_ms = 0
        self._pause_s = link.settings.reconnect_s_min
        self._task: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        self._deaf = False

    def _session(self) -> ClientSession:
        s = self.link.settings
        return ClientSession(self.kind, s.system_id, s.password, s.system_type, s.window, s.enquire_s, s.response_s)

    @property
    def bound(self) -> bool:
        return self.transport is not None and self.session.bound

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep_bound())

    async def _keep_bound(self) -> None:
        s = self.link.settings
        loop = asyncio.get_running_loop()
        while not self.stopping:
            self._closed.clear()
            self.session = self._session()
            try:
                async with asyncio.timeout(s.response_s):
                    await loop.create_connection(
                        lambda: self,
                        s.host,
                        s.port,
                        ssl=self.link.tls,
                        server_hostname=s.host if self.link.tls else None,
                    )
            except (OSError, TimeoutError, ssl.SSLError) as e:
                self.last_error = f"connect: {type(e).__name__}"
            else:
                await self._closed.wait()
            if self.stopping:
                return
            # Full jitter keeps many boxes from knocking at the same instant after an operator's restart.
            await asyncio.sleep(self._pause_s * random.uniform(0.5, 1.0))
            self._pause_s = min(self._pause_s * 2, s.reconnect_s_max)

    # --- asyncio.Protocol -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's transports are duck-typed
        self._deaf = False
        self.session.connected(clock.monotonic_s())
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self.link.tap is not None:
            self.link.tap(self, "in", data)
        self.act(self.session.hear(data, clock.monotonic_s()))

    def act(self, heard: Heard) -> None:
        """Takes what the session made of its input further."""
        link = self.link
        if heard.bound:
            self.up_since_ms = clock.now_ms()
            self._pause_s = link.settings.reconnect_s_min
            self.last_error = ""
            link.changed(True, "")
        if heard.answers:
            in_flight = link.in_flight
            for sequence, status, operator_id in heard.answers:
                sent = in_flight.pop(sequence, None)
                if sent is not None:
                    link.answers.append((link, *sent, status, operator_id))
        if heard.delivers:
            session = self.session
            link.delivers.extend((self, session, d) for d in heard.delivers)
            if len(link.delivers) > DELIVERS_MAX and self.transport is not None and not self._deaf:
                self._deaf = True
                self.transport.pause_reading()
        if heard.answers or heard.delivers:
            link.wake()
        self.flush()
        if heard.closed:
            self.last_error = heard.why
            if self.transport is not None:
                if heard.closed == "unbound":
                    self.transport.close()
                else:
                    self.transport.abort()  # a peer that does not answer may not read either

    def flush(self) -> None:
        if self.transport is not None:
            data = self.session.take()
            if data:
                if self.link.tap is not None:
                    self.link.tap(self, "out", data)
                self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        was_bound = self.up_since_ms > 0
        self.transport = None
        self.up_since_ms = 0
        self.last_error = self.last_error or (type(exc).__name__ if exc else "closed by the operator")
        if self.kind != "receiver":
            self.session.disconnected(clock.monotonic_s())
            lost = list(self.link.in_flight.values())
            self.link.in_flight.clear()
            if lost:
                self.link.lost.append((self.link, lost))
        if was_bound:
            self.link.changed(False, self.last_error)
        self._closed.set()
        self.link.wake()

    def tick(self, now_s: float) -> None:
        if self.transport is not None:
            if self._deaf and len(self.link.delivers) <= DELIVERS_MAX:
                self._deaf = False
                self.transport.resume_reading()
            self.act(self.session.tick(now_s))

    async def stop(self) -> None:
        """Unbinds, waits shortly for the operator's answer, closes."""
        self.stopping = True
        if self.transport is None:
            if self._task is not None:
                self._task.cancel()
            return
        self.session.unbind(clock.monotonic_s())
        self.flush()
        try:
            async with asyncio.timeout(0.5):
                await self._closed.wait()
        except TimeoutError:
            if self.transport is not None:
                self.transport.close()


Delivered = tuple[Bind, ClientSession, Deliver]  # sequences mean something within their session only

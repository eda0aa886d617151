"""HOT: the hands of an operator link: connections, reconnects with jittered back-off, bytes to and from the sans-I/O session.

A link is one transceiver bind or a transmitter and a receiver. What is heard is put into the link's lists; the beat
takes it from there. Nothing is written to an operator but by `Link.submit` (after the commit) and by the session itself.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable

from appliance import clock
from appliance.errors import Error
from appliance.settings import Link as LinkSettings
from appliance.smpp import ClientSession, Deliver, Heard, SubmitPacker

from .pace import Pace
from .waiting import Waiting

Answer = tuple["Link", Waiting, int, int, str]  # link, message, part, command status, operator id
Delivered = tuple["Bind", ClientSession, Deliver]  # sequences mean something within their session only


#: Heard and not yet durable; an operator that delivers faster than a slow or failing disk takes is not read meanwhile.
DELIVERS_MAX = 20_000


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


class Link:
    """One operator link: its binds, its pace, its window, and the lists of what was heard."""

    def __init__(
        self, settings: LinkSettings, wake: Callable[[], None], changed: Callable[[Link, bool, str], None]
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self.wake = wake
        self._changed = changed
        self.tls = tls_context(settings)
        self.pace = Pace(settings.pace)
        self.packer = SubmitPacker(source_ton=settings.source_ton, source_npi=settings.source_npi)
        kinds = ("transceiver",) if settings.bind == "transceiver" else ("transmitter", "receiver")
        self.binds = [Bind(self, kind) for kind in kinds]
        self.in_flight: dict[int, tuple[Waiting, int]] = {}
        self.answers: list[Answer] = []
        self.delivers: list[Delivered] = []
        self.lost: list[tuple[Link, list[tuple[Waiting, int]]]] = []
        self.staged: list[tuple[Waiting, int]] = []
        self.paused_until_s = 0.0
        self.submitted = self.answered = self.receipted = self.errors = self.throttled = 0

    def changed(self, up: bool, why: str) -> None:
        self._changed(self, up, why)

    @property
    def submitter(self) -> Bind:
        return self.binds[0]

    @property
    def up(self) -> bool:
        """Whether it can submit and hear receipts."""
        return all(bind.bound for bind in self.binds)

    def room(self, now_s: float) -> int:
        """Segments that may be submitted now: what window, pace and a throttled operator leave."""
        if not self.submitter.bound or now_s < self.paused_until_s:
            return 0
        return max(0, min(self.submitter.session.room, self.pace.allowed(now_s)) - len(self.staged))

    def pause(self, now_s: float) -> None:
        self.throttled += 1
        self.paused_until_s = max(self.paused_until_s, now_s + self.settings.throttle_pause_s)

    def submit(
        self,
        session: ClientSession,
        frames: list[bytes],
        sequences: list[int],
        staged: list[tuple[Waiting, int]],
        now_s: float,
    ) -> bool:
        """Writes submits whose intention is durable. False when the bind went away meanwhile: nothing was written."""
        bind = self.submitter
        if bind.session is not session or not bind.bound:
            return False
        self.in_flight.update(zip(sequences, staged, strict=True))
        bind.session.sent(sequences, b"".join(frames), now_s)
        self.submitted += len(sequences)
        bind.flush()
        return True

    def start(self) -> None:
        for bind in self.binds:
            bind.start()

    def tick(self, now_s: float) -> None:
        for bind in self.binds:
            bind.tick(now_s)

    async def stop(self) -> None:
        await asyncio.gather(*(bind.stop() for bind in self.binds))

    def state(self) -> dict[str, object]:
        """For `state` and the console; nothing personal."""
        bound = [b for b in self.binds if b.bound]
        state = "up" if self.up else ("partly" if bound else "down")
        return {
            "name": self.name,
            "state": state,
            "window": self.settings.window,
            "in_flight": len(self.in_flight),
            "pace": self.settings.pace,
            "submitted": self.submitted,
            "answered": self.answered,
            "receipted": self.receipted,
            "errors": self.errors,
            "throttled": self.throttled,
            "up_since_ms": max((b.up_since_ms for b in bound), default=0),
            "last_error": next((b.last_error for b in self.binds if b.last_error), ""),
        }


def tls_context(settings: LinkSettings) -> ssl.SSLContext | None:
    """The TLS client context of a link, None in clear. Raises Error `settings_invalid` for files that cannot be used."""
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.tls_certificate:
            context.load_cert_chain(settings.tls_certificate, settings.tls_key or None)
    except (OSError, ssl.SSLError) as e:
        raise Error(
            "settings_invalid",
            f"link {settings.name}: its TLS files cannot be used: {type(e).__name__}",
            "check tls_ca, tls_certificate and tls_key",
        ) from None
    return context

"""HOT: one connection of an operator link: it binds, binds again with jittered back-off, and passes octets to and from the session.

What is heard is put into the link's lists. Nothing is written to an operator but by `Bind.submit` (after the commit), the
acknowledgements of a beat, and the session itself.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from typing import TYPE_CHECKING, Final

from appliance import clock
from appliance.settings import Link as LinkSettings
from appliance.smpp import NO_ANSWER, ClientSession, Deliver, Heard, Queried, spec

from .waiting import Waiting

if TYPE_CHECKING:
    from .link import Link

#: Heard and not yet durable; an operator that delivers faster than a slow or failing disk takes is not read meanwhile.
DELIVERS_MAX: Final = 20_000
SILENT_SUBMITS_MIN: Final = 100  # fewer submits taken without a delivery say nothing about a link, or a bind of it
SILENCES_MAX: Final = 6  # doublings of the patience with one bind
STEADY_S: Final = 5.0  # bound for so long, or any submit answered: the next pause is the shortest again


def pause_after(status: int, last_s: float, settings: LinkSettings) -> float:
    """Seconds before binding again. `status`: of a refused bind, -1 otherwise; `last_s`: the pause before, 0 after a bind."""
    if status in spec.BIND_NEEDS_A_PERSON:
        return settings.reconnect_s_max
    if status == spec.ESME_RALYBND:
        return max(settings.already_bound_s, last_s)
    return min(max(settings.reconnect_s_min, last_s * 2), settings.reconnect_s_max)


class Bind(asyncio.Protocol):
    """One TCP connection and its session; binds again by itself until it is stopped, and not while its link is drained."""

    def __init__(self, link: Link, kind: str, host: str, port: int) -> None:
        self.link = link
        self.kind = kind
        self.host = host
        self.port = port
        self.submits = kind != "receiver"
        self.hears = kind != "transmitter"
        self.session = self._session()
        self.transport: asyncio.Transport | None = None
        self.in_flight: dict[int, tuple[Waiting, int]] = {}  # by sequence
        self.asked: dict[int, str] = {}  # by sequence of a query_sm: the id that was asked about
        self.resting = False  # takes no new submits, unbinds when what is under way is answered
        self.stopping = False
        self.last_error = ""
        self.up_since_ms = 0
        self.bind_status = -1  # of the last refused bind, while it is the reason to wait
        self._up_since_s = 0.0
        self._last_pause_s = 0.0
        self._answers = self._delivered = 0  # of this connection
        self._listened = (0.0, 0, 0)  # since when nothing was delivered here; taken, delivered then
        self._silences = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._deaf = False

    def _session(self) -> ClientSession:
        s = self.link.settings
        return ClientSession(
            self.kind,
            s.system_id,
            s.password,
            s.system_type,
            s.window,
            s.enquire_s,
            s.response_s,
            interface_version=s.interface_version,
        )

    @property
    def bound(self) -> bool:
        return self.transport is not None and self.session.bound

    @property
    def room(self) -> int:
        """Segments that its window lets go now."""
        return self.session.room if self.submits and self.transport is not None and not self.resting else 0

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep_bound())

    async def _keep_bound(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.stopping:
            if self.link.drained:
                self._hurry.clear()
                await self._wait(self.link.settings.reconnect_s_max)
                continue
            self._closed.clear()
            self._hurry.clear()
            self.session = self._session()
            self.resting = False
            self.bind_status = -1
            tls = self.link.tls
            try:
                async with asyncio.timeout(self.link.settings.response_s):
                    await loop.create_connection(
                        lambda: self, self.host, self.port, ssl=tls, server_hostname=self.host if tls else None
                    )
            except (OSError, TimeoutError, ssl.SSLError, ValueError) as e:  # ValueError: a name that no resolver takes
                self.last_error = f"connect: {type(e).__name__}"
            else:
                await self._closed.wait()
            if not self.stopping and not self.resting:
                pause = self._last_pause_s = pause_after(self.bind_status, self._last_pause_s, self.link.settings)
                # Full jitter keeps many boxes from knocking at the same instant after an operator's restart; what the
                # operator or a person must mend first is never asked about sooner.
                await self._wait(pause * (random.uniform(0.5, 1.0) if self.bind_status < 0 else random.uniform(1, 1.1)))

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            pass

    def resume(self) -> None:
        """Takes submits again if it has not unbound yet; else ends the pause before binding again: a person said so."""
        if self.bound:
            self.resting = False
        self._last_pause_s = 0.0
        self._hurry.set()

    # --- asyncio.Protocol -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's transports are duck-typed
        self._deaf = False
        self._answers = self._delivered = 0
        self._listened = (0.0, 0, 0)
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
            self._up_since_s = clock.monotonic_s()
            self.last_error = ""
            link.changed("")
        if heard.answers:
            in_flight = self.in_flight
            self._answers += len(heard.answers)
            for sequence, status, operator_id in heard.answers:
                sent = in_flight.pop(sequence, None)
                if sent is not None:
                    link.answers.append((link, *sent, status, operator_id))
        if heard.delivers:
            session = self.session
            link.delivered += len(heard.delivers)
            self._delivered += len(heard.delivers)
            link.delivers.extend((self, session, d) for d in heard.delivers)
            if len(link.delivers) > DELIVERS_MAX and self.transport is not None and not self._deaf:
                self._deaf = True
                self.transport.pause_reading()
        for answer in heard.queried:
            if operator_id := self.asked.pop(answer.sequence, ""):
                link.queried.append((operator_id, answer))
        if heard.answers or heard.delivers or heard.queried:
            link.wake()
        self.flush()
        if heard.closed:
            if heard.closed != "unbound" or not self.last_error:  # else why we said goodbye is already known
                self.last_error = heard.why
            if heard.closed == "bind_refused":
                self.bind_status = heard.bind_status
            if self.transport is not None:
                if heard.closed.startswith("unbound"):
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
        if self.up_since_ms and (self._answers or clock.monotonic_s() - self._up_since_s >= STEADY_S):
            self._last_pause_s = 0.0
        self.transport = None
        self.up_since_ms = 0
        self.last_error = self.last_error or (type(exc).__name__ if exc else "closed by the operator")
        self.session.disconnected(clock.monotonic_s())
        lost = list(self.in_flight.values())
        self.in_flight.clear()
        if lost:
            self.link.lost.append((self.link, lost))
        self.link.queried.extend((asked, Queried(n, NO_ANSWER, 0, "", 0)) for n, asked in self.asked.items())
        self.asked.clear()
        self.link.changed(self.last_error)
        self._closed.set()
        self.link.wake()

    # --- what the link does -----------------------------------------------------------------------------

    def submit(
        self,
        session: ClientSession,
        frames: list[bytes],
        sequences: list[int],
        parts: list[tuple[Waiting, int]],
        now_s: float,
    ) -> bool:
        """Writes submits whose intention is durable. False when the bind went away meanwhile: nothing was written."""
        if self.session is not session or not self.bound:
            return False
        self.in_flight.update(zip(sequences, parts, strict=True))
        session.sent(sequences, b"".join(frames), now_s)
        self.link.submitted += len(sequences)
        self.flush()
        return True

    def query(self, operator_id: str, source: tuple[int, int, bytes], now_s: float) -> None:
        """Asks what became of a message; only while `bound`. Raises PduError when the id does not fit."""
        self.asked[self.session.query(operator_id, source, now_s)] = operator_id
        self.flush()

    def rest(self) -> None:
        """No new submits; `tick` unbinds once what is under way is answered. It then binds again unless the link is drained."""
        self.resting = True

    def fell_silent(self, now_s: float, patience_s: float) -> bool:
        """Whether it delivered on this connection and has stopped, while the operator goes on taking submits.

        A bind that never delivered may just not be the one that the operator delivers on. One that falls silent again
        and again is given twice the time each time: then that is how the operator spreads what it delivers.
        """
        taken = self._answers if self.submits else self.link.taken
        since_s, before, delivered = self._listened
        if not self._delivered or self._delivered != delivered or taken <= before:
            self._listened = (now_s, taken, self._delivered)
            return False
        if taken - before < SILENT_SUBMITS_MIN or now_s - since_s < patience_s * 2**self._silences:
            return False
        self._silences = min(self._silences + 1, SILENCES_MAX)
        return True

    def tick(self, now_s: float) -> None:
        if self.transport is not None:
            if self._deaf and len(self.link.delivers) <= DELIVERS_MAX:
                self._deaf = False
                self.transport.resume_reading()
            # A receiver that is bound anew waits for nobody; one that is drained hears all that is still answered.
            waits = self.in_flight if self.submits else self.link.drained and self.link.in_flight
            if self.resting and self.session.bound and not waits:
                self.session.unbind(now_s)
            self.act(self.session.tick(now_s))

    async def stop(self) -> None:
        """Unbinds, waits shortly for the operator's answer, closes."""
        self.stopping = True
        self._hurry.set()
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

    def state(self) -> dict[str, object]:
        """One row of the link's `binds`; nothing personal."""
        waits = self.session.state
        if self.transport is None:
            waits = "drained" if self.link.drained else "connecting"
        return {
            "host": f"{self.host}:{self.port}",
            "kind": self.kind,
            "state": "resting" if self.resting and self.bound else waits,
            "in_flight": len(self.in_flight),
            "window": self.session.window if self.submits else 0,
            "up_since_ms": self.up_since_ms,
            "last_error": self.last_error,
        }


Delivered = tuple[Bind, ClientSession, Deliver]  # sequences mean something within their session only

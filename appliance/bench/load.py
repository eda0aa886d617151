"""The load over REST: keep-alive connections that each post one request after another, held back while too much is on its way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from appliance.clock import monotonic_s
from appliance.errors import Error

from .exchange import Exchange, post
from .thread import LoopThread

HELD_S: Final = 0.004  # between two looks of connections that are held back
REFUSED_S: Final = 0.1  # after a 429 or 503
FAILURES_MAX: Final = 50  # calls in a row that failed, after which a connection gives up
CALLS_KEPT: Final = 500_000


class Row(msgspec.Struct):
    """What a load looks at in an accepted message."""

    segments: int
    id: str = ""


class Answer(msgspec.Struct):
    """An answer to a batch."""

    accepted: list[Row]
    rejected: list[msgspec.Raw]


_read_batch: Final = msgspec.json.Decoder(Answer).decode
_read_single: Final = msgspec.json.Decoder(Row).decode


def told_batch(status: int, body: bytes) -> tuple[int, int, int] | None:
    """(messages accepted, their segments, rejected) of an answer; None when it was refused."""
    if status != 202:
        return None
    answer = _read_batch(body)
    return len(answer.accepted), sum([row.segments for row in answer.accepted]), len(answer.rejected)


def told_single(status: int, body: bytes) -> tuple[int, int, int] | None:
    return (1, _read_single(body).segments, 0) if status == 202 else None


class Load(LoopThread):
    """Asks `requests` in turn over `connections` until stopped. Its counters only grow and may be read at any time.

    `told`: what an answer means. `in_flight_max`: most messages accepted but not final; `final` is set by whoever watches.
    """

    def __init__(
        self,
        address: str,
        requests: Sequence[bytes],
        connections: int,
        in_flight_max: int,
        told: Callable[[int, bytes], tuple[int, int, int] | None],
    ) -> None:
        super().__init__()
        parts = urlsplit(address)
        if parts.scheme != "http" or not parts.hostname:
            raise Error("invalid", "the load is posted in clear text over loopback", "see --attach")
        self._host, self._port = parts.hostname, parts.port or 80
        self._requests = requests
        self._turn = 0
        self.requests_max = 0  # then it ends; 0: when it is stopped
        self._told = told
        self._connections = connections
        self.in_flight_max = in_flight_max
        self.final = self.accepted = self.segments = self.rejected = 0
        self.held_s = 0.0
        self.calls: list[tuple[float, float]] = []  # (when answered, seconds it took)
        self.refusals: Counter[str] = Counter()

    @classmethod
    def batches(cls, api: str, key: str, bodies: Sequence[bytes], connections: int, in_flight_max: int) -> Load:
        host = urlsplit(api).netloc
        requests = [post(host, "/v1/messages/batch", key, body) for body in bodies]
        return cls(api, requests, connections, in_flight_max, told_batch)

    @classmethod
    def singles(cls, api: str, key: str, bodies: Sequence[bytes], connections: int, in_flight_max: int) -> Load:
        host = urlsplit(api).netloc
        requests = [post(host, "/v1/messages", key, body) for body in bodies]
        return cls(api, requests, connections, in_flight_max, told_single)

    def request(self, turn: int) -> bytes:
        """The request of a turn, counted from 0."""
        return self._requests[turn % len(self._requests)]

    def accepted_turn(self, turn: int, body: bytes) -> None:
        """Told each turn that was accepted, with the answer."""

    async def _run(self) -> None:
        await asyncio.gather(*(self._connection() for _ in range(self._connections)))

    async def _connection(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while not self._over() and failures < FAILURES_MAX:
            try:
                _, exchange = await loop.create_connection(Exchange, self._host, self._port)
            except OSError as e:
                failures += 1
                self.refusals[type(e).__name__] += 1
                await asyncio.sleep(REFUSED_S)
                continue
            ended: asyncio.Future[int] = loop.create_future()
            self._next(loop, exchange, ended, 0)
            failures = await ended
            exchange.close()
            if failures:
                await asyncio.sleep(REFUSED_S)

    def _over(self) -> bool:
        return self.stopping or 0 < self.requests_max <= self._turn

    def _next(
        self, loop: asyncio.AbstractEventLoop, exchange: Exchange, ended: asyncio.Future[int], failures: int
    ) -> None:
        """The next request of this connection, or a look later; `ended` when there are no more or it was lost."""
        if self._over() or failures >= FAILURES_MAX or not exchange.open:
            if not ended.done():
                ended.set_result(failures)
            return
        if self.accepted - self.final >= self.in_flight_max:
            self.held_s += HELD_S
            loop.call_later(HELD_S, self._next, loop, exchange, ended, failures)
            return
        turn = self._turn
        self._turn += 1
        request = self.request(turn)
        began = monotonic_s()

        def heard(status: int, body: bytes) -> None:
            told = self._told(status, body)
            if told is None:
                self.refusals[f"HTTP {status}" if status else "lost"] += 1
                failed = failures + 1 if status not in (429, 503) else failures
                loop.call_later(REFUSED_S, self._next, loop, exchange, ended, failed)
                return
            now = monotonic_s()
            self.accepted_turn(turn, body)
            messages, segments, rejected = told
            self.accepted += messages
            self.segments += segments
            self.rejected += rejected
            if len(self.calls) < CALLS_KEPT:
                self.calls.append((now, now - began))
            self._next(loop, exchange, ended, 0)

        exchange.ask(request, heard)

"""The load: a few connections that post batches one after another, held back while too much is on its way."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from typing import Final
from urllib.parse import urlsplit

import msgspec

from appliance.clock import monotonic_s
from appliance.errors import Error

from .lanes import CALL_S_MAX, Lanes

HELD_S: Final = 0.005  # between two looks while held back
REFUSED_S: Final = 0.1  # after a 429 or 503
FAILURES_MAX: Final = 50  # calls in a row that failed, after which a connection gives up


class _Row(msgspec.Struct):
    segments: int


class _Answer(msgspec.Struct):
    accepted: list[_Row]
    rejected: list[msgspec.Raw]


class Load(Lanes):
    """Posts `bodies` in turn over `connections` threads until stopped. Its counters only grow and may be read at any time."""

    def __init__(self, api: str, key: str, bodies: list[bytes], connections: int, in_flight_max: int) -> None:
        parts = urlsplit(api)
        if parts.scheme != "http" or not parts.hostname:
            raise Error("invalid", "the load is posted in clear text over loopback", "see --attach")
        self._host, self._port = parts.hostname, parts.port or 80
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self._bodies = bodies
        self._turn = 0
        super().__init__()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(connections)]
        self.in_flight_max = in_flight_max
        self.final = 0  # set by whoever watches the engine
        self.accepted = 0
        self.segments = 0
        self.rejected = 0
        self.held_s = 0.0
        self.calls: list[tuple[float, float]] = []  # (when answered, seconds it took)
        self.refusals: Counter[str] = Counter()

    def _next(self) -> bytes:
        with self._lock:
            self._turn += 1
            return self._bodies[self._turn % len(self._bodies)]

    def _run(self) -> None:
        wire = http.client.HTTPConnection(self._host, self._port, timeout=CALL_S_MAX)
        decoder = msgspec.json.Decoder(_Answer)
        failures = 0
        while not self._stop.is_set() and failures < FAILURES_MAX:
            if self.accepted - self.final >= self.in_flight_max:
                self.held_s += HELD_S
                self._stop.wait(HELD_S)
                continue
            began = monotonic_s()
            try:
                wire.request("POST", "/v1/messages/batch", self._next(), self._headers)
                answer = wire.getresponse()
                octets = answer.read()
            except (OSError, http.client.HTTPException) as e:
                wire.close()
                failures += 1
                self._refused(type(e).__name__)
                continue
            if answer.status != 202:
                failures += answer.status not in (429, 503)
                self._refused(f"HTTP {answer.status}")
                continue
            failures = 0
            ended = monotonic_s()
            told = decoder.decode(octets)
            with self._lock:
                self.accepted += len(told.accepted)
                self.segments += sum(row.segments for row in told.accepted)
                self.rejected += len(told.rejected)
                self.calls.append((ended, ended - began))
        wire.close()

    def _refused(self, why: str) -> None:
        with self._lock:
            self.refusals[why] += 1
        self._stop.wait(REFUSED_S)

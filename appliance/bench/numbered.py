"""The load of the hostile bench: messages that can each be known again by their text, in lanes whose order is known."""

from __future__ import annotations

import hashlib
import http.client
import json
import threading
from collections import Counter
from typing import Final
from urllib.parse import urlsplit

import msgspec

from appliance.clock import monotonic_s

from .lanes import CALL_S_MAX, Lanes

HELD_S: Final = 0.01  # between two looks while held back
REFUSED_S: Final = 0.2  # after a call that was refused or failed
CALLS_KEPT: Final = 10_000
CLASSES: Final = ("otp", "alert", "transaction", "bulk")
#: Out of ten messages in a call: the class of each.
MIX: Final = (0, 2, 2, 0, 1, 2, 0, 3, 1, 0)


class Sent(msgspec.Struct, gc=False):
    """One message that the API accepted: `lane` and `number` say its place among those of its class."""

    id: str
    lane: int
    class_: int
    number: int


class _Row(msgspec.Struct):
    id: str = ""
    segments: int = 1
    index: int = -1


class _Answer(msgspec.Struct):
    accepted: list[_Row]
    rejected: list[_Row]


def text_of(lane: int, class_: int, number: int) -> str:
    """One segment, the same octets in GSM-7 and in ASCII."""
    return f"Avviso {CLASSES[class_]} {lane}-{number}"


def digest_of(text: str) -> bytes:
    """What an operator's journal calls it."""
    return hashlib.sha256(text.encode("ascii")).digest()


class Numbered(Lanes):
    """Each lane is a thread that posts one batch after another; within a lane and class the order of acceptance is known."""

    def __init__(self, api: str, key: str, lanes: int, per_call: int, in_flight_max: int) -> None:
        parts = urlsplit(api)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        super().__init__()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(lanes)]
        self._per_call = per_call
        self.in_flight_max = in_flight_max
        self.final = 0  # set by whoever watches the engine
        self.accepted = self.segments = self.rejected = 0
        self.sent: dict[bytes, Sent] = {}  # by digest of the text
        self.unsure = 0  # messages of calls whose answer was lost: they may have been accepted
        self.refusals: Counter[str] = Counter()
        self.calls: list[tuple[float, float]] = []

    def _run(self, lane: int) -> None:
        wire = http.client.HTTPConnection(self._host, self._port, timeout=CALL_S_MAX)
        decoder = msgspec.json.Decoder(_Answer)
        numbers = [0] * len(CLASSES)
        turn = 0
        while not self._stop.is_set():
            if self.accepted - self.final >= self.in_flight_max:
                self._stop.wait(HELD_S)
                continue
            rows, told = [], []
            for _ in range(self._per_call):
                turn += 1
                class_ = MIX[turn % len(MIX)]
                numbers[class_] += 1
                text = text_of(lane, class_, numbers[class_])
                to = f"+39347{lane}{turn % 1_000_000:06}"
                rows.append({"to": to, "text": text, "class": CLASSES[class_], "from": "MYBANK"})
                told.append((digest_of(text), class_, numbers[class_]))
            began = monotonic_s()
            try:
                wire.request("POST", "/v1/messages/batch", json.dumps({"messages": rows}), self._headers)
                answer = wire.getresponse()
                octets = answer.read()
            except (OSError, http.client.HTTPException) as e:
                wire.close()
                self.unsure += len(rows)
                self._refused(type(e).__name__)
                continue
            if answer.status != 202:
                self._refused(f"HTTP {answer.status}")
                continue
            self._keep(decoder.decode(octets), told, lane, began)
        wire.close()

    def _keep(self, answer: _Answer, told: list[tuple[bytes, int, int]], lane: int, began: float) -> None:
        refused = {row.index for row in answer.rejected}
        taken = [each for n, each in enumerate(told) if n not in refused]
        assert len(taken) == len(answer.accepted)
        with self._lock:
            for (digest, class_, number), row in zip(taken, answer.accepted, strict=True):
                self.sent[digest] = Sent(row.id, lane, class_, number)
            self.accepted += len(taken)
            self.segments += sum(row.segments for row in answer.accepted)
            self.rejected += len(refused)
            if len(self.calls) < CALLS_KEPT:
                self.calls.append((monotonic_s(), monotonic_s() - began))

    def _refused(self, why: str) -> None:
        with self._lock:
            self.refusals[why] += 1
        self._stop.wait(REFUSED_S)

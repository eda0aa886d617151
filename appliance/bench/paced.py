"""A load at an even pace whose messages can each be known again by their text: when each was asked for, and when it was accepted."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from appliance.clock import monotonic_s

from .exchange import Exchange, post
from .numbered import digest_of
from .thread import JOIN_S_MAX, LoopThread

CONNECTIONS: Final = 64


class Asked(msgspec.Struct, gc=False):
    """One message: monotonic seconds of the request and of its answer; 0: not accepted."""

    asked_s: float
    accepted_s: float = 0.0


class Paced(LoopThread):
    """`rate` single requests a second of one class, each when it is due; what finds no free connection waits, and that counts."""

    def __init__(self, api: str, key: str, rate: float, class_: str = "otp", first: int = 0) -> None:
        super().__init__()
        parts = urlsplit(api)
        self._host, self._port, self._key = parts.hostname or "", parts.port or 80, key
        self._rate, self._class = rate, class_
        self._count = first
        self._free: list[Exchange] = []
        self._due: deque[float] = deque()
        self.sent: dict[bytes, Asked] = {}  # by digest of the text
        self.accepted = self.segments = self.final = 0
        self.refusals: Counter[str] = Counter()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, exchange = await loop.create_connection(Exchange, self._host, self._port)
            self._free.append(exchange)
        began = monotonic_s()
        turn = 0
        while not self.stopping:
            turn += 1
            await asyncio.sleep(max(0.0, began + turn / self._rate - monotonic_s()))
            self._due.append(monotonic_s())
            self._ask_due()
        while len(self._free) < CONNECTIONS and monotonic_s() < began + turn / self._rate + JOIN_S_MAX / 2:
            await asyncio.sleep(0.01)
        for exchange in self._free:
            exchange.close()

    def _ask_due(self) -> None:
        while self._due and self._free:
            self._ask(self._free.pop(), self._due.popleft())

    def _ask(self, exchange: Exchange, due_s: float) -> None:
        self._count += 1
        text = f"Avviso {self._class} {self._count}"
        row = {"to": f"+39347{self._count % 10**7:07}", "text": text, "class": self._class, "from": "MYBANK"}
        octets = post(self._host, "/v1/messages", self._key, json.dumps(row).encode())
        asked = self.sent[digest_of(text)] = Asked(due_s)

        def heard(status: int, _: bytes) -> None:
            self._free.append(exchange)
            if status == 202:
                asked.accepted_s = monotonic_s()
                self.accepted += 1
                self.segments += 1
            else:
                self.refusals[f"HTTP {status}"] += 1
            self._ask_due()

        exchange.ask(octets, heard)


def submitted_s(attempts: Path) -> dict[bytes, float]:
    """When an operator's journal of attempts first heard each text, by digest; monotonic seconds of this machine."""
    out: dict[bytes, float] = {}
    with attempts.open(encoding="utf-8") as file:
        for line in file:
            _, _, digest, at_ms = line.split("\t")
            out.setdefault(bytes.fromhex(digest), float(at_ms) / 1000)
    return out


def waits_ms(sent: dict[bytes, Asked], heard: dict[bytes, float]) -> tuple[list[float], list[float], list[float], int]:
    """Milliseconds from request to 202, from 202 to the operator, from request to the operator; and how many never got there.

    A submit that was on its way before the 202 had come back waited 0 ms.
    """
    answered, left, whole, missing = [], [], [], 0
    for digest, asked in sent.items():
        if not asked.accepted_s:
            continue
        at_s = heard.get(digest)
        if at_s is None:
            missing += 1
            continue
        answered.append((asked.accepted_s - asked.asked_s) * 1000)
        left.append(max(0.0, at_s - asked.accepted_s) * 1000)
        whole.append((at_s - asked.asked_s) * 1000)
    return answered, left, whole, missing

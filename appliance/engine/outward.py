"""From the partitions' outboxes to the auditor and the courier, at least once, settled in a later beat's transaction."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from appliance import clock
from appliance.errors import Error
from appliance.intercom import Client

from .ledger import Ledger

EACH_S: Final = 0.1  # between two sendings of one outbox: many beats make one call
RETRY_S: Final = 1.0
ROWS: Final = 1_000
OCTETS_MAX: Final = 8 * 1024 * 1024  # of sealed contents in one call

Key = tuple[str, int]  # "audit" or "webhooks", day


class Outward:
    """Two outboxes a day. Each has at most one call under way."""

    def __init__(self, ledger: Ledger, auditor: Client, courier: Client) -> None:
        self.ledger = ledger
        self.auditor = auditor
        self.courier = courier
        self.dirty: set[Key] = set()
        self.settled: dict[Key, int] = {}
        self._settling: dict[Key, int] = {}
        self._busy: set[Key] = set()
        self._not_before: dict[Key, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def settle(self) -> None:
        """Inside the beat's transaction: forgets what the other side has on disk."""
        self._settling = dict(self.settled)
        for (kind, day), upto in self._settling.items():
            partition = self.ledger.partition(day)
            partition.begin()
            if kind == "audit":
                self.ledger.outboxes[day].settle(upto)
            else:
                partition.settle_webhooks(upto)

    def committed(self, days: set[int]) -> None:
        """After the commit: what was settled is, and these days may have new rows."""
        for key, upto in self._settling.items():
            if self.settled.get(key) == upto:
                del self.settled[key]
        self._settling = {}
        for day in days:
            self.dirty.add(("audit", day))
            self.dirty.add(("webhooks", day))

    def send(self, now_s: float) -> None:
        """Starts the calls that are due. Between beats only: it reads the partitions."""
        for key in list(self.dirty):
            if key in self._busy or key in self.settled or now_s < self._not_before.get(key, 0.0):
                continue
            kind, day = key
            if day not in self.ledger.partitions:
                self.dirty.discard(key)  # closed: everything was told
                continue
            rows: list[Any]
            if kind == "audit":
                first, rows = self.ledger.outboxes[day].pending(ROWS)
                call, payload = (
                    self.auditor,
                    {"source": self.ledger.outboxes[day].source, "first": first, "entries": rows},
                )
                op = "append"
            else:
                first, found = self.ledger.partition(day).webhooks(ROWS)
                rows = _consecutive(first, found)
                source = f"{self.ledger.outboxes[day].source}/webhooks"
                call, payload = self.courier, {"source": source, "first": first, "events": rows}
                op = "status_events"
            if not rows:
                self.dirty.discard(key)
                continue
            self._busy.add(key)
            self._not_before[key] = now_s + EACH_S
            task = asyncio.get_running_loop().create_task(self._call(key, call, op, payload, first + len(rows) - 1))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _call(self, key: Key, client: Client, op: str, payload: dict[str, Any], upto: int) -> None:
        try:
            await client.call(op, payload)
            self.settled[key] = upto
        except Error:
            self._not_before[key] = clock.monotonic_s() + RETRY_S
        finally:
            self._busy.discard(key)

    async def drain(self, seconds: float) -> None:
        """At stop: waits for the calls under way."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)


def _consecutive(first: int, found: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Events as the courier takes them; numbers run without a gap from `first`, a redacted message's content is empty."""
    out: list[list[Any]] = []
    octets = 0
    for n, message_id, key_id, content, status, at_ms, error, caller in found:
        octets += len(content or b"")
        if n != first + len(out) or (out and octets > OCTETS_MAX):
            break
        out.append([message_id, key_id, content or b"", status, at_ms, error or "", caller])
    return out

"""From the partitions' outboxes to the auditor, the courier and the SMPP door, at least once, settled in a later beat's transaction."""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple

from appliance import clock
from appliance.errors import Error
from appliance.intercom import Client

from .ledger import Ledger

EACH_S: Final = 0.1  # between two sendings of one outbox: many beats make one call
RETRY_S: Final = 1.0
ROWS: Final = 1_000
OCTETS_MAX: Final = 8 * 1024 * 1024  # of sealed contents in one call

KINDS: Final = ("audit", "webhooks", "doors", "inbound", "heard")
Key = tuple[str, int]  # one of KINDS, day


class Sending(NamedTuple):
    """One call: whom, what, and the number of its last row."""

    to: Client | None
    op: str
    payload: dict[str, Any]
    upto: int


class Outward:
    """Five outboxes a day. Each has at most one call under way, and one whose other side is away holds up no other.

    `door` None: the door is closed; what would be for it is settled without being told, so that nothing piles up. So are whole
    messages of customers without `listeners`: no webhook is set for them.
    """

    def __init__(
        self, ledger: Ledger, auditor: Client, courier: Client, door: Client | None, listeners: bool = False
    ) -> None:
        self.ledger = ledger
        self.auditor = auditor
        self.courier = courier
        self.door = door
        self.listener = courier if listeners else None
        self.dirty: set[Key] = set()
        self.settled: dict[Key, int] = {}
        self._settling: dict[Key, int] = {}
        self.busy: set[Key] = set()
        self._not_before: dict[Key, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def settle(self) -> None:
        """Inside the beat's transaction: forgets what the other side has on disk."""
        self.settled = {key: upto for key, upto in self.settled.items() if key[1] not in self.ledger.damaged}
        self._settling = dict(self.settled)
        for (kind, day), upto in self._settling.items():
            partition = self.ledger.partition(day)
            partition.begin()
            if kind == "audit":
                self.ledger.outboxes[day].settle(upto)
            elif kind == "webhooks":
                partition.settle_webhooks(upto)
            elif kind == "doors":
                partition.settle_doors(upto)
            elif kind == "inbound":
                partition.settle_arrived(upto)
            else:
                partition.settle_heard(upto)

    def committed(self, days: set[int]) -> None:
        """After the commit: what was settled is, and these days may have new rows."""
        for key, upto in self._settling.items():
            if self.settled.get(key) == upto:
                del self.settled[key]
        self._settling = {}
        for day in days:
            self.dirty.update((kind, day) for kind in KINDS)

    def send(self, now_s: float) -> None:
        """Starts the calls that are due. Between beats only: it reads the partitions."""
        for key in list(self.dirty):
            if key in self.busy or key in self.settled or now_s < self._not_before.get(key, 0.0):
                continue
            kind, day = key
            if day not in self.ledger.partitions:
                self.dirty.discard(key)  # closed: everything was told
                continue
            self._not_before[key] = now_s + EACH_S  # also when there is nothing: a beat must not pay for looking
            sending = self._sending(kind, day)
            if sending is None:
                self.dirty.discard(key)
                continue
            if sending.to is None:
                self.settled[key] = sending.upto
                continue
            self.busy.add(key)
            task = asyncio.get_running_loop().create_task(self._call(key, sending.to, sending))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _sending(self, kind: str, day: int) -> Sending | None:
        """The oldest rows of an outbox as its other side takes them, None when there are none."""
        partition, source = self.ledger.partition(day), self.ledger.outboxes[day].source
        rows: list[Any]
        if kind == "audit":
            first, rows = self.ledger.outboxes[day].pending(ROWS)
            self.ledger.unrecorded.heard(day, self.ledger.outboxes[day].count() if rows else 0)
            return _call_of(self.auditor, "append", source, first, "entries", rows)
        if kind == "webhooks":
            first, found = partition.webhooks(ROWS)
            rows = _consecutive(first, found)
            return _call_of(self.courier, "status_events", f"{source}/webhooks", first, "events", rows)
        if kind == "doors":
            first, found = partition.doors(ROWS)
            rows = _consecutive(first, found)
            return _call_of(self.door, "events", f"{source}/doors", first, "events", rows)
        if kind == "heard":
            first, found = partition.heard(ROWS)
            rows = _within_octets(first, found)
            return _call_of(self.listener, "received", f"{source}/heard", first, "messages", rows)
        first, found = partition.arrived(ROWS)
        rows = _within_octets(first, found)
        return _call_of(self.door, "inbound", f"{source}/inbound", first, "messages", rows)

    async def _call(self, key: Key, to: Client, sending: Sending) -> None:
        try:
            await to.call(sending.op, sending.payload)
            self.settled[key] = sending.upto
        except Error:
            self._not_before[key] = clock.monotonic_s() + RETRY_S
        finally:
            self.busy.discard(key)

    async def drain(self, seconds: float) -> None:
        """At stop: waits for the calls under way."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)


def _call_of(to: Client | None, op: str, source: str, first: int, name: str, rows: list[Any]) -> Sending | None:
    if not rows:
        return None
    return Sending(to, op, {"source": source, "first": first, name: rows}, first + len(rows) - 1)


def _consecutive(first: int, found: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Events as courier and door take them; numbers run without a gap from `first`, a redacted message's content is empty."""
    out: list[list[Any]] = []
    octets = 0
    for n, message_id, key_id, content, status, at_ms, error, *whose in found:
        octets += len(content or b"")
        if n != first + len(out) or (out and octets > OCTETS_MAX):
            break
        out.append([message_id, key_id, content or b"", status, at_ms, error or "", *whose])
    return out


def _within_octets(first: int, found: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Customers' messages as door and courier take them; numbers run without a gap from `first`."""
    out: list[list[Any]] = []
    octets = 0
    for n, *message in found:
        octets += len(message[4])
        if n != first + len(out) or (out and octets > OCTETS_MAX):
            break
        out.append(message)
    return out

"""Many requests, one batch: what arrives while the engine commits leaves together when it has answered.

HOT: no await per message; one call to the engine per batch, one future per request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from appliance.errors import Error
from appliance.limits import (
    COMMIT_ROWS_MAX,
    FRAME_OCTETS_MAX,
    GATEWAY_FLIGHTS_MAX,
    GATEWAY_FLUSH_ROWS,
    GATEWAY_PENDING_MESSAGES_MAX,
)
from appliance.message import Batch, IdempotentRequest

#: What became of a request: None: committed; a pair: answered before, (key_id, sealed answer); CONFLICT: other body.
Outcome = Any
CONFLICT: Final = "conflict"

#: A row's payload travels twice (clear and sealed), the rest of a row is small: half a frame of that is safe.
PAYLOAD_OCTETS_MAX: Final = FRAME_OCTETS_MAX // 4

#: The columns that are joined; `requests` is not one, its rows move.
COLUMNS: Final = tuple(
    name
    for name in Batch.__struct_fields__
    if name not in ("day", "accepted_ms", "key_id", "requests", "basis", "operators")
)


class Funnel:
    """Hands batches to `send` (the engine's `accept`) so that each request waits for about one commit.

    `at_once`: batches that leave although others are under way, however small they are.
    """

    def __init__(
        self,
        send: Callable[[Batch], Awaitable[dict[str, Any]]],
        pending_max: int = GATEWAY_PENDING_MESSAGES_MAX,
        at_once: int = 1,
    ) -> None:
        self.send = send
        self.pending_max = pending_max
        self.at_once = at_once
        self.pending = 0  # messages validated but not yet known to be durable
        self.flights = 0
        self._waiting: deque[tuple[Batch, asyncio.Future[Outcome]]] = deque()
        self._waiting_rows = 0
        self._called = False
        self._tasks: set[asyncio.Task[None]] = set()

    def check_room(self, rows: int) -> None:
        """Raises Error `overloaded` when `rows` more would be too many; to be asked before any work is done."""
        if self.pending + rows > self.pending_max:
            raise Error(
                "overloaded", "too many messages wait to be made durable", "send again after a second, or more slowly"
            )

    async def commit(self, batch: Batch) -> Outcome:
        """Returns when the rows of `batch` are durable, or what else became of them. Raises what the engine raised."""
        rows = len(batch.ids)
        self.check_room(rows)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        self.pending += rows
        self._waiting.append((batch, future))
        self._waiting_rows += rows
        if not self._called and self._may_leave():
            # At the end of this turn of the loop: requests that arrived in the same read leave together.
            self._called = True
            loop.call_soon(self._leave)
        try:
            return await future
        finally:
            self.pending -= rows

    async def settle(self) -> None:
        """Returns when nothing is under way any more."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    def _may_leave(self) -> bool:
        return self.flights < self.at_once or (
            self._waiting_rows >= GATEWAY_FLUSH_ROWS and self.flights < GATEWAY_FLIGHTS_MAX
        )

    def _leave(self) -> None:
        self._called = False
        while self._waiting and self._may_leave():
            batch, futures, spans = self._joined()
            self.flights += 1
            task = asyncio.ensure_future(self._fly(batch, futures, spans))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _joined(self) -> tuple[Batch, list[asyncio.Future[Outcome]], list[int]]:
        """The longest run of waiting requests that one batch may hold: one day, one key, one basis, no idempotency key twice."""
        batch, future = self._waiting.popleft()
        futures, spans = [future], [len(batch.requests)]
        macs = {r.key_mac for r in batch.requests}
        octets = sum(map(len, batch.payloads))
        while self._waiting:
            more, future = self._waiting[0]
            if (more.day, more.key_id, more.basis) != (batch.day, batch.key_id, batch.basis):
                break
            if len(batch.ids) + len(more.ids) > COMMIT_ROWS_MAX:
                break
            if any(r.key_mac in macs for r in more.requests):
                break  # the engine is to see the first one committed before it meets the second
            octets += sum(map(len, more.payloads))
            if octets > PAYLOAD_OCTETS_MAX:
                break
            self._waiting.popleft()
            offset = len(batch.ids)
            for name in COLUMNS:
                getattr(batch, name).extend(getattr(more, name))
            if more.operators:
                batch.operators = {**batch.operators, **more.operators}
            for r in more.requests:
                macs.add(r.key_mac)
                batch.requests.append(IdempotentRequest(r.first + offset, r.count, r.key_mac, r.body_mac, r.answer))
            batch.accepted_ms = max(batch.accepted_ms, more.accepted_ms)
            futures.append(future)
            spans.append(len(more.requests))
        self._waiting_rows -= len(batch.ids)
        return batch, futures, spans

    async def _fly(self, batch: Batch, futures: list[asyncio.Future[Outcome]], spans: list[int]) -> None:
        try:
            outcomes = _outcomes(await self.send(batch), spans)
        except Error as e:
            for future in futures:
                if not future.done():
                    future.set_exception(Error(e.code, e.message, e.hint, **e.detail))
        except Exception as e:  # a mistake of ours: every request tells and logs it as such
            for future in futures:
                if not future.done():
                    future.set_exception(e)
        else:
            for future, outcome in zip(futures, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)
        finally:
            self.flights -= 1
            self._leave()


def _outcomes(reply: dict[str, Any], spans: list[int]) -> list[Outcome]:
    if not reply["replays"] and not reply["conflicts"]:
        return [None] * len(spans)
    by_request: dict[int, Outcome] = dict.fromkeys(reply["conflicts"], CONFLICT)
    by_request.update((n, (key_id, answer)) for n, key_id, answer in reply["replays"])
    out: list[Outcome] = []
    at = 0
    for span in spans:
        out.append(by_request.get(at) if span else None)
        at += span
    return out

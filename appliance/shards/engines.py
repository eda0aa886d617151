"""One way to ask all engines of a box: what belongs to a message goes to its owner, what concerns all goes to all, as one answer.

With one engine nothing is merged: it is asked, and what it says is the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

from appliance.errors import Error
from appliance.intercom import BlockingClient, Client
from appliance.limits import CALL_S_MAX, TRACE_READ_MAX
from appliance.message import Batch, shard_of
from appliance.settings import Settings

from . import merging

#: To the shard that owns the message `id`.
OF_A_MESSAGE: Final = frozenset({"cancel", "redact", "replace", "decide"})
#: To every shard; those that answer make the answer.
WHO_ANSWERS: Final = frozenset({"ping", "state", "trace_read"})
#: To every shard, and every one has to have done it. A shard without the link that is named has nothing to do.
OF_ALL: Final = frozenset({"drain", "trace", "left_alone", "routes_load"})
#: To the one that is named.
OF_A_SHARD: Final = frozenset({"seen"})
#: To the first that can.
OF_ONE: Final = frozenset({"link_test"})


class Caller(Protocol):
    """An engine, as far as it is asked."""

    async def call(self, op: str, payload: Any = None, timeout_s: float = ...) -> Any: ...


class BlockingCaller(Protocol):
    """The same for threads and commands."""

    def call(self, op: str, payload: Any = None, timeout_s: float = ...) -> Any: ...

    def close(self) -> None: ...


def asked(op: str, payload: Any, shards: int) -> list[int]:
    """Which shards a question goes to. Raises Error `not_found` for a message of a shard that is not there any more."""
    if op == "accept":
        ids = payload.ids if isinstance(payload, Batch) else []
        return [_there(shard_of(ids[0]) if ids else 0, shards)]
    if op in OF_A_SHARD:
        return [_there(payload["shard"], shards)]
    if op in OF_A_MESSAGE:
        named = payload.get("id") if isinstance(payload, dict) else None
        return [_there(shard_of(named) if isinstance(named, bytes) and len(named) == 16 else 0, shards)]
    return list(range(shards))


def _there(shard: int, shards: int) -> int:
    if shard >= shards:
        raise Error(
            "not_found",
            "the message belongs to an engine that this box no longer has",
            "it can be read, nothing more: set engine.shards to what it was",
        )
    return shard


def merged(op: str, payload: Any, said: dict[int, Any], lost: dict[int, Error]) -> Any:
    """One answer out of those of the shards. Raises what a shard raised where that decides."""
    if op in OF_ALL:
        here = {shard: e for shard, e in lost.items() if e.code != "not_found"}
        if here or not said:
            raise next(iter((here or lost).values()))
        return merging.acts(op, said)
    if not said:
        raise next(iter(lost.values()))
    if op == "ping":
        return merging.pings(said, lost)
    if op == "state":
        return merging.states(said, lost)
    assert op == "trace_read", op
    return merging.traced(said, payload.get("after", 0), payload.get("limit", TRACE_READ_MAX))


def _passed(op: str, payload: Any) -> Any:
    """What each shard is asked: PDUs are numbered by each for itself, so that all are asked from the first on."""
    return {**payload, "after": 0} if op == "trace_read" and isinstance(payload, dict) else payload


class Engines:
    """Every engine of a box, asked like one. Not for threads."""

    def __init__(self, clients: Sequence[Caller]) -> None:
        self.clients = clients

    async def call(self, op: str, payload: Any = None, timeout_s: float = CALL_S_MAX) -> Any:
        """The answer. Raises the Error of an engine, or `peer_unavailable`."""
        clients = self.clients
        if len(clients) == 1:
            return await clients[0].call(op, payload, timeout_s)
        where = asked(op, payload, len(clients))
        if len(where) == 1:
            return await clients[where[0]].call(op, payload, timeout_s)
        if op in OF_ONE:
            for shard in where:
                try:
                    return await clients[shard].call(op, payload, timeout_s)
                except Error as e:
                    if shard == where[-1] or e.code != "peer_unavailable":
                        raise
        said: dict[int, Any] = {}
        lost: dict[int, Error] = {}

        async def ask(shard: int) -> None:
            try:
                said[shard] = await clients[shard].call(op, _passed(op, payload), timeout_s)
            except Error as e:
                lost[shard] = e

        await asyncio.gather(*map(ask, where))
        return merged(op, payload, said, lost)

    def close(self) -> None:
        for client in self.clients:
            if isinstance(client, Client):
                client.close()


class BlockingEngines:
    """The same for threads and commands: one question at a time to each engine."""

    def __init__(self, clients: Sequence[BlockingCaller]) -> None:
        self.clients = clients

    def call(self, op: str, payload: Any = None, timeout_s: float = CALL_S_MAX) -> Any:
        """The answer. Raises the Error of an engine, or `peer_unavailable`."""
        clients = self.clients
        if len(clients) == 1:
            return clients[0].call(op, payload, timeout_s)
        where = asked(op, payload, len(clients))
        if len(where) == 1:
            return clients[where[0]].call(op, payload, timeout_s)
        if op in OF_ONE:
            for shard in where:
                try:
                    return clients[shard].call(op, payload, timeout_s)
                except Error as e:
                    if shard == where[-1] or e.code != "peer_unavailable":
                        raise
        said: dict[int, Any] = {}
        lost: dict[int, Error] = {}

        def ask(shard: int) -> None:
            try:
                said[shard] = clients[shard].call(op, _passed(op, payload), timeout_s)
            except Error as e:
                lost[shard] = e

        with ThreadPoolExecutor(len(where)) as pool:  # one that hangs costs one patience, not one for each after it
            list(pool.map(ask, where))
        return merged(op, payload, said, lost)

    def close(self) -> None:
        for client in self.clients:
            client.close()


def engines(settings: Settings) -> Engines:
    """The engines that the settings name."""
    return Engines([Client(settings.socket(name)) for name in settings.engines])


def blocking_engines(settings: Settings) -> BlockingEngines:
    """The same, blocking; and those that run although these settings do not name them: a command may not know the settings file."""
    run = settings.home / "run"
    names = list(settings.engines)
    while (run / f"engine-{len(names)}.sock").exists():
        names.append(f"engine-{len(names)}")
    return BlockingEngines([BlockingClient(settings.socket(name)) for name in names])

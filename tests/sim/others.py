"""The processes beside the engine, as far as it sees them: keys and their day, the auditor with its real journal, courier and door.

Each is a real intercom server on the simulated network. Courier and door count what they took by source and number, durably
in the instant they answer, and refuse what does not follow: exactly what the real ones do with repetitions.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from appliance.audit.auditor import call_of
from appliance.audit.journal import Journal
from appliance.errors import Error
from appliance.intercom import Peer, Server
from appliance.keys import DataKey, blind_index
from appliance.settings import Settings

INDEX_KEY: Final = b"x" * 32
KEY_ID_FIRST: Final = 7


class Keys:
    """A key a day, always the same ones: what is sealed can be opened after any crash."""

    def __init__(self, settings: Settings) -> None:
        self.path = settings.socket("keys")
        self.away = False
        self.days: dict[int, DataKey] = {}
        self.server = Server({"data_key": self._data_key, "index_key": self._index_key, "derive": self._derive})

    def of_day(self, day: int) -> DataKey:
        return self.days.setdefault(day, DataKey(day, day.to_bytes(4, "big") * 8))

    async def run(self) -> None:
        await self.server.start(self.path)

    async def _answer(self, payload: Any) -> Any:
        while self.away:  # an HSM that hangs
            await asyncio.sleep(0.2)
        return payload

    async def _data_key(self, payload: Any, peer: Peer) -> Any:
        key = self.of_day(payload["day"] if "day" in payload else payload["key_id"])
        return await self._answer({"key_id": key.key_id, "key": key.key_id.to_bytes(4, "big") * 8})

    async def _index_key(self, payload: Any, peer: Peer) -> Any:
        return await self._answer({"key": INDEX_KEY})

    async def _derive(self, payload: Any, peer: Peer) -> Any:
        return await self._answer({"key": b"d" * 32})


def index_of(number: str) -> bytes:
    return blind_index(INDEX_KEY, number)


class Auditor:
    """The journal of the audit log, on the same disk; entries are durable when they are answered."""

    def __init__(self, settings: Settings, heads: dict[int, bytes]) -> None:
        self.settings = settings
        self.away = False
        self.journal: Journal | None = None
        self.size = 0
        self.heads = heads  # size -> digest of all entries so far, of what was acknowledged: outside the box, and for all of its auditors

    async def run(self) -> None:
        self.journal = Journal(self.settings.home / "audit" / "audit.db")
        self.size = self.journal.size()
        await Server({"append": self._append}).start(self.settings.socket("auditor"))
        self._one = asyncio.Lock()

    async def _append(self, payload: Any, peer: Peer) -> dict[str, int]:
        if self.away:
            raise Error("overloaded", "the auditor is away")
        journal = self.journal
        assert journal is not None
        async with self._one:
            loop = asyncio.get_running_loop()
            (outcome,) = await loop.run_in_executor(None, journal.commit, self.size, [call_of(payload)])
            self.size = outcome.size
        if outcome.error is not None:
            raise outcome.error
        if outcome.gap is not None:
            raise AssertionError(f"the audit outbox {payload['source']} has a gap: {outcome.gap}")
        if outcome.size not in self.heads:
            last = max(self.heads, default=0)
            self.heads[outcome.size] = chained(self.heads.get(last, b""), journal.entries(last, outcome.size))
        return {"index": outcome.size - 1, "size": outcome.size}


def chained(before: bytes, entries: Iterable[bytes]) -> bytes:
    """A digest of entries in their order, and of those before them."""
    for entry in entries:
        before = hashlib.sha256(before + entry).digest()
    return before


class Taker:
    """The courier or the door: keeps the events it was given, each once."""

    def __init__(self, settings: Settings, name: str, ops: dict[str, str]) -> None:
        self.path: Path = settings.socket(name)
        self.name = name
        self.away = False
        self.ops = ops
        self.upto: dict[str, int] = {}
        self.events: list[tuple[Any, ...]] = []
        self.inbound: list[Any] = []
        self.gaps: list[str] = []

    async def run(self) -> None:
        def taking(op: str) -> Any:
            async def take(payload: Any, peer: Peer) -> dict[str, Any]:
                return self._take(op, payload)

            return take

        await Server({op: taking(op) for op in self.ops}).start(self.path)

    def _take(self, op: str, payload: Any) -> dict[str, Any]:
        if self.away:
            raise Error("store_full", f"{self.name} cannot write")
        rows = payload[self.ops[op]]
        source, first = payload["source"], payload["first"]
        upto = self.upto.get(source, 0)
        if first > upto + 1 and not source.endswith("/inbound"):
            self.gaps.append(f"{source}: {upto} is followed by {first}")
        new = rows[max(0, upto + 1 - first) :]
        self.upto[source] = max(upto, first + len(rows) - 1)
        for row in new:
            (self.inbound if op == "inbound" else self.events).append(tuple(row))
        return {}

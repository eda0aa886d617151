"""What other processes hold of the `keys` process: its answers, kept in memory. Nothing is tried again here: callers decide.

A key once fetched works on while the HSM is away; whether new work may be taken is what `healthy` tells. It also tells of keys
that are no good any more: who asks it every second seals nothing under a compromised key a second later, and holds no destroyed one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from appliance.errors import Error
from appliance.intercom import BlockingClient, Client
from appliance.limits import PROBE_S_MAX
from appliance.settings import Settings

from .datakey import DataKey
from .life import COMPROMISED, DESTROYED

WATCH_S: Final = 0.5  # between two looks for keys that are no good any more


class _Cache:
    """Answers by what was asked."""

    def __init__(self) -> None:
        self.days: dict[int, DataKey] = {}
        self.ids: dict[int, DataKey] = {}
        self.derived: dict[tuple[str, str], bytes] = {}
        self.index: bytes | None = None
        self.destroyed: set[int] = set()  # a page of an erased day asks once, not once a message
        self.epoch = 0

    def keep(self, reply: Any) -> DataKey:
        key = DataKey(reply["key_id"], reply["key"])
        return self.ids.setdefault(key.key_id, key)

    def check(self, key_id: int) -> None:
        """Raises Error `key_destroyed` for a key that was: no state leads out of that one."""
        if key_id in self.destroyed:
            raise Error("key_destroyed", f"key {key_id} was destroyed", "what it sealed was erased with it")

    def hear(self, epoch: int, states: list[tuple[int, str]]) -> None:
        """Which of the keys here were compromised or destroyed: none of them seals any more, a destroyed one opens nothing."""
        for key_id, state in states:
            if state not in (COMPROMISED, DESTROYED):
                continue
            key = self.ids.get(key_id)
            if key is not None:
                key.retired = True
            self.days = {day: kept for day, kept in self.days.items() if kept.key_id != key_id}
            if state == DESTROYED:
                self.ids.pop(key_id, None)
                self.destroyed.add(key_id)
        self.epoch = epoch

    @contextmanager
    def noting(self, key_id: int) -> Iterator[None]:
        try:
            yield
        except Error as e:
            if e.code == "key_destroyed":
                self.destroyed.add(key_id)
            raise

    def __repr__(self) -> str:
        return f"<{len(self.ids)} keys>"


class Keyring:
    """For event loops: `await ring.for_day(day)`. Every method raises what the `keys` process raises, or `peer_unavailable`."""

    def __init__(self, settings: Settings) -> None:
        self._client = Client(settings.socket("keys"))
        self._kept = _Cache()
        self._lock = asyncio.Lock()
        self.hsms: list[dict[str, Any]] = []  # how the HSMs were at the last `healthy`

    async def for_day(self, day: int) -> DataKey:
        """The key that seals on `day`; made when it is missing."""
        return self._kept.days.get(day) or await self._once(self._kept.days, day, lambda: self._fetch({"day": day}))

    async def by_id(self, key_id: int) -> DataKey:
        """The key that something was sealed under. Raises Error `key_destroyed`, or `key_missing` for one that never was."""
        found = self._kept.ids.get(key_id)
        if found is None:
            self._kept.check(key_id)
            with self._kept.noting(key_id):
                found = await self._once(self._kept.ids, key_id, lambda: self._fetch({"key_id": key_id}))
        return found

    async def successor(self, key_id: int) -> DataKey:
        """The data key in the place of a compromised one. Raises Error `key_state` for one that is not compromised."""
        return self._kept.keep(await self._client.call("data_key", {"key_id": key_id, "successor": True}))

    async def index_key(self) -> bytes:
        """Key of the blind index."""
        if self._kept.index is None:
            self._kept.index = (await self._client.call("index_key", {}))["key"]
        assert self._kept.index is not None
        return self._kept.index

    async def derive(self, purpose: str, subject: str) -> bytes:
        """A 32-octet key for one of the purposes of `appliance.keys.PURPOSES`; always the same for the same subject."""
        key: bytes = await self._once(self._kept.derived, (purpose, subject), lambda: self._derive(purpose, subject))
        return key

    async def random(self, octets: int) -> bytes:
        """So many octets of the HSM's random generator."""
        drawn: bytes = (await self._client.call("random", {"octets": octets}))["octets"]
        return drawn

    async def held(self) -> frozenset[int] | None:
        """Days under a legal hold, of which nothing may be erased; None when the keys process does not say."""
        said = await self.retention()
        return said[0] if said is not None else None

    async def retention(self) -> tuple[frozenset[int], int] | None:
        """The same, and the day that it certainly is: by it days are erased."""
        try:
            said = await self._client.call("held", {}, timeout_s=PROBE_S_MAX)
        except Error:
            return None
        return frozenset(said["days"]), int(said["today"])

    async def erasure(self, request: int) -> dict[str, Any]:
        """The erasure that a request of two persons allows. Raises Error `forbidden`."""
        reply: dict[str, Any] = await self._client.call("erasure", {"request": request})
        return reply

    async def healthy(self) -> tuple[bool, str]:
        """Whether keys can be made and unwrapped now, and why not."""
        try:
            reply = await self._client.call("ping", {}, timeout_s=PROBE_S_MAX)
            epoch = reply.get("epoch", 0)
            if epoch != self._kept.epoch:
                asked = {"key_ids": list(self._kept.ids)}
                self._kept.hear(epoch, (await self._client.call("states", asked, timeout_s=PROBE_S_MAX))["states"])
        except Error as e:
            self.hsms = []
            return False, str(e)
        self.hsms = reply.get("hsms", [])
        return reply["ready"], reply["why"]

    async def watch(self) -> None:
        """Asks `healthy` for ever: for processes that do not ask it themselves."""
        while True:
            await self.healthy()
            await asyncio.sleep(WATCH_S)

    def close(self) -> None:
        self._client.close()

    async def _fetch(self, payload: dict[str, int]) -> DataKey:
        return self._kept.keep(await self._client.call("data_key", payload))

    async def _derive(self, purpose: str, subject: str) -> bytes:
        key: bytes = (await self._client.call("derive", {"purpose": purpose, "subject": subject}))["key"]
        return key

    async def _once(self, kept: dict[Any, Any], name: Any, fetch: Callable[[], Awaitable[Any]]) -> Any:
        """Asks for what is not kept yet; many who want the same at the same time make one call."""
        async with self._lock:
            found = kept.get(name)
            if found is None:
                found = kept[name] = await fetch()
            return found

    def __repr__(self) -> str:
        return f"<Keyring {self._kept!r}>"


class BlockingKeyring:
    """The same for threads and commands."""

    def __init__(self, settings: Settings) -> None:
        self._client = BlockingClient(settings.socket("keys"))
        self._kept = _Cache()

    def for_day(self, day: int) -> DataKey:
        found = self._kept.days.get(day)
        if found is None:
            found = self._kept.days[day] = self._kept.keep(self._client.call("data_key", {"day": day}))
        return found

    def by_id(self, key_id: int) -> DataKey:
        found = self._kept.ids.get(key_id)
        if found is None:
            self._kept.check(key_id)
            with self._kept.noting(key_id):
                found = self._kept.keep(self._client.call("data_key", {"key_id": key_id}))
        return found

    def successor(self, key_id: int) -> DataKey:
        return self._kept.keep(self._client.call("data_key", {"key_id": key_id, "successor": True}))

    def index_key(self) -> bytes:
        if self._kept.index is None:
            self._kept.index = self._client.call("index_key", {})["key"]
        assert self._kept.index is not None
        return self._kept.index

    def index_of(self, number: str) -> bytes:
        """Blind index of one number: for commands, which have no business with its key."""
        index: bytes = self._client.call("blind_index", {"number": number})["index"]
        return index

    def derive(self, purpose: str, subject: str) -> bytes:
        found = self._kept.derived.get((purpose, subject))
        if found is None:
            reply = self._client.call("derive", {"purpose": purpose, "subject": subject})
            found = self._kept.derived[purpose, subject] = reply["key"]
        return found

    def healthy(self) -> tuple[bool, str]:
        try:
            reply = self._client.call("ping", {}, timeout_s=PROBE_S_MAX)
            epoch = reply.get("epoch", 0)
            if epoch != self._kept.epoch:
                asked = {"key_ids": list(self._kept.ids)}
                self._kept.hear(epoch, self._client.call("states", asked, timeout_s=PROBE_S_MAX)["states"])
        except Error as e:
            return False, str(e)
        return reply["ready"], reply["why"]

    def close(self) -> None:
        self._client.close()

    def __repr__(self) -> str:
        return f"<BlockingKeyring {self._kept!r}>"

"""What all endpoints of one gateway share: the day's keys, the way to the engine, rates, readers, and how well all of it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeVar

from appliance.access import ApiKey
from appliance.clock import DAY_MS, day_of, monotonic_s, now_ms
from appliance.errors import Error
from appliance.message import Batch
from appliance.router import RouteTable
from appliance.settings import Settings
from appliance.store import Reader

from .callbacks import CallbackRule
from .funnel import Funnel
from .intake import Key, Sealing
from .numbers import Numbers
from .rate import Rates

T = TypeVar("T")

POLL_S: Final = 0.5  # between two looks at the other processes
STATE_FRESH_S: Final = 0.1  # an engine's state so young is not asked for again
LOOK_S_MAX: Final = 2.0  # a process that takes longer to say how it is, is not well


class Ring(Protocol):
    """The part of `appliance.keys.Keyring` that a gateway uses."""

    async def for_day(self, day: int) -> Any: ...
    async def by_id(self, key_id: int) -> Any: ...
    async def index_key(self) -> bytes: ...
    async def derive(self, purpose: str, subject: str) -> bytes: ...
    async def healthy(self) -> tuple[bool, str]: ...


class Caller(Protocol):
    """The part of `appliance.intercom.Client` that a gateway uses."""

    async def call(self, op: str, payload: Any = None, timeout_s: float = ...) -> Any: ...


class Record(Protocol):
    """The part of `appliance.audit.Recorder` that a gateway uses."""

    async def record(self, who: str, what: str, on: str, outcome: str = ..., **detail: Any) -> Any: ...


class Gateway:
    """Made once per process; nothing in it outlives the process but what the engine made durable."""

    def __init__(
        self,
        settings: Settings,
        index: int,
        ring: Ring,
        engine: Caller,
        auditor: Caller,
        recorder: Record,
        blind_index: Callable[[bytes, str], bytes],
    ) -> None:
        self.settings = settings
        self.ring = ring
        self.engine = engine
        self.auditor = auditor
        self.recorder = recorder
        self.blind_index = blind_index
        self.funnel = Funnel(self._accept)
        self.rates = Rates(settings["limits.requests_per_s"], settings["api.gateways"])
        self.callbacks = CallbackRule(settings["webhook.hosts"], settings["webhook.allow_loopback"])
        self.routes = RouteTable((r.prefix, r.links) for r in settings.routes)
        self.numbers = Numbers(index)
        self.numbers.ready = lambda: {name: ok for name, (ok, _) in self.checks.items()}
        #: Process -> (ready, why not), as of the last look.
        self.checks: dict[str, tuple[bool, str]] = dict.fromkeys(
            ("keys", "engine", "auditor"), (False, "not asked yet")
        )
        self._sealing: Sealing | None = None
        self._state_at_s = -1.0
        # One thread with its own Reader for single messages, one for searches, so that a slow search holds up no status.
        self._lookups = ThreadPoolExecutor(1, "lookup")
        self._searches = ThreadPoolExecutor(1, "search")
        self._readers = {self._lookups: Reader(settings.store), self._searches: Reader(settings.store)}

    # --- sending ------------------------------------------------------------------------------------------

    def check_open(self) -> None:
        """Raises `hsm_unavailable` or `engine_unavailable` when the last look said that nothing can be accepted."""
        ok, why = self.checks["keys"]
        if not ok:
            raise Error("hsm_unavailable", "new messages cannot be sealed now", _why(why))
        ok, why = self.checks["engine"]
        if not ok:
            raise Error("engine_unavailable", "new messages cannot be made durable now", _why(why))

    def charge(self, caller: ApiKey, messages: int) -> None:
        """Raises Error `rate_limited`; 0 messages only asks."""
        wait_s = self.rates.take(caller.id, caller.rate_per_s, messages, monotonic_s())
        if wait_s:
            raise Error(
                "rate_limited",
                "this API key sends faster than it may",
                f"send again after {wait_s} s",
                retry_after_s=wait_s,
            )

    async def sealing(self, at_ms: int) -> Sealing:
        """Keys of the day of `at_ms`; asks the keys process once a day."""
        day = day_of(at_ms)
        sealing = self._sealing
        if sealing is None or sealing.day != day:
            try:
                key: Key = await self.ring.for_day(day)
                index_key = await self.ring.index_key()
                requests_key = await self.ring.derive("idempotency", "")
            except Error as e:
                raise Error("hsm_unavailable", "new messages cannot be sealed now", _why(e.code)) from None
            blind = self.blind_index
            sealing = Sealing(day, key, lambda number: blind(index_key, number), requests_key)
            if self._sealing is None or self._sealing.day < day:
                self._sealing = sealing
        return sealing

    async def sealing_now(self) -> Sealing:
        return await self.sealing(now_ms())

    async def _accept(self, batch: Batch) -> dict[str, Any]:
        reply: dict[str, Any] = await self.engine.call("accept", batch)
        return reply

    # --- reading ------------------------------------------------------------------------------------------

    async def look_up(self, do: Callable[[Reader], T]) -> T:
        return await self._in(self._lookups, do)

    async def search(self, do: Callable[[Reader], T]) -> T:
        return await self._in(self._searches, do)

    async def _in(self, pool: ThreadPoolExecutor, do: Callable[[Reader], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, do, self._readers[pool])

    # --- how the others are -------------------------------------------------------------------------------

    async def look(self) -> None:
        """One look at the other processes. Never raises."""
        await asyncio.gather(
            self._look("keys", self.ring.healthy),
            self._look("engine", lambda: _pinged(self.engine)),
            self._look("auditor", lambda: _pinged(self.auditor)),
        )
        if self.checks["keys"][0]:
            try:
                await self.sealing_now()
            except Error as e:
                self.checks["keys"] = (False, e.hint or e.code)

    async def _look(self, name: str, ask: Callable[[], Awaitable[tuple[bool, str]]]) -> None:
        try:
            async with asyncio.timeout(LOOK_S_MAX):
                self.checks[name] = await ask()
        except TimeoutError:
            self.checks[name] = (False, "it does not answer in time")
        except Error as e:
            self.checks[name] = (False, e.message)
        except (OSError, ValueError, KeyError, TypeError):
            self.checks[name] = (False, "its answer makes no sense")

    async def keep_looking(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(POLL_S)

    async def engine_state(self) -> dict[str, Any]:
        """The engine's `state`, a tenth of a second old at most. Raises Error `engine_unavailable`."""
        now_s = monotonic_s()
        if self.numbers.engine is None or now_s - self._state_at_s > STATE_FRESH_S:
            try:
                self.numbers.engine = await self.engine.call("state", {}, timeout_s=LOOK_S_MAX)
                self._state_at_s = monotonic_s()
            except Error:
                self.numbers.engine = None
                raise Error("engine_unavailable", "the engine does not answer", "try again in a moment") from None
        return self.numbers.engine

    def close(self) -> None:
        for pool, reader in self._readers.items():
            pool.submit(reader.close)
            pool.shutdown(wait=True)


async def _pinged(client: Caller) -> tuple[bool, str]:
    reply = await client.call("ping", {}, timeout_s=LOOK_S_MAX)
    return bool(reply["ready"]), str(reply.get("why", ""))


def _why(why: str) -> str:
    return f"{why or 'it is not ready'}; try again in a moment"


assert POLL_S < LOOK_S_MAX < DAY_MS

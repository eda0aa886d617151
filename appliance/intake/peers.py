"""How the processes are that a face needs before it may accept anything: keys, engine, auditor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from appliance.clock import DAY_MS, day_of, monotonic_s, now_ms
from appliance.errors import Error

from .sealing import Seals

POLL_S: Final = 0.5  # between two looks at the other processes
LOOK_S_MAX: Final = 2.0  # a process that takes longer to say how it is, is not well


class Caller(Protocol):
    """The part of `appliance.intercom.Client` that a face uses."""

    async def call(self, op: str, payload: Any = None, timeout_s: float = ...) -> Any: ...


class Peers:
    """`checks`: process -> (ready, why not), as of the last look.

    While the HSM is away `keys` stays ready for `grace_s` seconds: today's key is in this process's memory already, and was on the
    record when it was handed out. A new day, or a process that starts meanwhile, needs the HSM.
    """

    def __init__(
        self,
        seals: Seals,
        engine: Caller,
        auditor: Caller,
        grace_s: float = 0.0,
        clock: Callable[[], float] = monotonic_s,
        wall: Callable[[], int] = now_ms,
    ) -> None:
        self.seals = seals
        self.engine = engine
        self.auditor = auditor
        self.grace_s = grace_s
        self.clock = clock
        self.wall = wall
        self.well_s: float | None = None  # when the keys were last seen to be well
        self.hsm_well = False  # the truth about the HSM, also while messages go on without it
        self.checks: dict[str, tuple[bool, str]] = dict.fromkeys(
            ("keys", "engine", "auditor"), (False, "not asked yet")
        )
        #: Of several engines which are well, by shard; empty for one.
        self.engines: dict[int, tuple[bool, str]] = {}

    def check_open(self) -> None:
        """Raises `hsm_unavailable` or `engine_unavailable` when the last look said that nothing can be accepted."""
        ok, why = self.checks["keys"]
        if not ok:
            raise Error("hsm_unavailable", "new messages cannot be sealed now", _why(why))
        ok, why = self.checks["engine"]
        if not ok:
            raise Error("engine_unavailable", "new messages cannot be made durable now", _why(why))

    def not_ready(self) -> str:
        """What is missing, as a `ping` tells it; empty when nothing is."""
        return "; ".join(f"{name}: {why}" for name, (ok, why) in self.checks.items() if not ok)

    async def look(self) -> None:
        """One look at the other processes. Never raises. Each check is written once, when all that it rests on is known:
        requests are judged by `checks` while the others are still asked."""
        await asyncio.gather(
            self._look_at_keys(),
            self._look("engine", self._engine_pinged),
            self._look("auditor", lambda: _pinged(self.auditor)),
        )

    async def _look_at_keys(self) -> None:
        well, why = await _asked(self.seals.ring.healthy)
        if well:
            try:
                await self.seals.at(self.wall())
                self.well_s = self.clock()
            except Error as e:
                well, why = False, e.hint or e.code
        self.hsm_well = well
        self.checks["keys"] = (well, why) if well else self._graced(why)

    def _graced(self, why: str) -> tuple[bool, str]:
        """Whether messages go on without the HSM, and why; `why` is what it said."""
        held = self.seals.newest
        if self.well_s is None or held is None or held.day != day_of(self.wall()) or held.key.retired:
            return False, why
        left_s = self.well_s + self.grace_s - self.clock()
        return (True, f"the HSM is away, the key in memory serves on: {why}") if left_s > 0 else (False, why)

    async def _look(self, name: str, ask: Callable[[], Awaitable[tuple[bool, str]]]) -> None:
        self.checks[name] = await _asked(ask)

    async def _engine_pinged(self) -> tuple[bool, str]:
        """Well when one engine is: what another could not take goes to it."""
        try:
            reply = await self.engine.call("ping", {}, timeout_s=LOOK_S_MAX)
        except Error:
            self.engines = dict.fromkeys(self.engines, (False, "does not answer"))
            raise
        self.engines = {row["shard"]: (bool(row["ready"]), str(row["why"])) for row in reply.get("shards", ())}
        return bool(reply["ready"]), str(reply.get("why", ""))

    async def keep_looking(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(POLL_S)


async def _asked(ask: Callable[[], Awaitable[tuple[bool, str]]]) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(LOOK_S_MAX):
            return await ask()
    except TimeoutError:
        return False, "it does not answer in time"
    except Error as e:
        return False, e.message
    except (OSError, ValueError, KeyError, TypeError):
        return False, "its answer makes no sense"


async def _pinged(client: Caller) -> tuple[bool, str]:
    reply = await client.call("ping", {}, timeout_s=LOOK_S_MAX)
    return bool(reply["ready"]), str(reply.get("why", ""))


def _why(why: str) -> str:
    return f"{why or 'it is not ready'}; try again in a moment"


assert POLL_S < LOOK_S_MAX < DAY_MS

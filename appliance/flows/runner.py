"""The runner: turn after turn over `flows.db`, and what each step wants done outside, handed on and its outcome heard.

One process runs it. Its clock begins at the wall's and goes on evenly: one that is set while it runs moves no timer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Protocol

import msgspec

from appliance.errors import Error
from appliance.limits import FLOW_EFFECTS_AT_ONCE, FLOW_LOOK_S

from .book import Row
from .definition import Send, Verify, Webhook
from .orders import Hands, Order, refused
from .sealed import Key, opened
from .states import Heard
from .turn import Code, Given, Outcome, Turned, Turning
from .watch import FlowWatch
from .ways import laid

log = logging.getLogger(__name__)

RETRY_S: Final = 1.0
KEYS_MAX: Final = 64  # days whose keys are held
SWEEP_S: Final = 60.0
_GONE: Final = frozenset({"key_destroyed", "key_missing", "key_refused", "not_found"})


class Ring(Protocol):
    """What the runner needs of the keyring."""

    async def by_id(self, key_id: int) -> Any: ...


class Codes(Protocol):
    """Verifications of runs that are over: looked for, and settled when the run knows."""

    async def ended(self) -> list[Code]: ...
    async def settle(self, tokens: list[bytes]) -> None: ...


class Runner:
    """`keep_running` until it is cancelled."""

    def __init__(
        self,
        watch: FlowWatch,
        ring: Ring,
        hands: Hands,
        codes: Codes,
        index: Callable[[], Awaitable[Callable[[str], bytes]]],
        now_ms: Callable[[], int],
        steady_s: Callable[[], float],
        stop_words: Iterable[str] = (),
    ) -> None:
        self.watch, self.ring, self.hands, self.codes, self.index = watch, ring, hands, codes, index
        self._began_ms, self._began_s, self._steady_s = now_ms(), steady_s(), steady_s
        self.turning = Turning(stop_words)
        self.keys: dict[int, Key | None] = {}
        self.outcomes: list[Outcome] = []
        self.under_way: dict[bytes, asyncio.Task[None]] = {}
        self._not_before: dict[bytes, float] = {}
        self.steps = 0
        self.wake = asyncio.Event()
        self._swept_s = self._began_s

    def now_ms(self) -> int:
        return self._began_ms + int((self._steady_s() - self._began_s) * 1000)

    async def keep_running(self) -> None:
        await self.watch.do(lambda book: book.clock_set(self._began_ms))
        try:
            while True:
                self.wake.clear()
                more = False
                try:
                    more = await self.turn()
                except Error as e:
                    log.warning("workflows wait: %s", e.code)
                    await asyncio.sleep(RETRY_S)
                if not more and not self.outcomes:
                    try:
                        async with asyncio.timeout(FLOW_LOOK_S):
                            await self.wake.wait()
                    except TimeoutError:
                        pass
        finally:
            tasks = list(self.under_way.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def turn(self) -> bool:
        """One turn, and what it wants done is begun; whether there is more to do at once."""
        index, codes = await self.index(), await self.codes.ended()
        outcomes, self.outcomes = self.outcomes, []
        given = Given(self.now_ms(), self.keys, index, outcomes, codes)
        try:
            turned: Turned = await self.watch.do(lambda book: self.turning.turn(book, given))
        except BaseException:
            self.outcomes = outcomes + self.outcomes
            raise
        self.outcomes = turned.again + self.outcomes
        self.steps += turned.steps
        if turned.codes:
            await self.codes.settle(turned.codes)
        for outcome in outcomes:
            if outcome not in turned.again:
                self.under_way.pop(outcome.run, None)
        await self._fetch(turned.missing)
        if self._steady_s() - self._swept_s >= SWEEP_S:
            self._swept_s = self._steady_s()
            await self.watch.do(lambda book: book.act(lambda b: b.sweep(self.now_ms())))
        begun = await self._begin()
        return turned.more or bool(turned.missing) or begun

    async def _fetch(self, missing: set[int]) -> None:
        for key_id in missing:
            try:
                self.keys[key_id] = await self.ring.by_id(key_id)
            except Error as e:
                if e.code not in _GONE:
                    raise
                self.keys[key_id] = None
            while len(self.keys) > KEYS_MAX:
                self.keys.pop(next(iter(self.keys)))

    async def _begin(self) -> bool:
        """Begins what is to be done outside, as far as there are places; whether something was begun."""
        places = FLOW_EFFECTS_AT_ONCE - len(self.under_way)
        if places <= 0:
            return False
        limit = places + len(self.under_way) + len(self._not_before)
        rows = await self.watch.do(lambda book: book.undone(limit))
        now_s, begun = self._steady_s(), False
        self._not_before = {run: at_s for run, at_s in self._not_before.items() if at_s > now_s}
        for row in rows:
            if row.id in self.under_way or row.id in self._not_before:
                continue
            order = await self._order(row)
            if order is None:
                continue
            task = asyncio.ensure_future(self._do(order))
            self.under_way[row.id] = task
            begun = True
            if len(self.under_way) >= FLOW_EFFECTS_AT_ONCE:
                break
        return begun

    async def _order(self, row: Row) -> Order | None:
        await self._fetch({row.key_id} - self.keys.keys())
        key = self.keys[row.key_id]
        try:
            if key is None:
                raise Error("key_destroyed", "the key of the run's day was destroyed")
            kept = opened(key, row.id, row.sealed)
            flow = await self.watch.do(lambda book: self.turning.definitions.of(book, row.workflow, row.version))
            flow = laid(flow, kept.ways)
        except (Error, msgspec.MsgspecError):
            at_ms = self.now_ms()
            await self.watch.do(lambda book: book.act(lambda b: b.cancel(row, at_ms, "erased", "key gone")))
            return None
        state = flow.states[row.machine.state]
        assert isinstance(state, Send | Verify | Webhook)
        return Order(row, flow, kept, state)

    async def _do(self, order: Order) -> None:
        run = order.row.id
        try:
            heard: Heard | None
            if isinstance(order.state, Webhook):
                await self.hands.webhook(order)
                heard = None
            elif isinstance(order.state, Send):
                heard = await self.hands.send(order)
            else:
                heard = await self.hands.verify(order)
        except Error as e:
            heard = refused(order, e, self.now_ms())
            if heard is None:
                log.warning("a step of workflow %s is tried again: %s", order.flow.name, e.code)
                self._again(run)
                return
        except Exception as e:  # our own mistake must not stop the others; its words may hold a number
            log.error("a step of workflow %s broke: %s", order.flow.name, type(e).__name__)
            self._again(run)
            return
        self.outcomes.append(Outcome(run, order.step, heard))
        self.wake.set()

    def _again(self, run: bytes) -> None:
        self._not_before[run] = self._steady_s() + RETRY_S
        self.under_way.pop(run, None)

"""The keeper of the hierarchy: root in the HSM, a tenant key a year, a data key a day; made, opened, moved through their states, destroyed.

Everything it changes is one transaction with its audit entry, so that a key use that cannot be on the record does not happen. Unwrapped
keys live in this object's memory, each unwrapped once.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Any, Final

from appliance.audit import entry
from appliance.clock import day_name, day_of, now_ms
from appliance.errors import Error
from appliance.limits import KEY_DAYS_SKEW_MAX
from hsm import Pair, Pool

from . import life
from .record import UNDER_TENANT, context, may_make, sealed_text, unwrap, wrap
from .register import FORM, Register, Row

WHO: Final = "process:keys"
KEY_OCTETS: Final = 32


class Keeper:
    """`recorded` is set when the outbox has something new."""

    def __init__(self, register: Register, pool: Pool | Pair, clock: Callable[[], int] = now_ms) -> None:
        self.register = register
        self.pool = pool
        self.clock = clock
        self.recorded = asyncio.Event()
        self._keys: dict[int, bytes] = {}
        self._unscrubbed = (
            True  # a reader stood in the way of emptying the log, perhaps before the last start: tried at each turn
        )
        self._making = asyncio.Lock()
        self.lock = asyncio.Lock()  # what time does and what people do never meet

    def forget(self) -> None:
        """Drops what was unwrapped: the token is sealed."""
        self._keys.clear()

    @property
    def root(self) -> int:
        """Version of the root that wraps what is made now."""
        return max(v for v, state in self.register.roots().items() if state == life.ACTIVE)

    def roots(self) -> list[int]:
        """Versions that the token has to hold, the one in use last."""
        current = self.root
        kept = (life.ACTIVE, life.DEACTIVATED, life.COMPROMISED)
        return [v for v, s in self.register.roots().items() if s in kept and v != current] + [current]

    # --- keys ---------------------------------------------------------------------------------------------

    async def for_day(self, day: int) -> Row:
        """The record of the day's key that may seal, made when there is none. Two who ask at once get the same."""
        row = self.register.by_day(day, life.DAILY)
        if row is None:
            async with self._making:
                row = self.register.by_day(day, life.DAILY) or await self._make_daily(day)
        if row.state not in life.SEALS:
            raise Error(
                "key_missing",
                f"the key of {day_name(day)} is {row.state}: it opens what it sealed, and seals nothing new",
                "check the clocks",
            )
        return row

    async def successor(self, row: Row) -> Row:
        """The data key in the place of a compromised one, made whatever day it is of: what that one sealed is sealed anew under it.

        Raises Error `key_state` for a key that is not compromised.
        """
        if row.state != life.COMPROMISED or row.purpose != life.DAILY:
            raise Error("key_state", f"key {row.key_id} is no compromised data key", "see `casemate keys list`")
        async with self._making:
            tenant = await self._tenant(life.year_of(row.day))
            return self.register.by_day(row.day, life.DAILY) or await self._make(row.day, life.DAILY, tenant)

    async def opened(self, row: Row) -> bytes:
        """The key itself. Raises Error `key_destroyed` for a destroyed one, `key_refused` when its record was changed."""
        if row.state not in life.OPENS:
            raise Error("key_destroyed", f"key {row.key_id} was destroyed", "what it sealed was erased with it")
        key = self._keys.get(row.key_id)
        if key is None:
            await self.check(row)
            key = self._keys[row.key_id] = await self._unwrapped(row)
        return key

    async def check(self, row: Row) -> None:
        """Raises Error `key_refused` when the record is not as the HSM signed it."""
        if not hmac.compare_digest(await self.pool.mac(sealed_text(row)), row.record_mac):
            raise Error(
                "key_refused", f"the record of key {row.key_id} was changed", "restore the key store from a backup"
            )

    async def _unwrapped(self, row: Row) -> bytes:
        bound = context(row.key_id, row.day, row.purpose)
        if not row.parent:
            return await self.pool.unwrap(row.mechanism, row.wrapped, bound, row.root)
        parent = self.register.by_id(row.parent)
        if parent is None:
            raise Error(
                "key_missing", f"there is no key {row.parent}, which wraps key {row.key_id}", "was it restored?"
            )
        return unwrap(await self.opened(parent), row.wrapped, bound)

    async def _make_daily(self, day: int) -> Row:
        now = self.clock()
        if not may_make(day, now, KEY_DAYS_SKEW_MAX):
            raise Error(
                "key_missing",
                f"there is no key for {_named(day)}, and none is made so far from today",
                "check the clocks",
            )
        tenant = await self._tenant(life.year_of(day))
        return await self._make(day, life.DAILY, tenant)

    async def _tenant(self, year: int) -> Row:
        return self.register.by_day(year, life.YEARLY) or await self._make(year, life.YEARLY, None)

    async def _make(self, day: int, purpose: str, parent: Row | None) -> Row:
        now = self.clock()
        key_id = self.register.next_id()
        key = await self.pool.random(KEY_OCTETS)
        state = life.ACTIVE if now >= life.period(purpose, day).from_ms else life.PRE_ACTIVE
        row = Row(key_id, day, purpose, 0, self.root, "", b"", b"", state, now, now)
        row = await self.sealed(await self._under(row, key, parent))
        made = entry(
            now, WHO, "key.created", f"key:{key_id}", day=day_name(day), purpose=purpose, mechanism=row.mechanism
        )
        self.register.add(row, [made])
        self.recorded.set()
        self._keys[key_id] = key
        return row

    async def _under(self, row: Row, key: bytes, parent: Row | None, root: int | None = None) -> Row:
        """The record with `key` wrapped anew, under `parent` or a root, and unwrapped again to be sure."""
        bound = context(row.key_id, row.day, row.purpose)
        if parent is not None:
            wrapped = wrap(await self.opened(parent), key, bound)
            row = row._replace(parent=parent.key_id, root=0, mechanism=UNDER_TENANT, wrapped=wrapped)
        else:
            version = self.root if root is None else root
            mechanism, wrapped = await self.pool.wrap(key, bound, version)
            row = row._replace(parent=0, root=version, mechanism=mechanism, wrapped=wrapped)
        if not hmac.compare_digest(await self._unwrapped(row), key):
            raise Error("key_refused", "another key was unwrapped than was wrapped", "have the HSM looked at")
        return row

    async def sealed(self, row: Row) -> Row:
        """The record with its HMAC made in the token."""
        row = row._replace(form=FORM)
        return row._replace(record_mac=await self.pool.mac(sealed_text(row)))

    # --- what time does -----------------------------------------------------------------------------------

    async def turn(self, keep_days: int, today: int | None = None) -> int:
        """Moves every key whose date has come, takes over records of the first form, destroys what is past retention. How many.

        `today`: the day by which keys are destroyed, when the wall clock is not believed.
        """
        async with self.lock:
            return await self._turn(keep_days, today)

    async def _turn(self, keep_days: int, today: int | None) -> int:
        if self._unscrubbed:
            self._unscrubbed = not self.register.scrub()
        now, held, done = self.clock(), self.register.held(), 0
        today = min(day_of(now), today) if today is not None else day_of(now)
        for row in self.register.rows():
            if row.form < FORM and row.state != life.DESTROYED:
                row = await self._taken_over(row, now)
                done += 1
            while (heard := life.due(row.state, row.purpose, row.day, now)) is not None:
                row = await self.heard(row, heard, now, "key.state_changed")
                done += 1
            lives = row.purpose == life.DAILY and row.state != life.DESTROYED
            if lives and life.erasable(row.day, today, keep_days, held):
                await self.destroy(row, WHO, "retention")
                done += 1
        return done

    async def _taken_over(self, row: Row, now: int) -> Row:
        """A record from before there were tenant keys, put under its year's key. Its number, day and key stay the same."""
        key = await self.opened(row)
        moved = await self._under(row._replace(changed_ms=now), key, await self._tenant(life.year_of(row.day)))
        return await self._store(moved, now, "key.rewrapped", WHO, under=f"key {moved.parent}")

    async def rewrapped(self, row: Row, who: str) -> Row:
        """A data key under its year's key of today, because the one it is under is compromised. The data key stays the same."""
        key = await self.opened(row)
        moved = await self._under(row._replace(changed_ms=self.clock()), key, await self._tenant(life.year_of(row.day)))
        return await self._store(moved, moved.changed_ms, "key.rewrapped", who, under=f"key {moved.parent}")

    async def heard(self, row: Row, heard: str, now: int, what: str, who: str = WHO, **detail: Any) -> Row:
        state = life.TABLE[row.state, heard]
        return await self._store(row._replace(state=state, changed_ms=now), now, what, who, state=state, **detail)

    async def _store(self, row: Row, now: int, what: str, who: str, **detail: str | int | bool) -> Row:
        row = await self.sealed(row)
        made = entry(now, who, what, f"key:{row.key_id}", "ok", day=day_name(row.day), **detail)
        self.register.change([row], [made])
        self.recorded.set()
        return row

    # --- acts ---------------------------------------------------------------------------------------------

    async def destroy(self, row: Row, who: str, reason: str) -> Row:
        """Destroys a key for ever: its wrapped octets leave the store, and nothing it sealed can be read in any copy.

        Raises Error `key_state` when it is destroyed already, wraps keys that are not, or a legal hold covers its day.
        """
        if row.state == life.DESTROYED:
            raise Error("key_state", f"key {row.key_id} is destroyed already")
        children = [r for r in self.register.rows() if r.parent == row.key_id and r.state != life.DESTROYED]
        if children:
            raise Error("key_state", f"key {row.key_id} still wraps {len(children)} keys", "destroy those first")
        if row.purpose == life.DAILY and row.day in self.register.held():
            raise Error("key_state", f"{day_name(row.day)} is under a legal hold", "it has to be lifted first")
        gone = row._replace(wrapped=b"")
        gone = await self.heard(gone, life.DESTROY, self.clock(), "key.destroyed", who, reason=reason)
        self._keys.pop(row.key_id, None)
        self._unscrubbed = not self.register.scrub()
        return gone


def _named(day: int) -> str:
    try:
        return day_name(day)
    except (ValueError, OverflowError, OSError):
        return f"day {day}"

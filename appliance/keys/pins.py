"""The PIN of each token changed: typed by a person who knows the old one, or made anew where a file holds it. Not the custodians': their shares seal it.

With two HSMs and one PIN for both the second follows the first, and the first gets its old one back when the second does not take it.
"""

from __future__ import annotations

import contextlib
from typing import Final

from appliance.errors import Error
from appliance.limits import PIN_CHARACTERS_MAX
from hsm import FIRST, SECOND, HsmError, Pair, Pool, change_filed, change_typed

from .gate import BY_CUSTODIANS, BY_PIN, EMPTY, OPEN, WHY, Gate

PIN_CHARACTERS_MIN: Final = 6  # what smartcards take; an HSM's own policy may ask for more


class Pins:
    """Under the gate's lock: nothing is opened or sealed meanwhile. Messages flow: workers that are logged in stay so."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def _pools(self) -> dict[str, Pool]:
        pool = self.gate.pool
        return dict(pool.pools) if isinstance(pool, Pair) else {FIRST: pool}

    async def change(self, who: str, old: str, new: str, once_more: bool = False) -> list[str]:
        """Which HSMs have another PIN now. On the record before and after. Raises Error, HsmError."""
        gate = self.gate
        async with gate.lock:
            if gate.state == EMPTY:
                raise WHY[EMPTY]
            if gate.opened_by == BY_CUSTODIANS:
                raise Error(
                    "forbidden",
                    "the custodians' shares seal the PIN: it is not changed on a box in use",
                    "`casemate ceremony run replace-custodian` makes new shares",
                )
            pools = self._pools()
            filed = [n for n, pool in pools.items() if gate.opened_by == BY_PIN or (n == SECOND and pool.has_pin())]
            typed = [n for n in pools if n not in filed]
            self._checked(typed, old, new)
            gate.note("hsm.pin_change_begun", "token:hsm", by=who)
            try:
                if typed:
                    await self._typed([pools[n] for n in typed], old, new, once_more)
                for name in filed:
                    await change_filed(pools[name].place)
            except (Error, HsmError) as e:
                gate.note(
                    "hsm.pin_changed",
                    "token:hsm",
                    "refused" if e.code in ("pin_invalid", "invalid") else "failed",
                    by=who,
                    code=e.code,
                )
                raise
            gate.note("hsm.pin_changed", "token:hsm", by=who)
            return [*typed, *filed]

    @staticmethod
    def _checked(typed: list[str], old: str, new: str) -> None:
        if not typed and (old or new):
            raise Error(
                "key_state", "the PIN is in a file, nobody types it", "`casemate keys pin` makes another by itself"
            )
        if typed and not (0 < len(old) <= PIN_CHARACTERS_MAX and PIN_CHARACTERS_MIN <= len(new) <= PIN_CHARACTERS_MAX):
            raise Error(
                "invalid",
                f"a new PIN has {PIN_CHARACTERS_MIN} to {PIN_CHARACTERS_MAX} characters",
                "the old one as it is",
            )
        if typed and old == new:
            raise Error("invalid", "the new PIN is the old one", "choose another")

    async def _typed(self, pools: list[Pool], old: str, new: str, once_more: bool) -> None:
        """A wrong old one is counted like any other, before the token is asked."""
        tries = self.gate.tries
        tries.begin(once_more)
        done: list[Pool] = []
        try:
            for pool in pools:
                await change_typed(pool.place, old, new)
                done.append(pool)
        except HsmError as e:
            for pool in done:
                with contextlib.suppress(HsmError):
                    await change_typed(pool.place, new, old)
            if e.code != "pin_invalid" or done:
                tries.take_back()
            raise
        tries.clear()
        if self.gate.state == OPEN:
            for pool in pools:
                pool.bring(new)

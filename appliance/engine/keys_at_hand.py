"""Today's data key and the key of the blind index, at hand for what customers write; and the look for keys that are no good any more."""

from __future__ import annotations

import asyncio
from typing import Final

from appliance import clock
from appliance.errors import Error
from appliance.keys import Keyring

from .inbound import Inbound

EACH_S: Final = 1.0


class KeysAtHand:
    """One engine's. A beat asks `fetch` and waits for the keys process a second at most, and only when a key is missing."""

    def __init__(self, keyring: Keyring, inbound: Inbound) -> None:
        self.keyring = keyring
        self.inbound = inbound
        self._asked_s, self._day = 0.0, 0
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look for compromised and destroyed keys, beside the beats."""
        self._watch = asyncio.get_running_loop().create_task(self.keyring.watch())

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    async def fetch(self, now_s: float, now_ms: int) -> None:
        """Keeps the keys of today at hand; quietly tries again while the HSM is away. A compromised key is put down at once."""
        day = clock.day_of(now_ms)
        keys = self.inbound.keys
        if keys is not None and keys[0].retired:
            self.inbound.keys, self._day = None, 0
        if self._day == day or now_s - self._asked_s < EACH_S:
            return
        self._asked_s = now_s
        try:
            async with asyncio.timeout(1.0):
                self.inbound.keys = (await self.keyring.for_day(day), await self.keyring.index_key())
            self._day = day
        except (Error, TimeoutError):
            self.inbound.keys = None

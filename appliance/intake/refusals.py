"""What happens as often as a stranger likes, on the record: once a minute an address, and never what was presented."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from appliance.clock import monotonic_s
from appliance.errors import Error

log = logging.getLogger(__name__)

EVERY_S: Final = 60.0
ADDRESSES_MAX: Final = 1_000  # remembered; a flood from more of them is on the record as one


class Record(Protocol):
    """The part of `appliance.audit.Recorder` that is used."""

    async def record(self, who: str, what: str, on: str, outcome: str = ..., **detail: str | int | bool) -> object: ...


class Pauses:
    """Which addresses are due. Pure: the time is passed in."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def refused(self, address: str, now_s: float) -> int:
        """0: say nothing now. Else how many refusals there were since the last time it was said."""
        if address not in self._until and len(self._until) >= ADDRESSES_MAX:
            self._until = {a: until for a, until in self._until.items() if until > now_s}
            self._untold = {a: n for a, n in self._untold.items() if a in self._until}
            if len(self._until) >= ADDRESSES_MAX:
                address = "many"
        count = self._untold.get(address, 0) + 1
        if now_s < self._until.get(address, 0.0):
            self._untold[address] = count
            return 0
        self._until[address] = now_s + EVERY_S
        self._untold.pop(address, None)
        return count


class Refusals:
    """Says them to the audit log beside the answer, which does not wait: nothing privileged happened."""

    def __init__(self, recorder: Record, who: str, what: str, outcome: str = "refused") -> None:
        self._recorder = recorder
        self._who, self._what, self._outcome = who, what, outcome
        self._pauses = Pauses()
        self._under_way: set[asyncio.Task[None]] = set()

    def note(self, address: str, on: str = "") -> None:
        """`address` as `appliance.access.address_of` counts it; `on` what it is about, when that is not the address."""
        count = self._pauses.refused(f"{on} {address}" if on else address, monotonic_s())
        if count:
            detail: dict[str, str | int | bool] = {"address": address} if on else {}
            task = asyncio.get_running_loop().create_task(
                self._say(on or f"address:{address}", {**detail, "attempts": count})
            )
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _say(self, on: str, detail: dict[str, str | int | bool]) -> None:
        try:
            await self._recorder.record(self._who, self._what, on, self._outcome, **detail)
        except Error as e:
            log.warning("%s is not on record: %s", self._what, e.code)

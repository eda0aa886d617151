"""HOT: what ENUM says of the numbers of a request, learned before their routes are chosen; one call a request, none where it is known.

The courier asks the name servers; a face waits for it no longer than the row of the settings says, and what is not known by then
goes by the books of ported numbers and the number plan. Without [[enum]] rows none of this is ever made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Protocol

from appliance.errors import Error
from appliance.limits import BATCH_MESSAGES_MAX, ENUM_NUMBERS_MAX
from appliance.numbering import normalise
from appliance.settings import Enum

from .peers import Caller

CALL_S: Final = 0.2  # beyond the wait itself: to the courier and back
AGAIN_S: Final = 1.0  # what the courier could not say in time is not asked again sooner


class Learned(Protocol):
    """The part of `appliance.router.Learned` that is used here: codes by number, bounded."""

    @property
    def codes(self) -> dict[str, str]: ...

    def put(self, number: str, code: str | None) -> None: ...


class Portability:
    """Of one face. `learned`: what its routes go by."""

    def __init__(self, enums: tuple[Enum, ...], courier: Caller, learned: Learned, now_s: Callable[[], float]) -> None:
        self.enums = enums
        self.courier = courier
        self.learned = learned
        self.now_s = now_s
        self._until_s: dict[str, float] = {}

    async def learn(self, given: Iterable[str]) -> None:
        """Asks for those numbers, as their callers wrote them, that some row names and that are not known. Never raises."""
        now_s = self.now_s()
        wanted: dict[str, float] = {}
        for text in given:
            try:
                number, _ = normalise(text)
            except Error:
                continue  # it is refused where it is looked at again
            row = next((e for e in self.enums if number.startswith(e.prefix, 1)), None)
            if row is not None and self._until_s.get(number, 0.0) <= now_s:
                wanted[number] = row.wait_ms / 1000
        if not wanted:
            return
        wait_s = max(wanted.values())
        numbers = list(wanted)[:BATCH_MESSAGES_MAX]
        found = None
        with suppress(Error):
            found = await self.courier.call("enum", {"numbers": numbers, "wait_s": wait_s}, timeout_s=wait_s + CALL_S)
        self._take(numbers, found, self.now_s())

    def _take(self, numbers: list[str], found: object, now_s: float) -> None:
        if not isinstance(found, list) or len(found) != len(numbers):
            found = [None] * len(numbers)
        for number, said in zip(numbers, found, strict=True):
            code, holds_s = said if said is not None else (None, AGAIN_S)
            if len(self._until_s) >= ENUM_NUMBERS_MAX:
                del self._until_s[next(iter(self._until_s))]
            self._until_s.pop(number, None)
            self._until_s[number] = now_s + holds_s
            self.learned.put(number, code)

    def forget(self, number: str) -> int:
        """How many answers about a number are forgotten."""
        known = number in self.learned.codes or number in self._until_s
        self._until_s.pop(number, None)
        self.learned.put(number, None)
        return int(known)

    def of(self, numbers: Iterable[str]) -> dict[str, str]:
        """What is known of the numbers of a batch: what the engine needs to choose as this face did."""
        codes = self.learned.codes
        return {number: code for number in numbers if (code := codes.get(number)) is not None}

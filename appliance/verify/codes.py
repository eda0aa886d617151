"""One-time codes out of random octets: every digit equally likely. Pure but for `Drawing`, which asks for more octets when they run out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from appliance.errors import Error
from appliance.limits import CODE_DIGITS_MAX, CODE_DIGITS_MIN, CODE_OCTETS_AT_ONCE

#: 250 octets are 25 for each digit; the other six would make 0 to 5 likelier and are thrown away.
_FAIR: Final = 250


def code_of(octets: bytes | bytearray, digits: int) -> tuple[str, int] | None:
    """A code of `digits` digits and how many octets it took; None when there are too few."""
    assert CODE_DIGITS_MIN <= digits <= CODE_DIGITS_MAX
    out: list[str] = []
    for used, octet in enumerate(octets, 1):
        if octet < _FAIR:
            out.append(chr(48 + octet % 10))
            if len(out) == digits:
                return "".join(out), used
    return None


class Drawing:
    """Codes from the HSM's random source, a batch of octets at a time. There is no other source: without it, no code.

    `random`: so many octets from the keys process. Each octet makes one digit at most, and is overwritten.
    """

    def __init__(self, random: Callable[[int], Awaitable[bytes]]) -> None:
        self._random = random
        self._octets = bytearray()
        self._asking = asyncio.Lock()

    async def code(self, digits: int) -> str:
        """Raises Error `hsm_unavailable`."""
        while (found := self._taken(digits)) is None:
            async with self._asking:  # many who wait make one call
                if code_of(self._octets, digits) is None:
                    self._octets += await self._asked()
        return found

    def _taken(self, digits: int) -> str | None:
        # No await between looking and taking: two requests never share an octet.
        found = code_of(self._octets, digits)
        if found is None:
            return None
        self._octets[: found[1]] = bytes(found[1])
        del self._octets[: found[1]]
        return found[0]

    async def _asked(self) -> bytes:
        try:
            more = await self._random(CODE_OCTETS_AT_ONCE)
        except Error as e:
            raise Error("hsm_unavailable", "no code can be drawn now", f"{e.code}; try again in a moment") from None
        if len(more) != CODE_OCTETS_AT_ONCE:
            raise Error("hsm_unavailable", "the HSM gave another number of random octets than it was asked for")
        return more

    def __repr__(self) -> str:
        return "<Drawing>"

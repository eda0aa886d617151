"""What a customer wrote is erased: the whole message, the parts it was joined of, and what courier and door still hold of it.

The audit log's entry and the erasing are one transaction. Courier and door are asked before it, so that nothing is erased while one of
them is away, and once more after it, for what was on its way to them; only then the caller is answered. Every step may be done twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from appliance import clock
from appliance.audit import entry
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.message import id_text
from appliance.store import letters

from .ledger import Ledger
from .outward import Outward

UNDER_WAY_S: Final = 0.05  # between two looks whether a call that may hold the message has ended


class Redaction(msgspec.Struct, forbid_unknown_fields=True):
    """`day` of the whole message; `parts`: day and number of each, as its content says."""

    id: bytes
    who: str
    day: int
    parts: list[tuple[int, int]]


class Erasing:
    """One engine's. `do` runs an act within a beat."""

    def __init__(self, ledger: Ledger, outward: Outward, do: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        self.ledger = ledger
        self.outward = outward
        self._do = do

    async def redact_inbound(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Operation: a Redaction -> {redacted}. Raises Error `not_found`, or what courier and door say."""
        try:
            asked = msgspec.convert(payload, Redaction)
        except msgspec.ValidationError:
            raise Error("malformed", "a redaction names a message by `id` and `day`, and `who` does it") from None
        part_ids: list[bytes] = await self._do(lambda: self._parts(asked))
        await self._dropped(asked.id, part_ids)
        await self._do(lambda: self._erase(asked))
        days = {asked.day, *(day for day, _ in asked.parts)}
        while any((kind, day) in self.outward.busy for kind in ("heard", "inbound") for day in days):
            await asyncio.sleep(UNDER_WAY_S)
        await self._dropped(asked.id, part_ids)
        return {"redacted": True}

    async def _dropped(self, message_id: bytes, part_ids: list[bytes]) -> None:
        await self.outward.courier.call("forget", {"ids": [message_id]})
        if self.outward.door is not None:
            await self.outward.door.call("forget", {"ids": part_ids})

    def _parts(self, asked: Redaction) -> list[bytes]:
        """Ids of the parts, the first one's, which is the message's, among them."""
        partition = self.ledger.existing(asked.day)
        if partition is None or not letters.was_heard(partition, asked.id):
            raise Error("not_found", "there is no such message")
        found = [asked.id]
        for day, n in asked.parts:
            of = self.ledger.existing(day)
            part_id = letters.part_id(of, n) if of is not None else None
            if part_id is not None and part_id != asked.id:
                found.append(part_id)
        return found

    def _erase(self, asked: Redaction) -> None:
        audit = entry(clock.now_ms(), asked.who, "message.redacted", f"message:{id_text(asked.id)}")
        for day, n in asked.parts:
            if self.ledger.existing(day) is not None:
                self.ledger.work[day].parts_erased.append((n,))
        work = self.ledger.work[asked.day]
        work.heard_erased.append((asked.id,))
        work.audit.append(audit)

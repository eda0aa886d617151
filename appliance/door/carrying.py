"""HOT: letters over binds: what is due to an account goes to whichever of its binds has room, and what was answered is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from appliance.clock import monotonic_s
from appliance.smpp import spec

from .post import Parcel, Post

if TYPE_CHECKING:
    from .connection import Connection
    from .desk import Desk

PARCELS_AT_ONCE: Final = 200  # opened in one go: some milliseconds


class Carrying:
    """At most one round of handing over an account is under way."""

    def __init__(self, desk: Desk, post: Post) -> None:
        self.desk = desk
        self.post = post
        self._under_way: dict[Connection, dict[int, Parcel]] = {}
        self._busy: set[int] = set()
        self._again: set[int] = set()
        self._due: dict[int, float] = {}  # account -> when it is worth looking
        post.wake = self.wake

    def ready(self, connection: Connection) -> None:
        """A bind has room, or there was one bound."""
        if connection.account is not None and connection.room:
            self.wake((connection.account.id,))

    def wake(self, accounts: Iterable[int]) -> None:
        for account in accounts:
            if account in self._busy:
                self._again.add(account)
            elif self._roomy(account):
                self._busy.add(account)
                self.desk.task(self._round(account))

    def _roomy(self, account: int) -> list[Connection]:
        return [c for c in self.desk.bound.get(account, ()) if c.room]

    async def _round(self, account: int) -> None:
        try:
            while roomy := self._roomy(account):
                self._again.discard(account)
                parcels = await self.post.take(account, min(PARCELS_AT_ONCE, sum(c.room for c in roomy)))
                if parcels:
                    self._hand_over(account, parcels)
                elif account not in self._again:
                    break
                await asyncio.sleep(0)
        finally:
            self._busy.discard(account)
            wait_s = self.post.next_s(account)
            if wait_s is None:
                self._due.pop(account, None)
            else:
                self._due[account] = monotonic_s() + wait_s

    def _hand_over(self, account: int, parcels: list[Parcel]) -> None:
        """Evenly, the emptiest bind first; a bind that went away meanwhile leaves its share to the others."""
        now_s = monotonic_s()
        roomy = sorted(self._roomy(account), key=lambda c: c.session.delivering)
        at = 0
        for n, connection in enumerate(roomy):
            left = len(parcels) - at
            share = min(connection.room, -(-left // (len(roomy) - n)))
            if share <= 0:
                continue
            mine = parcels[at : at + share]
            at += share
            sequences = connection.session.reserve(share)
            octets = b"".join([p.pdu(s) for p, s in zip(mine, sequences, strict=True)])
            connection.session.sent(sequences, octets, now_s)
            self._under_way.setdefault(connection, {}).update(zip(sequences, mine, strict=True))
            connection.flush()
        if at < len(parcels):
            self.post.lost(parcels[at:])

    def delivered(self, connection: Connection, answers: list[tuple[int, int]], late: list[int]) -> None:
        """What the other side answered, and what it did not answer in time."""
        mine = self._under_way.get(connection, {})
        for sequence, status in answers:
            parcel = mine.pop(sequence, None)
            if parcel is not None:
                self.post.settled(parcel, status)
                self.desk.numbers.delivered += status == spec.ESME_ROK
        lost = [parcel for sequence in late if (parcel := mine.pop(sequence, None)) is not None]
        if lost:
            self.post.lost(lost)
        self.ready(connection)

    def gone(self, connection: Connection) -> None:
        """Its bind ended: what was under way goes over another, or later."""
        account = connection.account
        if account is None:
            return
        self.post.lost(self._under_way.pop(connection, {}).values())
        if not any(c.session.kind != "transmitter" for c in self.desk.bound.get(account.id, ())):
            self.post.released(account.id)
            self._due.pop(account.id, None)
        else:
            self.wake((account.id,))

    def tick(self, now_s: float) -> None:
        """Accounts whose pause is over."""
        due = [account for account, at_s in self._due.items() if at_s <= now_s]
        for account in due:
            del self._due[account]
        self.wake(due)

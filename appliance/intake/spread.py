"""Requests over the engines of a box: which one owns a request, a funnel to each, and room kept for what is urgent.

HOT: with one engine it is one funnel and nothing is chosen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from appliance.errors import Error
from appliance.limits import GATEWAY_FLIGHTS_MAX, GATEWAY_PENDING_MESSAGES_MAX, GATEWAY_PENDING_SHARES
from appliance.message import CLASSES, OTP, Batch, shard_of
from appliance.numbering import normalise
from appliance.shards import ALONE, Layout, Load, home, homes, least_loaded

from .funnel import Funnel, Outcome


class Table(Protocol):
    """`appliance.router.RouteTable`, as far as it tells links."""

    def group(self, to: str, class_: int, sender: str) -> Any: ...


class Spread:
    """`send`: hands a batch to the engine that owns its first id. `seen(shard, macs)`: which of these keys an engine has
    committed something under.
    """

    def __init__(
        self,
        send: Callable[[Batch], Awaitable[dict[str, Any]]],
        seen: Callable[[int, list[bytes]], Awaitable[list[bytes]]] | None = None,
        layout: Layout = ALONE,
        pending_max: int = GATEWAY_PENDING_MESSAGES_MAX,
    ) -> None:
        self.funnels = [Funnel(send, pending_max) for _ in range(layout.shards)]
        #: One-time codes have their own, so that none waits behind bulk that is on its way to the disk. Nor for the answer to
        #: the codes before it: the engine's next beat may begin meanwhile.
        self.urgent = [Funnel(send, pending_max, GATEWAY_FLIGHTS_MAX) for _ in range(layout.shards)]
        self.layout = layout
        self.pending_max = pending_max
        self.ready = [True] * layout.shards
        self._seen = seen
        self._turn = 0

    def look(self, engines: Mapping[int, tuple[bool, str]]) -> None:
        """Takes over which engines are well."""
        for shard, (ready, _) in engines.items():
            self.ready[shard] = ready

    @property
    def pending(self) -> int:
        """Messages validated but not yet known to be durable."""
        return sum(funnel.pending for funnel in (*self.funnels, *self.urgent))

    def check_room(self, rows: int, class_: int = 0) -> None:
        """Raises Error `overloaded` when `rows` more would be too many; to be asked before any work is done.

        The less urgent a class, the less of the room is its own: bulk is refused while one-time codes still pass.
        """
        if self.pending + rows > self.pending_max * GATEWAY_PENDING_SHARES[class_]:
            raise Error(
                "overloaded", "too many messages wait to be made durable", "send again after a second, or more slowly"
            )

    async def owner(
        self, rows: Iterable[Any] | None, table: Table, key_mac: bytes = b"", class_: str = "transaction"
    ) -> int:
        """The shard for a request, one that can send all of its rows by any link of their routes. Raises Error `engine_unavailable`.

        With a key it is where the key was committed, and no other while that engine is away: a repeated request is no new
        one. `rows` None: not known yet. `class_`: of rows that name none.
        """
        layout = self.layout
        if layout.shards == 1:
            return 0
        first = layout.first
        if layout.uneven:
            first = layout.least if rows is None else min(first, carried(rows, table, layout, class_))
        if key_mac:
            return await self._owner_of_key(key_mac, first)
        self._turn += 1
        pending = [a.pending + b.pending for a, b in zip(self.funnels, self.urgent, strict=True)]
        shard = least_loaded([*map(Load, self.ready, pending)], first, self._turn)
        if shard is None:
            raise Error("engine_unavailable", "new messages cannot be made durable now", "try again in a moment")
        return shard

    async def _owner_of_key(self, key_mac: bytes, first: int) -> int:
        own = home(key_mac, first)
        for other in homes(key_mac, self.layout.counts) - {own}:
            if other < len(self.funnels) and self._seen is not None and await self._seen(other, [key_mac]):
                return other
        return own

    async def commit(self, batch: Batch) -> Outcome:
        """As `Funnel.commit`, to the owner of the batch's messages."""
        funnels = self.urgent if max(batch.classes) == OTP else self.funnels
        return await funnels[shard_of(batch.ids[0])].commit(batch)

    async def settle(self) -> None:
        """Returns when nothing is under way any more."""
        for funnel in (*self.funnels, *self.urgent):
            await funnel.settle()


def carried(rows: Iterable[Any], table: Table, layout: Layout, class_: str = "transaction") -> int:
    """By how many of the first shards all rows can be sent, by every link of their routes; `class_` of those that name none."""
    least = layout.shards
    for row in rows:
        try:
            to, _ = normalise(row.to)
            group = table.group(to, CLASSES.index(row.class_ or class_), row.from_ or "")
        except (Error, AttributeError, ValueError):
            continue  # it is refused
        for name in group.links:
            least = min(least, layout.carriers.get(name, layout.shards))
    return least


def least_urgent(rows: Iterable[Any], class_: str = "transaction") -> int:
    """The class of the row that may wait longest."""
    classes = [CLASSES.index(word) for row in rows if (word := getattr(row, "class_", None) or class_) in CLASSES]
    return max(classes, default=0)

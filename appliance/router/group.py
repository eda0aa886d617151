"""HOT: a group: messages that may leave over the same links in the same way wait in one queue. Its ways, and which is open.

A way is what one row of the table says to a group: links, how to pick among them, which senders to put. The first way whose
hours are open counts; only the last of a group may be without hours.
"""

from __future__ import annotations

from typing import Any, Final

MINUTE_MS: Final = 60_000


class Way:
    """Immutable. `shares` (by link, their sum is 1) only under balance = weight; a link without one is a reserve.

    `hours` answers `open(at_ms)`; None: always.
    """

    __slots__ = ("hours", "key", "links", "sender", "sender_for", "shares")

    def __init__(
        self,
        links: tuple[str, ...],
        shares: dict[str, float] | None = None,
        hours: Any = None,
        sender: str = "",
        sender_for: dict[str, str] | None = None,
    ) -> None:
        self.links = links
        self.shares = shares
        self.hours = hours
        self.sender = sender
        self.sender_for = sender_for or {}
        self.key = (
            links,
            tuple(sorted(shares.items())) if shares else (),
            (hours.spans, hours.timezone) if hours is not None else None,
            sender,
            tuple(sorted(self.sender_for.items())),
        )

    @property
    def rewrites(self) -> bool:
        return bool(self.sender or self.sender_for)

    def put(self, sender: str, class_name: str) -> str:
        """The sender that leaves instead of `sender`: by its name, else by its class, else the one for all, else itself."""
        named = self.sender_for.get(sender) or self.sender_for.get(class_name)
        return named or self.sender or sender


NOWHERE: Final = Way(())


class Group:
    """One queue's key. Compared by identity: two tables never share a group.

    `debts` is what each link of a weighted way is owed, in segments; it belongs to the engine's one thread.
    """

    __slots__ = ("_from_ms", "_until_ms", "_way", "debts", "pinned", "rewrites", "ways")

    def __init__(self, ways: tuple[Way, ...]) -> None:
        self.ways = ways
        self.rewrites = any(way.rewrites for way in ways)
        self.pinned = False  # of messages that began on its one link
        self.debts: dict[str, float] = {}
        self._way: Way | None = ways[0] if len(ways) == 1 and ways[0].hours is None else (NOWHERE if not ways else None)
        self._from_ms, self._until_ms = 0, 1 << 62 if self._way is not None else 0

    @property
    def nowhere(self) -> bool:
        """No row serves it at any time."""
        return not self.ways

    @property
    def links(self) -> tuple[str, ...]:
        """Every link it may ever take, in order of preference."""
        if len(self.ways) == 1:
            return self.ways[0].links
        return tuple(dict.fromkeys(name for way in self.ways for name in way.links))

    def way(self, now_ms: int) -> Way | None:
        """The way whose hours are open, looked up once a minute; None: none is, and the messages wait."""
        if not self._from_ms <= now_ms < self._until_ms:  # a clock may be set back
            self._way = self.way_at(now_ms)
            self._from_ms = now_ms - now_ms % MINUTE_MS
            self._until_ms = self._from_ms + MINUTE_MS
        return self._way

    def way_at(self, at_ms: int) -> Way | None:
        """The same for any time, without a memory."""
        if not self.ways:
            return NOWHERE
        return next((way for way in self.ways if way.hours is None or way.hours.open(at_ms)), None)

    def sender(self, sender: str, class_name: str, now_ms: int) -> str:
        """What leaves as the sender. Only needed where `rewrites`."""
        way = self.way(now_ms) or self.ways[-1]
        return way.put(sender, class_name)

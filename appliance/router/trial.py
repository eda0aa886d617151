"""A new table against what was sent: how many messages would take another link, by route. Pure: rows come in, counts go out."""

from __future__ import annotations

from collections import Counter
from typing import Any

from appliance.message import CLASSES

from .explaining import why_not
from .table import RouteTable

NO_ROUTE = "no route"


class Trial:
    """Counts only: no number is kept."""

    def __init__(self, old: RouteTable, new: RouteTable) -> None:
        self.old = old
        self.new = new
        self.messages = self.changed = self.unserved = self.resent = 0
        self.moves: Counter[tuple[str, str, str, str]] = (
            Counter()
        )  # route before, route after, links before, links after

    def take(self, to: str, class_: int, sender: str, at_ms: int, link: str | None) -> None:
        """One message as it was accepted; `link`: the one it took, None when it took none."""
        self.messages += 1
        before, after = _way(self.old, to, class_, sender, at_ms), _way(self.new, to, class_, sender, at_ms)
        if before[1:] != after[1:]:
            self.changed += 1
            self.moves[before[0], after[0], before[1], after[1]] += 1
            self.resent += before[1] == after[1]  # the same links, another sender
            if after[1] == NO_ROUTE:
                self.unserved += 1

    def told(self, most: int = 40) -> dict[str, Any]:
        """For people and programs: the largest moves first."""
        moves = [
            {"route_before": a, "route_after": b, "links_before": x, "links_after": y, "messages": n}
            for (a, b, x, y), n in self.moves.most_common(most)
        ]
        return {
            "messages": self.messages,
            "changed": self.changed,
            "only_sender_changed": self.resent,
            "without_route": self.unserved,
            "moves": moves,
            "moves_not_shown": max(0, len(self.moves) - most),
        }


def _way(table: RouteTable, to: str, class_: int, sender: str, at_ms: int) -> tuple[str, str, str]:
    """The route that takes a message at a time, the links it names, and the sender it puts."""
    operator = None
    for row in table.chain(to):
        if row.operator and operator is None:
            operator = table.numbers.operator(to) if table.numbers is not None else ""
        if not why_not(row, class_, sender, operator or "", at_ms):
            shares = row.way.shares
            links = row.way.links if shares is None else [f"{n} {shares.get(n, 0):.0%}" for n in row.way.links]
            return row.route.shown, ", ".join(links), row.way.put(sender, CLASSES[class_])
    return NO_ROUTE, NO_ROUTE, ""

"""HOT: which link each queue's messages leave over in this beat, by class; a class never waits behind one of lower priority."""

from __future__ import annotations

from .ledger import Ledger
from .link import Link
from .packing import Staged, pack
from .staging import fill


def dispatch(ledger: Ledger, links: dict[str, Link], now_ms: int, now_s: float) -> list[Staged]:
    """From the queues into the links' windows, by class; the intention of each segment becomes a row."""
    rooms = {name: link.room(now_s) for name, link in links.items()}
    routes = ledger.queues.by_route
    for class_ in range(4):
        if not ledger.queues.lengths[class_]:
            continue
        for route, queues in routes.items():
            queue = queues[class_]
            if not queue and not queue.aside:
                continue
            if not route:
                while queue:
                    ledger.unroutable(queue.popleft(), now_ms)
                    ledger.queues.popped(class_)
                continue
            link = next((links[n] for n in route if links[n].up), None)
            if link is None or rooms[link.name] <= 0:
                continue
            rooms[link.name] -= fill(ledger, link, queue, class_, rooms[link.name], now_ms, now_s)
    return [staged for link in links.values() if link.staged for staged in pack(ledger, link, now_ms)]

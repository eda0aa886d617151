"""The engine's route table: the active version at start, another one when it is told of it, without a pause in traffic."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from appliance import clock
from appliance.audit import entry
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.limits import AUDIT_NAME_CHARACTERS_MAX
from appliance.router import Active, RouteShelf, RouteTable, Took, in_pieces, through
from appliance.settings import Settings

from .ledger import Ledger
from .swapping import swap_routes

log = logging.getLogger(__name__)


class Routing:
    """Loads, swaps, tells. `in_beat` runs an act inside the next beat, where nothing else changes the ledger."""

    def __init__(self, settings: Settings) -> None:
        self.shelf = RouteShelf(settings)
        self.active = through(self.shelf.loading())
        self.longest_s = 0.0  # of the last change: the longest time in which the loop did nothing else
        self._one = asyncio.Lock()
        self._tell(self.active)

    @property
    def table(self) -> RouteTable:
        return self.active.table

    async def load(
        self, ledger: Ledger, payload: Any, peer: Peer, in_beat: Callable[[Callable[[], Any]], Awaitable[Any]]
    ) -> dict[str, Any]:
        """`routes_load {who}`: takes the active version. Answers when new messages go by it."""
        who = payload.get("who") if isinstance(payload, dict) else None
        if not isinstance(who, str) or not 0 < len(who) <= AUDIT_NAME_CHARACTERS_MAX:
            raise Error("malformed", "routes are loaded by somebody: `who` is missing")
        async with self._one:
            took = Took()
            active = await in_pieces(self.shelf.loading(), took)

            def swap() -> None:
                at_ms = clock.now_ms()
                what = "routes.loaded" if not active.problems else "routes.damaged"
                detail: dict[str, Any] = {
                    "version": active.version,
                    "digest": active.digest,
                    "routes": len(active.table),
                    "by": who,
                }
                audit = entry(at_ms, f"process:{ledger.name}", what, f"routes:{active.version}", **detail)
                swap_routes(ledger, active.table)  # or Error before it: what cannot be recorded is not done
                ledger.notes.append(audit)

            await in_beat(swap)
            self.active = active
            self._tell(active)
            self.longest_s = took.longest_s
        return {
            "version": active.version,
            "digest": active.digest,
            "routes": len(active.table),
            "compiled_ms": round(took.whole_s * 1000, 1),
            "longest_ms": round(took.longest_s * 1000, 1),
            "problems": list(active.problems),
        }

    def shown(self, ledger: Ledger) -> dict[str, Any]:
        """For `state`."""
        swap = ledger.swap
        if swap is not None:
            self.longest_s = max(self.longest_s, swap.longest_s)
        return {
            "version": self.active.version,
            "digest": self.active.digest,
            "routes": len(self.active.table),
            "groups": len(ledger.queues.by_route),
            "to_regroup": swap.left if swap is not None else 0,
            "swapping": swap is not None,
            "longest_ms": round(self.longest_s * 1000, 1),
            "problems": list(self.active.problems),
        }

    @staticmethod
    def _tell(active: Active) -> None:
        for problem in active.problems:
            log.error("routes: %s", problem)
        log.info("routes: version %d, %d rows", active.version, len(active.table))

"""What an engine has to do with the other engines of its box: what all agree on at the start, and what they ask each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from appliance import clock, limits
from appliance.errors import Error
from appliance.intercom import Peer
from appliance.settings import Settings
from appliance.shards import Held, check_leaving, held, note_layout

from .ledger import Ledger


def joined(settings: Settings, shard: int) -> list[Held]:
    """The parts of the links that this engine holds, once it is sure that it may start. Raises Error `settings_invalid`."""
    shards = settings["engine.shards"]
    if shard >= shards:
        raise Error("settings_invalid", f"there is no engine-{shard}", f"engine.shards is {shards}")
    if not shard:
        check_leaving(settings, clock.now_ms())
        note_layout(settings, clock.now_ms())
    return held(settings.links, shard, shards)


class Sharing:
    """One engine's operations for the others and for gateways of several. `must_run` raises while it starts or stops."""

    def __init__(self, ledger: Ledger, settings: Settings, shard: int, must_run: Callable[[], None]) -> None:
        self.ledger = ledger
        #: Stores of engines that are no more; the first engine keeps their retention.
        self.left = () if shard else tuple(settings.stores.values())[settings["engine.shards"] :]
        self._must_run = must_run
        self.operations = {"seen": self.seen}

    async def seen(self, payload: Any, peer: Peer) -> dict[str, list[bytes]]:
        """`{macs}`: those of the idempotency keys that something was committed under here."""
        self._must_run()
        macs = [bytes(mac) for mac in payload["macs"]]
        today = clock.day_of(clock.now_ms())
        found: set[bytes] = set()
        for day in range(today - limits.IDEMPOTENCY_DAYS + 1, today + 2):
            partition = self.ledger.existing(day) if day not in self.ledger.damaged else None
            if partition is not None:
                found.update(partition.idempotent(macs))
        return {"macs": [mac for mac in macs if mac in found]}

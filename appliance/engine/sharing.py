"""What an engine has to do with the other engines of its box: what all agree on at the start, and what they ask each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from appliance import clock, limits
from appliance.errors import Error
from appliance.intercom import Client, Peer
from appliance.settings import Settings
from appliance.shards import Held, Signpost, carriers, check_leaving, held, note_layout

from .exchange import Act, Exchange
from .inbound import Inbound
from .ledger import Ledger
from .link import Link


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

    def __init__(
        self,
        ledger: Ledger,
        inbound: Inbound,
        links: dict[str, Link],
        settings: Settings,
        shard: int,
        must_run: Callable[[], None],
        in_beat: Callable[[Act], Awaitable[Any]],
    ) -> None:
        self.ledger = ledger
        self.inbound = inbound
        #: Stores of engines that are no more; the first engine keeps their retention.
        self.left = () if shard else tuple(settings.stores.values())[settings["engine.shards"] :]
        self._must_run = must_run
        self._in_beat = in_beat
        self._clients = {n: Client(settings.socket(name)) for n, name in enumerate(settings.engines) if n != shard}
        self.operations: dict[str, Callable[[Any, Peer], Awaitable[Any]]] = {"seen": self.seen}
        self.exchange: Exchange | None = None
        if self._clients:
            shards = settings["engine.shards"]
            signpost = Signpost(settings.home / "run" / "receipts.signpost", shard, shards)
            ledger.signpost = signpost
            holders = carriers(settings.links, shards)
            self.exchange = Exchange(ledger, links, shard, holders, self._clients, signpost, in_beat)
            inbound.exchange = self.exchange
            self.operations |= {"receipts": self.receipts, "letters": self.letters}

    def step(self, now_s: float) -> None:
        """Between beats: hands over what came here and is others'."""
        if self.exchange is not None:
            self.exchange.step(now_s)

    async def stop(self) -> None:
        if self.exchange is not None:
            await self.exchange.stop()
        for client in self._clients.values():
            client.close()

    # --- operations ---------------------------------------------------------------------------------------

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

    async def receipts(self, payload: Any, peer: Peer) -> dict[str, list[int]]:
        """`{rows, park}`: receipts that came on another engine's binds; what each is here, when that is durable."""
        self._must_run()
        exchange = self.exchange
        assert exchange is not None
        rows, parks = payload["rows"], bool(payload["park"])
        return {"what": await self._in_beat(lambda: exchange.take(rows, parks))}

    async def letters(self, payload: Any, peer: Peer) -> dict[str, list[int]]:
        """`{rows}`: customers' messages that this engine keeps; the status that answers each, when it is durable."""
        self._must_run()
        rows = payload["rows"]

        def keep() -> list[int]:
            now_ms = clock.now_ms()
            return [self.inbound.message(self.ledger, link, tuple(letter), now_ms) for link, *letter in rows]

        return {"statuses": await self._in_beat(keep)}

"""The engine as a process: its operations on the Unix socket, its loop of beats, its orderly stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import Any, Final

import msgspec

from appliance import clock, limits
from appliance.audit import entry
from appliance.errors import Error
from appliance.intercom import Client, Handler, Peer, Server
from appliance.keys import Keyring
from appliance.message import CLASSES, STATUSES, Batch, id_ms
from appliance.settings import Settings

from . import acts
from .aging import Aging
from .asking import Asker
from .beat import Act, Beat
from .campaigns import Campaigns
from .drained import Drains
from .erasing import Erasing
from .forgetting import Forgetting
from .inbound import Inbound
from .keys_at_hand import KeysAtHand
from .ledger import Ledger
from .left_stores import LeftStores
from .link import Link
from .listening import Listener
from .outward import Outward
from .paging import Pager
from .resealing import Resealing
from .resolving import Resolver
from .retention import retire
from .routing import Routing
from .scrubbing import Scrubbing
from .sharing import Sharing, joined
from .steps import StepWatch
from .workbench import Workbench

log = logging.getLogger(__name__)

IDLE_S: Final = 0.1  # between two beats when nothing happens
WAITING_S: Final = 0.005  # while pace or a pause holds something back
FLOOR_EACH_S: Final = 10.0


class Engine:
    """One shard."""

    def __init__(self, settings: Settings, index: int = 0) -> None:
        self.settings = settings
        self.name = f"engine-{index}"
        s, folder = settings, settings.store_of(index)
        self.routing = Routing(s)
        policies = (
            s["engine.indeterminate_otp"],
            s["engine.indeterminate_alert"],
            s["engine.indeterminate_transaction"],
            s["engine.indeterminate_bulk"],
        )
        self.ledger = Ledger(folder, self.routing.table, [link.name for link in s.links], policies, self.name)
        self.ledger.unrecorded.bound = s["audit.waiting_max"]
        self.keyring = Keyring(s)
        self.pager = Pager(self.ledger, self.keyring)
        self.inbound = Inbound(index)
        self.links = {
            link.name: Link(link, self._wake, self._link_changed, places) for link, places in joined(s, index)
        }
        self.resolver = Resolver(self.ledger, self.links, self.inbound, self.keyring)
        self.asker = Asker(self.ledger, self.links)
        self.steps = StepWatch(self.ledger, clock.boot())
        self.campaigns = Campaigns(s, self.ledger, self.links)
        self.beat = Beat(self.ledger, self.links, self.inbound)
        self.drains = Drains(self.links, self.beat, folder, self._do)
        self.bench = Workbench(self.links, self.beat, self.name, self._do)
        self.listener = Listener(self.ledger, self.beat, s, self.keyring, self.inbound)
        door = Client(s.socket("door")) if s["door.enabled"] else None
        # Customers' messages go to the courier always: a workflow may wait for one.
        self.outward = Outward(self.ledger, Client(s.socket("auditor")), Client(s.socket("courier")), door, True)
        self.beat.before_commit.append(self.outward.settle)
        self.beat.before_commit.append(self._set_floor)
        self.sharing = Sharing(self.ledger, self.inbound, self.links, s, index, self._must_run, self._do)
        self.erasing = Erasing(self.ledger, self.outward, self._do)
        self.scrubbing, stores = Scrubbing(self.ledger), LeftStores.of(self.ledger, s, index)
        forgets, days = self.listener.forget, self.scrubbing.days
        self.forgetting = Forgetting(self.ledger, self.outward, self.keyring, self._do, forgets, stores, days)
        self.resealing = Resealing(self.ledger, self.keyring, self._do, stores, days)
        self.aging = Aging(self.ledger, s, self.keyring, self._do, stores, days)
        self.started_ms, self.ready, self.stopping = 0, False, asyncio.Event()
        self.hand = KeysAtHand(self.keyring, self.inbound)
        self._floor_s = 0.0

    # --- operations -------------------------------------------------------------------------------------

    async def ping(self, payload: Any, peer: Peer) -> dict[str, Any]:
        why = self.beat.broken or self.pager.why or self.ledger.unrecorded.why or ("" if self.ready else "starting")
        if not why and self.ledger.damaged:
            why = "damaged: " + ", ".join(clock.day_name(day) for day in sorted(self.ledger.damaged))
        return {"process": self.name, "pid": os.getpid(), "ready": self.ready and not self.beat.broken, "why": why}

    async def accept(self, payload: Any, peer: Peer) -> dict[str, Any]:
        self._must_run()
        if self.beat.broken:
            raise Error("store_full", "the message store cannot be written", "free space on the disk")
        if len(self.beat.batches) >= limits.PENDING_BATCHES_MAX:
            raise Error("overloaded", "the engine has more to write than it may hold", "send slower")
        try:
            batch = msgspec.convert(payload, Batch)
        except msgspec.ValidationError:
            raise Error("malformed", "the batch does not have the shape of a batch") from None
        return await self._in_beat(self.beat.batches, batch)

    async def cancel(self, payload: Any, peer: Peer) -> dict[str, Any]:
        return {"status": await self._act("cancel", payload)}

    async def replace(self, payload: Any, peer: Peer) -> dict[str, Any]:
        return {"status": await self._act("replace", payload)}

    async def redact(self, payload: Any, peer: Peer) -> dict[str, Any]:
        await self._act("redact", payload)
        return {"redacted": True}

    async def decide(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """A person's decision on a message that is held: `act` is resend or close."""
        if not isinstance(payload, dict) or payload.get("act") not in ("resend", "close"):
            raise Error("invalid", "a decision is `resend` or `close`", field="act")
        return {"done": await self._act(payload["act"], payload)}

    async def drain(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Takes a link out of use (`on`), or back; `who` says so."""
        self._must_run()
        return await self.drains.drain(payload)

    async def routes_load(self, payload: Any, peer: Peer) -> dict[str, Any]:
        """Takes the active version of the routes; `who` says so."""
        self._must_run()
        return await self.routing.load(self.ledger, payload, peer, self._do)

    def _must_run(self) -> None:
        if not self.ready or self.stopping.is_set():
            raise Error("engine_unavailable", "the engine is starting or stopping", "try again in a second")

    async def _act(self, word: str, payload: Any) -> str:
        self._must_run()
        message_id, act = acts.asked(word, payload)
        day = clock.day_of(id_ms(message_id))

        def decide() -> str:
            result = act(self.ledger, day, clock.now_ms())
            if result in acts.REASONS:
                raise acts.REASONS[result]
            return result

        done: str = await self._do(decide)
        return done

    async def _do(self, act: Act) -> Any:
        return await self._in_beat(self.beat.acts, act)

    async def _in_beat(self, queue: list[tuple[Any, asyncio.Future[Any]]], item: Batch | Act) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        queue.append((item, future))
        self._wake()
        return await future

    async def state(self, payload: Any, peer: Peer) -> dict[str, Any]:
        ledger, beat = self.ledger, self.beat
        links = []
        for link in self.links.values():
            queued = sum(
                q.total() for group, qs in ledger.queues.by_route.items() if group.links[:1] == (link.name,) for q in qs
            )
            health = ledger.health.of(link.name).shown()
            links.append(
                {**link.state(), "queued": queued, "health": health, "trace_until_ms": self.bench.until_ms(link.name)}
            )
        return {
            "process": self.name,
            "ready": self.ready,
            "started_ms": self.started_ms,
            "links": links,
            "queues": {c: m + d for c, m, d in zip(CLASSES, ledger.queues.lengths, ledger.on_disk, strict=True)},
            "spilled": dict(zip(CLASSES, ledger.spilled, strict=True)),
            "statuses": dict(zip(STATUSES, ledger.statuses, strict=True)),
            "segments": dict(ledger.segments),
            **ledger.open_ends(),
            "routes": self.routing.shown(ledger),
            "damaged": [clock.day_name(day) for day in sorted(ledger.damaged)],
            "stages": {"beats": beat.beats, "rows": beat.rows, "write_s": beat.write_s, "commit_s": beat.commit_s},
            "broken": beat.broken,
        }

    # --- the loop ---------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self.beat.wake.set()

    def _link_changed(self, link: Link, up: bool, why: str) -> None:
        log.info("link %s %s%s", link.name, "up" if up else "down", f": {why}" if why else "")
        what = "link.up" if up else "link.down"
        detail = {"why": why[:64]} if why else {}
        self.beat.notes.append(entry(clock.now_ms(), f"process:{self.name}", what, f"link:{link.name}", **detail))
        self._wake()

    def _set_floor(self) -> None:
        """Now and then, inside the transaction: below this seq nothing waits and nothing is under way."""
        now_s = clock.monotonic_s()
        if now_s - self._floor_s < FLOOR_EACH_S:
            return
        self._floor_s = now_s
        if any(self.ledger.spilled) or len(self.ledger.delayed):
            return
        lowest: dict[int, int] = {}
        waiting = list(self.ledger.queues)
        # Also what was heard while this beat waits for a disk that fails: undecided on disk until the next one.
        waiting += [w for link in self.links.values() for w in link.under_way()]
        waiting += self.beat.staged()
        for w in waiting:
            lowest[w.day] = min(lowest.get(w.day, w.seq), w.seq)
        for day, partition in self.ledger.partitions.items():
            if day in self.ledger.work:
                partition.begin()
                new = self.ledger.new_from.get(day, partition.last_seq)
                partition.set_mark("floor", min(lowest.get(day, new), new))

    def _pause_s(self) -> float:
        if (
            any((self.beat.batches, self.beat.acts, self.beat.more, self.ledger.work))
            or (self.ledger.swap is not None and not self.beat.draining)
            or any(link.answers or link.delivers or link.lost for link in self.links.values())
        ):
            return 0.0
        if not len(self.ledger.queues):
            return IDLE_S
        waiting = self.ledger.queues.lengths
        # While windows are full, an answer wakes it; while pace or a pause holds everything back, the time is known.
        now_s = clock.monotonic_s()
        return min(
            max(min((link.next_s(now_s, waiting) for link in self.links.values()), default=IDLE_S), WAITING_S), IDLE_S
        )

    async def _beats(self) -> None:
        while not (self.stopping.is_set() and self._settled()):
            pause = self._pause_s()
            if pause:
                try:
                    async with asyncio.timeout(pause):
                        await self.beat.wake.wait()
                except TimeoutError:
                    pass
            else:
                await asyncio.sleep(0)
            self.beat.wake.clear()
            await self._beat_once()

    async def _beat_once(self) -> None:
        now_s, now_ms = clock.both()
        if not await self._open_days(now_ms):
            return
        self.steps.look(now_s, now_ms)
        if not self.stopping.is_set():  # neither is needed any more, and the HSM may hang
            await self.hand.fetch(now_s, now_ms)
            await self.pager.fill(now_s, now_ms)
            await self.resolver.look(now_s, now_ms)
            self.asker.step(now_s, now_ms)
            await self.campaigns.step(now_s, now_ms)
        await self.beat.once()
        await self.scrubbing.step()
        changed, self.beat.changed_days = self.beat.changed_days, set()
        self.outward.committed(changed)
        self.outward.send(now_s)
        self.listener.step(now_s, now_ms)
        self.sharing.step(now_s)

    async def _open_days(self, now_ms: int) -> bool:
        """Opens today's partition, and a minute before midnight tomorrow's; retires old ones. False: nothing can be written."""
        day = clock.day_of(now_ms + 60_000)
        if day in self.ledger.partitions and clock.day_of(now_ms) in self.ledger.partitions:
            return True
        try:
            self.ledger.partition(clock.day_of(now_ms))
            self.ledger.partition(day)
            said = await self.keyring.retention()
            keep = self.settings["store.retention_days"] if said is not None else day  # unknown: nothing is erased
            held, certain = said if said is not None else (frozenset(), day)
            today = min(day, certain)  # a clock that went far ahead closes and erases nothing
            self.beat.notes += retire(self.ledger, today, keep, now_ms, self._busy_days(), held, self.sharing.left)
            return True
        except Error as e:
            self.beat.refuse(e)
            await asyncio.sleep(1.0)
            return False

    def _busy_days(self) -> set[int]:
        """Days with messages in memory: queued, delayed or under way."""
        days = {w.day for w in self.ledger.queues}
        days |= {waiting.day for waiting in self.ledger.delayed}
        for link in self.links.values():
            days |= {w.day for w in link.under_way()}
        return days

    def _settled(self) -> bool:
        in_flight = any(b.in_flight and b.transport is not None for each in self.links.values() for b in each.binds)
        return (not in_flight and not self.beat.batches) or clock.monotonic_s() > self._settle_by

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            now_s = clock.monotonic_s()
            for link in self.links.values():
                link.tick(now_s)
            self.bench.tick(clock.now_ms())

    def _operations(self) -> dict[str, Handler]:
        return {
            "ping": self.ping,
            "state": self.state,
            "accept": self.accept,
            "cancel": self.cancel,
            "replace": self.replace,
            "redact": self.redact,
            "redact_inbound": self.erasing.redact_inbound,
            "erase_subject": self.forgetting.subject,
            "reseal": self.resealing.reseal,
            "decide": self.decide,
            "drain": self.drain,
            **(self.bench.operations | self.sharing.operations),
            "routes_load": self.routes_load,
            "left_alone": self.listener.left_alone,
        }

    async def run(self) -> None:
        """Until SIGTERM; then in-flight segments are settled as far as their operators answer in time."""
        loop = asyncio.get_running_loop()
        server = Server(self._operations())
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._stop)
        self.started_ms = clock.now_ms()
        undecided = self.pager.recover(self.started_ms)
        self.steps.recover(*clock.both())
        self.listener.recall(clock.monotonic_s())
        await server.start(self.settings.socket(self.name))  # who asks is told why it is not ready
        while not await self._open_days(self.started_ms) and not self.stopping.is_set():
            pass
        await self.beat.once()  # what a crash left undecided is on disk before anything is paged in
        self.outward.committed(set(self.ledger.partitions))  # what was not told before is told now
        self._note("process.start")
        if undecided:
            self._note("messages.indeterminate", segments=undecided)
        for link in self.links.values():
            link.start()
        self.ready = True
        ticks = loop.create_task(self._ticks())
        self.hand.start()
        self.aging.start()
        try:
            await self._beats()
            await self._stop_links()
            self._note("process.stop")
            await self._beat_once()
            await self.outward.drain(1.0)
            await self._beat_once()
        except Error as e:
            if not self.stopping.is_set():
                raise
            log.error("stopped although the store could not be written: %s", e.code)
            await self._stop_links()
        finally:
            ticks.cancel()
            await asyncio.gather(self.listener.stop(), self.sharing.stop(), self.hand.stop(), self.aging.stop())
        await server.stop()
        self.campaigns.close()
        self.beat.close()

    async def _stop_links(self) -> None:
        await asyncio.gather(*(link.stop() for link in self.links.values()))

    def _note(self, what: str, **detail: Any) -> None:
        self.beat.notes.append(entry(clock.now_ms(), f"process:{self.name}", what, f"process:{self.name}", **detail))

    def _stop(self) -> None:
        if self.stopping.is_set():
            return
        self._settle_by = clock.monotonic_s() + limits.SETTLE_S_MAX
        self.beat.give_up_s = self._settle_by
        self.beat.draining = True
        self.stopping.set()
        self._wake()


async def serve(settings: Settings, index: int = 0) -> None:
    """Runs one engine shard until it is told to stop. Raises Error when it cannot start."""
    await Engine(settings, index).run()

"""What all endpoints of one gateway share: the day's keys, the way to the engine, rates, readers, and how well all of it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from appliance.access import ApiKey
from appliance.clock import monotonic_s, now_ms
from appliance.consent import ConsentWatch
from appliance.content import Guard
from appliance.errors import Error
from appliance.evidence import EvidenceWatch, basis_of
from appliance.flows import FlowWatch, Runner
from appliance.intake import LOOK_S_MAX, Caller, Peers, Portability, Rates, Ring, Seals, Spread
from appliance.message import Batch
from appliance.router import RouteWatch
from appliance.senders import SenderWatch
from appliance.settings import Settings
from appliance.shards import layout_of
from appliance.store import Readers, StoreWatch
from appliance.templates import TemplateWatch
from appliance.text import transliterated
from appliance.verify import Payers, VerifyWatch

from .callbacks import CallbackRule
from .certificate_numbers import CertificateNumbers
from .dropped_numbers import DroppedNumbers
from .number_checking import NumberChecking
from .numbers import Numbers

T = TypeVar("T")

STATE_FRESH_S: Final = 0.1  # an engine's state so young is not asked for again


class Record(Protocol):
    """The part of `appliance.audit.Recorder` that a gateway uses."""

    async def record(self, who: str, what: str, on: str, outcome: str = ..., **detail: Any) -> Any: ...


class Handing(Protocol):
    """The part of `handing_on.HandingOn` that the process runs."""

    async def keep_looking(self) -> None: ...
    async def settle(self) -> None: ...
    async def told(self, verification: bytes) -> None: ...


class Gateway:
    """Made once per process; nothing in it outlives the process but what the engine made durable."""

    def __init__(
        self,
        settings: Settings,
        index: int,
        ring: Ring,
        engine: Caller,
        auditor: Caller,
        recorder: Record,
        blind_indexer: Callable[[bytes], Callable[[str], bytes]],
    ) -> None:
        self.settings = settings
        self.index = index
        self.ring = ring
        self.engine = engine
        self.auditor = auditor
        self.recorder = recorder
        self.seals = Seals(ring, blind_indexer)
        self.peers = Peers(self.seals, engine, auditor, settings["hsm.grace_s"])
        self.funnel = Spread(self._accept, self._seen, layout_of(settings, now_ms()))
        self.rates = Rates(settings["limits.requests_per_s"], settings["api.gateways"])
        self.callbacks = CallbackRule(settings["webhook.hosts"], settings["webhook.allow_loopback"])
        self.guard = Guard.of(settings, transliterated)
        self.templates = TemplateWatch(settings)
        self.consent = ConsentWatch(settings)
        self.senders = SenderWatch(settings)
        self.routing = RouteWatch(settings)
        self.evidence = EvidenceWatch(settings, f"gateway-{index}")
        self.verifications = VerifyWatch(settings)
        self.flows = FlowWatch(settings)
        self.exemptions: StoreWatch[Payers] = StoreWatch(
            "the exemptions", lambda: Payers(settings.home / "exemptions.db")
        )
        self.numbers = Numbers(index)
        self.numbers.certificates = CertificateNumbers(settings)
        self.numbers.dropped = DroppedNumbers(settings.home)
        self.numbers.ready = self._ready
        self.numbers.hsms = lambda: getattr(ring, "hsms", [])
        self.portability: Portability | None = None  # None: nothing is asked by ENUM
        self.number_checks = NumberChecking(settings, None, self.numbers)
        self.handing: Handing | None = None  # of verifications' messages, once the application is made
        self.courier: Caller | None = None
        self.runner: Runner | None = None  # of workflows, where this gateway has it
        self.door: Caller | None = None  # asked for its counts only; None: it is closed
        self._state_at_s = -1.0
        # One thread with its own Reader for single messages, one for searches, so that a slow search holds up no status.
        self._lookups = ThreadPoolExecutor(1, "lookup")
        self._searches = ThreadPoolExecutor(1, "search")
        self._readers = {self._lookups: Readers(settings.stores), self._searches: Readers(settings.stores)}

    def _ready(self) -> dict[str, bool]:
        engines = {f"engine-{n}": ok for n, (ok, _) in self.peers.engines.items()}
        return {name: ok for name, (ok, _) in self.peers.checks.items()} | engines | {"hsm": self.peers.hsm_well}

    # --- sending ------------------------------------------------------------------------------------------

    def charge(self, caller: ApiKey, messages: int) -> None:
        """Raises Error `rate_limited`; 0 messages only asks."""
        wait_s = self.rates.take(caller.id, caller.rate_per_s, messages, monotonic_s())
        if wait_s:
            raise Error(
                "rate_limited",
                "this API key sends faster than it may",
                f"send again after {wait_s} s",
                retry_after_s=wait_s,
            )

    def serves(self, to: str, class_: int, sender: str) -> bool:
        """Whether a link takes this message."""
        return self.routing.table.serves(to, class_, sender)

    def basis(self) -> str:
        """The versions of the rules that let messages through now."""
        upto, register = self.consent.consent.suppressed.upto, self.senders.now
        return basis_of(self.evidence.policy.digest, upto, register.version, self.routing.active.version)

    def refused(self, error: Error) -> None:
        """A message was refused: counted for the metrics and for the evidence."""
        self.numbers.refused(error.code)
        self.evidence.refused(error)

    def ask_by_enum(self, courier: Caller) -> None:
        """From now on the operators of numbers that some row [[enum]] names are asked for."""
        self.portability = Portability(self.settings.enums, courier, self.routing.shelf.learned, monotonic_s)

    async def learn(self, numbers: Iterable[str]) -> None:
        """What ENUM says of numbers, before their routes are chosen. Never raises."""
        if self.portability is not None:
            await self.portability.learn(numbers)

    async def owner(self, rows: list[Any], key_mac: bytes) -> int:
        """The shard that will own the messages of a request; `key_mac` empty without an Idempotency-Key."""
        self.funnel.look(self.peers.engines)
        return await self.funnel.owner(rows, self.routing.table, key_mac)

    async def _accept(self, batch: Batch) -> dict[str, Any]:
        if self.portability is not None:
            batch.operators = self.portability.of(batch.to)
        reply: dict[str, Any] = await self.engine.call("accept", batch)
        return reply

    async def _seen(self, shard: int, macs: list[bytes]) -> list[bytes]:
        found: list[bytes] = (await self.engine.call("seen", {"shard": shard, "macs": macs}))["macs"]
        return found

    # --- reading ------------------------------------------------------------------------------------------

    async def look_up(self, do: Callable[[Readers], T]) -> T:
        return await self._in(self._lookups, do)

    async def search(self, do: Callable[[Readers], T]) -> T:
        return await self._in(self._searches, do)

    async def _in(self, pool: ThreadPoolExecutor, do: Callable[[Readers], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, do, self._readers[pool])

    # --- how the engine is --------------------------------------------------------------------------------

    async def engine_state(self) -> dict[str, Any]:
        """The engine's `state`, a tenth of a second old at most. Raises Error `engine_unavailable`."""
        now_s = monotonic_s()
        if self.numbers.engine is None or now_s - self._state_at_s > STATE_FRESH_S:
            try:
                self.numbers.engine = await self.engine.call("state", {}, timeout_s=LOOK_S_MAX)
                self._state_at_s = monotonic_s()
            except Error:
                self.numbers.engine = None
                raise Error("engine_unavailable", "the engine does not answer", "try again in a moment") from None
        return self.numbers.engine

    async def look_at_door(self) -> None:
        """Takes the door's `state` into the numbers, nothing when it does not answer."""
        self.numbers.door = None
        if self.door is not None:
            with suppress(Error):
                self.numbers.door = await self.door.call("state", {}, timeout_s=LOOK_S_MAX)

    async def look_at_auditor(self) -> None:
        """The same of the audit log."""
        self.numbers.audit = None
        with suppress(Error):
            self.numbers.audit = await self.auditor.call("state", {}, timeout_s=LOOK_S_MAX)

    def close(self) -> None:
        self.templates.close()
        self.consent.close()
        self.senders.close()
        self.evidence.close()
        self.verifications.close()
        self.exemptions.close()
        self.flows.close()
        for pool, reader in self._readers.items():
            pool.submit(reader.close)
            pool.shutdown(wait=True)

"""What all connections of the door share: who may bind, the way to the engine, the stores, and how well all of it is."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from appliance.access import Access, DoorAccount, DoorAccounts, address_of
from appliance.clock import monotonic_s, now_ms
from appliance.consent import ConsentWatch
from appliance.content import Guard
from appliance.errors import Error
from appliance.evidence import EvidenceWatch, basis_of
from appliance.intake import Caller, Peers, Portability, Rates, Refusals, Ring, Seals, Spread
from appliance.limits import (
    DOOR_CONNECTIONS_MAX,
    DOOR_CONNECTIONS_PER_ADDRESS,
    DOOR_STRANGERS_MAX,
    DOOR_STRANGERS_PER_ADDRESS,
)
from appliance.message import Batch
from appliance.router import RouteWatch
from appliance.senders import SenderWatch
from appliance.settings import Settings
from appliance.shards import layout_of
from appliance.smpp import BindAsked, spec
from appliance.store import Readers
from appliance.text import transliterated

from .asking import Asking
from .carrying import Carrying
from .connection import Connection
from .long import Long
from .numbers import Numbers
from .post import Post
from .statuses import status_of
from .submitting import Submitting

log = logging.getLogger(__name__)
T = TypeVar("T")


class Record(Protocol):
    """The part of `appliance.audit.Recorder` that the door uses."""

    async def record(self, who: str, what: str, on: str, outcome: str = ..., **detail: Any) -> Any: ...


class Desk:
    """Made once per process. `check`: whose bind this is, blocking, as `Access.check_door`."""

    def __init__(
        self,
        settings: Settings,
        ring: Ring,
        engine: Caller,
        auditor: Caller,
        recorder: Record,
        blind_indexer: Callable[[bytes], Callable[[str], bytes]],
        access: Access,
    ) -> None:
        self.settings = settings
        self.engine = engine
        self.access = access
        self.seals = Seals(ring, blind_indexer)
        self.peers = Peers(self.seals, engine, auditor, settings["hsm.grace_s"])
        self.funnel = Spread(self._accept, self._seen, layout_of(settings, now_ms()))
        self.rates = Rates(settings["limits.requests_per_s"], 1)
        self.guard = Guard.of(settings, transliterated)
        self.routing = RouteWatch(settings)
        self.consent = ConsentWatch(settings)
        self.senders = SenderWatch(settings)
        self.evidence = EvidenceWatch(settings, "door")
        self.numbers = Numbers()
        self.portability: Portability | None = None  # None: nothing is asked by ENUM
        self.accounts = DoorAccounts([])
        self.connections: set[Connection] = set()
        self.bound: dict[int, set[Connection]] = {}  # account -> its binds
        self._bound_since = False  # somebody bound after the accounts were looked at
        self._strangers: Counter[str] = Counter()
        self._from: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._checks = ThreadPoolExecutor(2, "credentials")  # argon2 uses 64 MiB a check
        self._watch = ThreadPoolExecutor(1, "access")  # a snapshot says whether it is fresh on its own thread only
        self._lookups = ThreadPoolExecutor(1, "lookup")
        self._reader = Readers(settings.stores)
        self._refused = Refusals(recorder, "door:unknown", "door.refused")
        self._bound = Refusals(recorder, "process:door", "door.bound", "ok")
        self.closing = False
        self.submitting = Submitting(self)
        self.asking = Asking(self)
        alphabets = {link.name: link.alphabet for link in settings.links}
        self.post = Post(settings.home / "door.db", ring, self.accounts, alphabets, settings["door.keep_days"])
        self.carrying = Carrying(self, self.post)
        self.long = Long(self)
        self.submit = self.submitting.take
        self.ask = self.asking.take
        self.delivered = self.carrying.delivered
        self.ready = self.carrying.ready

    def basis(self) -> str:
        """The versions of the rules that let messages through now."""
        upto, register = self.consent.consent.suppressed.upto, self.senders.now
        return basis_of(self.evidence.policy.digest, upto, register.version, self.routing.active.version)

    # --- connections --------------------------------------------------------------------------------------
    def let_in(self, connection: Connection) -> bool:
        """Whether there is room for one more; it is counted until it is gone."""
        self.connections.add(connection)
        self._from[connection.counted] += 1
        self._strangers[connection.counted] += 1
        self.numbers.connections = len(self.connections)
        return not (
            self.closing
            or len(self.connections) > DOOR_CONNECTIONS_MAX
            or self._from[connection.counted] > DOOR_CONNECTIONS_PER_ADDRESS
            or self._strangers[connection.counted] > DOOR_STRANGERS_PER_ADDRESS
            or self._strangers.total() > DOOR_STRANGERS_MAX
        )

    def gone(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._less(self._from, connection)
        self.numbers.connections = len(self.connections)
        account = connection.account
        if account is None:
            self._less(self._strangers, connection)
            return
        self.bound[account.id].discard(connection)
        self.numbers.binds[connection.session.kind] -= 1
        self.carrying.gone(connection)

    @staticmethod
    def _less(counter: Counter[str], connection: Connection) -> None:
        counter[connection.counted] -= 1
        if counter[connection.counted] <= 0:
            del counter[connection.counted]

    # --- binds --------------------------------------------------------------------------------------------
    def bind(self, connection: Connection, asked: BindAsked) -> None:
        self.task(self._bind(connection, asked))

    async def _bind(self, connection: Connection, asked: BindAsked) -> None:
        """Wrong name, password or address are one answer after one time: nobody learns which it was."""
        try:
            account = await asyncio.get_running_loop().run_in_executor(
                self._checks, self.access.check_door, asked.system_id, asked.password, connection.address
            )
        except Error as e:
            if e.code in ("unauthorized", "rate_limited"):
                self._refused.note(connection.counted)
            connection.refuse_bind(spec.ESME_RBINDFAIL if e.code == "rate_limited" else status_of(e))
            return
        except Exception:
            log.exception("a bind could not be checked")
            connection.refuse_bind(spec.ESME_RSYSERR)
            return
        binds = self.bound.setdefault(account.id, set())
        if connection.closed or connection.session.state != "binding":
            return
        if self.closing:
            connection.refuse_bind(spec.ESME_RSYSERR)
        elif len(binds) >= account.binds_max:
            connection.refuse_bind(spec.ESME_RALYBND)
        else:
            binds.add(connection)
            self._bound_since = True  # the account may have been revoked while its password was checked
            self._less(self._strangers, connection)
            self.numbers.binds[asked.kind] += 1
            self.numbers.bound += 1
            connection.accept_bind(account)
            self._bound.note(address_of(connection.address), f"door:{account.system_id}")
            self.carrying.ready(connection)

    async def look(self) -> None:
        """Takes a new snapshot of the accounts when one was changed, and ends binds that no longer fit."""
        again, self._bound_since = self._bound_since or not len(self.accounts), False
        try:
            fresh = await asyncio.get_running_loop().run_in_executor(self._watch, self._fresh, again)
        except Error as e:
            self._bound_since |= again
            log.warning("the door's accounts cannot be read: %s", e.code)
            return
        if fresh is None:
            return
        self.accounts = self.post.accounts = fresh
        self.carrying.wake([account.id for account in fresh])
        for number, binds in self.bound.items():
            account = fresh.get(number)
            for n, connection in enumerate(list(binds)):
                if account is None or n >= account.binds_max or not account.admits(connection.address):
                    connection.unbind()
                else:
                    connection.account = account
                    connection.session.window = connection.session.deliver_window = account.window

    def _fresh(self, again: bool) -> DoorAccounts | None:
        return self.access.door_accounts() if again or not self.accounts.fresh() else None

    # --- sending ------------------------------------------------------------------------------------------
    def charge(self, account: DoorAccount, messages: int) -> None:
        """Raises Error `rate_limited`."""
        if self.rates.take(account.id, account.rate_per_s, messages, monotonic_s()):
            raise Error("rate_limited", "this account sends faster than it may")

    def serves(self, to: str, class_: int, sender: str) -> bool:
        """Whether a link takes this message."""
        return self.routing.table.serves(to, class_, sender)

    async def owner(self, rows: list[Any] | None, class_: str = "transaction") -> int:
        """The shard that will own the messages of these rows; None: of rows that nobody has read yet."""
        self.funnel.look(self.peers.engines)
        return await self.funnel.owner(rows, self.routing.table, class_=class_)

    async def _accept(self, batch: Batch) -> dict[str, Any]:
        reply: dict[str, Any] = await self.engine.call("accept", batch)
        return reply

    async def _seen(self, shard: int, macs: list[bytes]) -> list[bytes]:
        found: list[bytes] = (await self.engine.call("seen", {"shard": shard, "macs": macs}))["macs"]
        return found

    async def look_up(self, do: Callable[[Readers], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._lookups, do, self._reader)

    # --- the process --------------------------------------------------------------------------------------
    def task(self, coroutine: Any) -> None:
        """Runs beside; `settle` waits for it."""
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a request failed", exc_info=task.exception())

    async def settle(self) -> None:
        """Returns when nothing is under way any more."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        await self.funnel.settle()

    def tick(self, now_s: float) -> None:
        for connection in list(self.connections):
            connection.tick(now_s)
        self.carrying.tick(now_s)
        self.long.tick(now_s)

    def close(self) -> None:
        self.post.close()
        self.senders.close()
        self.long.close()
        self.consent.close()
        self.evidence.close()
        self._lookups.submit(self._reader.close)
        self._checks.shutdown(wait=True, cancel_futures=True)  # a flood of binds must not hold up the stop
        for pool in (self._lookups, self._watch):
            pool.shutdown(wait=True)

"""The `keys` process: serves the desk on its socket, tends the HSM, makes tomorrow's key before midnight, sends what is on the record."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading

from appliance.audit import forward
from appliance.clock import now_ms
from appliance.errors import Error
from appliance.intercom import Client, Server
from appliance.limits import AUDIT_CHECKPOINT_S_MAX, KEY_AHEAD_LOOK_S, KEY_AHEAD_MS, RECONNECT_S_MAX
from appliance.settings import Settings
from hsm import SECOND_CREDENTIAL, HsmError, Pair, Place, Pool, close_shutters

from . import life
from .calendar import Calendar
from .custodians import Custodians
from .custody_desk import CustodyDesk
from .desk import Desk
from .gate import Gate
from .record import days_wanted
from .register import Register

log = logging.getLogger(__name__)


async def serve(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT. The socket answers `ping` at once; `ready` is true when the token is open."""
    close_shutters()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    keys = Keys(settings)
    await keys.start()
    try:
        await stop.wait()
    finally:
        await keys.stop()


class Hosted:
    """The same in a thread of another program, where no process of its own runs: a ceremony on a box before its first start, a rehearsal."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="keys", daemon=True)
        self._keys: Keys | None = None

    def start(self) -> None:
        """Raises Error."""
        close_shutters()
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result()

    async def _begin(self) -> None:
        self._keys = Keys(self._settings, awaits_ceremony=True)
        self._keys.desk.acts.checkpointed = (
            None  # there is no auditor beside it: what two people decide is only rehearsed here
        )
        await self._keys.start()

    def stop(self) -> None:
        if self._keys is not None:
            asyncio.run_coroutine_threadsafe(self._keys.stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def place_of(settings: Settings) -> Place:
    """Where the token is."""
    return Place(
        settings.home / "hsm",
        settings["hsm.module"],
        settings["hsm.token_label"],
        settings["hsm.pin_file"],
        settings["hsm.call_s_max"],
        settings["hsm.init_string"],
        replicable=settings["hsm.replicable"],
    )


def second_place_of(settings: Settings) -> Place | None:
    """Where the second token is; None when there is one HSM."""
    if not settings["hsm.second_token_label"]:
        return None
    return Place(
        settings.home / "hsm" / "second",
        settings["hsm.second_module"] or settings["hsm.module"],
        settings["hsm.second_token_label"],
        settings["hsm.second_pin_file"],
        settings["hsm.call_s_max"],
        settings["hsm.second_init_string"],
        credential=SECOND_CREDENTIAL,
        replicable=settings["hsm.replicable"],
    )


class Keys:
    """One box's keys: register, pool and desk put together."""

    def __init__(self, settings: Settings, awaits_ceremony: bool = False) -> None:
        self.settings = settings
        self.register = Register(settings.home / "keys" / "keys.db")
        self.pool = self._hsm()
        self.desk = Desk(self.register, self.pool)
        self.desk.calendar = Calendar(settings.home / "keys", self.register.newest_day, self._clock)
        by_ceremony = awaits_ceremony or settings["hsm.first_keys"] == "ceremony"
        self.gate = Gate(
            self.pool.place, self.pool, self.desk.record, self.desk.forget, settings["hsm.opened_by"], by_ceremony
        )
        self.custodians = Custodians(self.desk.keeper, self.gate, settings.home / "keys", self.desk.clock)
        self.desk.acts.custodians, self.desk.acts.checkpointed = self.custodians, self._checkpointed
        people = CustodyDesk(self.gate, self.custodians, settings["audit.origin"])
        self.server = Server(
            {**self.desk.handlers, **{op: Desk.guarded(op, act) for op, act in people.handlers.items()}}
        )
        self._auditor = Client(settings.socket("auditor"))
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.server.start(self.settings.socket("keys"))
        self.desk.record("process.start", "process:keys")
        self.gate.start(self._keys_exist())
        self._tasks = [asyncio.create_task(self._forward()), asyncio.create_task(self._make_ahead())]

    async def stop(self) -> None:
        await self.server.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.pool.stop()
        with contextlib.suppress(Error):
            self.desk.record("process.stop", "process:keys")
            await forward(
                self.register.outbox, self._auditor
            )  # usually the auditor is gone already: it gets them at the next start
        self._auditor.close()
        self.register.close()

    def _hsm(self) -> Pool | Pair:
        first, second = place_of(self.settings), second_place_of(self.settings)
        if second is None:
            return Pool(first, self._keys_exist, self._admit, self._hear, roots=self._roots)
        return Pair(
            (first, second),
            self._keys_exist,
            self._admit,
            self._hear,
            self._roots,
            lambda: {row.mechanism for row in self.register.rows() if row.state != life.DESTROYED},
            self.settings["hsm.failover_s_max"],
            self.settings["hsm.return_s"],
        )

    def _keys_exist(self) -> bool:
        """Whether the token holds keys that are in use: then none is made, and a token without them is refused."""
        return self.register.token() is not None or self.custodians.path.exists()

    async def _checkpointed(self) -> None:
        """Has the log signed up to now, before an act that it has to be able to tell of. Raises Error `audit_unavailable`."""
        try:
            while await forward(self.register.outbox, self._auditor):
                pass
            await self._auditor.call("checkpoint", {}, timeout_s=AUDIT_CHECKPOINT_S_MAX)
        except Error as e:
            raise Error(
                "audit_unavailable",
                f"nothing is done that the audit log cannot tell of: {e.message}",
                "see `casemate status`",
            ) from None

    def _admit(self, opened: dict[str, object]) -> None:
        self.desk.admit(opened)

    def _roots(self) -> list[int]:
        return self.desk.keeper.roots()

    def _hear(self, what: str, detail: dict[str, object]) -> None:
        self.desk.hear(what, detail)

    def _clock(self, what: str, **detail: int) -> None:
        """What the calendar tells; a full disk keeps nobody from its work."""
        try:
            self.desk.record(what, "process:keys", "failed", **detail)
        except Error as e:
            log.error("keys: %s is not on the record: %s", what, e)

    async def _forward(self) -> None:
        """Sends the outbox to the auditor, at the next record or again after a pause."""
        while True:
            try:
                while await forward(self.register.outbox, self._auditor):
                    pass
                await self.desk.recorded.wait()
                self.desk.recorded.clear()
            except Error as e:
                log.debug("keys: the auditor does not take entries: %s", e)
                await asyncio.sleep(RECONNECT_S_MAX / 2)

    async def _make_ahead(self) -> None:
        """Keeps today's key, and shortly before midnight UTC tomorrow's, in the store: nobody waits for the HSM at midnight."""
        while True:
            pause_s = 0.5
            if self.pool.why is None:
                try:
                    self.desk.today()  # before a key of a day that may never be is there
                    for day in days_wanted(now_ms(), KEY_AHEAD_MS):
                        await self.desk.keeper.for_day(day)
                    await self.desk.keeper.turn(self.settings.kept_days, self.desk.today())
                    pause_s = KEY_AHEAD_LOOK_S
                except (Error, HsmError) as e:
                    log.warning("keys: a day's key could not be made ahead: %s", e)
            await asyncio.sleep(pause_s)

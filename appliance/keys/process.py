"""The `keys` process: serves the desk on its socket, tends the HSM, makes tomorrow's key before midnight, sends what is on the record."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal

from appliance.audit import forward
from appliance.clock import now_ms
from appliance.errors import Error
from appliance.intercom import Client, Server
from appliance.limits import KEY_AHEAD_LOOK_S, KEY_AHEAD_MS, RECONNECT_S_MAX
from appliance.settings import Settings
from hsm import SECOND_CREDENTIAL, HsmError, Pair, Place, Pool, close_shutters

from . import life
from .calendar import Calendar
from .desk import Desk
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


def kept_days(settings: Settings) -> int:
    """Days that a daily key outlives its day: as long as anything sealed under it is kept."""
    return int(max(settings["store.retention_days"], settings["door.keep_days"]))


class Keys:
    """One box's keys: register, pool and desk put together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.register = Register(settings.home / "keys" / "keys.db")
        self.pool = self._hsm()
        self.desk = Desk(self.register, self.pool)
        self.desk.calendar = Calendar(settings.home / "keys", self.register.newest_day, self._clock)
        self.server = Server(self.desk.handlers)
        self._auditor = Client(settings.socket("auditor"))
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.server.start(self.settings.socket("keys"))
        self.desk.record("process.start", "process:keys")
        self.pool.start()
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
        return self.register.token() is not None

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
                    await self.desk.keeper.turn(kept_days(self.settings), self.desk.today())
                    pause_s = KEY_AHEAD_LOOK_S
                except (Error, HsmError) as e:
                    log.warning("keys: a day's key could not be made ahead: %s", e)
            await asyncio.sleep(pause_s)

"""The parent's side of the HSM: workers, deadlines, keep-alive, breaker, and the rule that a PIN is never tried twice.

Every call ends within its deadline: with a result, with a refusal, or with `hsm_unavailable`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from . import breaker, life, shown
from .bounds import KEEPALIVE_S, OPEN_S_MAX, RESTART_S_MIN, SOON_MAX, TRIAL_S, WAITING_MAX, WORKERS
from .errors import HsmError
from .pin import Refused, identity
from .place import FIRST, Admit, Place, Told
from .seat import COMMAND, Lost, Seat
from .softhsm import SoftHsm, find_module, pin_path
from .visit import Visit, visit

_HINT: Final = "it is tried again by itself; see `casemate status`"


class Pool:
    """Calls to the HSM. `keys_exist` says whether data keys are already wrapped, so that no new key-encryption key may be made."""

    def __init__(
        self,
        place: Place,
        keys_exist: Callable[[], bool],
        admit: Admit,
        told: Told,
        workers: int = WORKERS,
        roots: Callable[[], list[int]] = lambda: [1],
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self.place = place
        self.breaker = breaker.Breaker()
        self.seats = [Seat(n, command) for n in range(workers)]
        self.opened: dict[str, Any] = {}  # what the last worker said when it opened
        self.calls = 0
        self.errors = 0
        self._keys_exist = keys_exist
        self._admit = admit
        self._roots = roots
        self._told = told
        self._embedded = None if place.module else SoftHsm(place.folder)
        self._refused = Refused(place.folder)
        self._why = HsmError("hsm_unavailable", "the HSM is being opened", _HINT)
        self._was_ready = False
        self._pin = ""  # brought by people and tried before; empty: the PIN file's
        self._pin_bad: HsmError | None = None
        self._opening = asyncio.Lock()  # one log-in at a time: a wrong PIN is seen before the next is tried
        self._free: list[Seat] = []
        self._waiting: deque[asyncio.Future[Seat]] = deque()
        self._tasks: list[asyncio.Task[None]] = []

    # --- what callers use ---------------------------------------------------------------------------------

    @property
    def why(self) -> HsmError | None:
        """None when calls are let through, else why not."""
        return None if self.breaker.state == breaker.CLOSED else self._why

    async def wrap(self, key: bytes, context: bytes, root: int = 1) -> tuple[str, bytes]:
        name, wrapped = await self.call("wrap", key=key, context=context, root=root)
        return name, wrapped

    async def unwrap(self, mechanism: str, wrapped: bytes, context: bytes, root: int = 1) -> bytes:
        """Raises HsmError `key_refused` when key or context were changed."""
        return bytes(await self.call("unwrap", mechanism=mechanism, wrapped=wrapped, context=context, root=root))

    async def make_root(self, root: int) -> None:
        await self.call("make_root", root=root)

    async def destroy_root(self, root: int) -> None:
        await self.call("destroy_root", root=root)

    async def cold_start(self) -> None:
        """Ends every worker and waits for new ones: what they then unwrap, they unwrap from a cold start."""
        for seat in self.seats:
            await self._lose(seat, HsmError("hsm_unavailable", "the HSM is opened anew on purpose", _HINT))
        try:
            async with asyncio.timeout(OPEN_S_MAX * len(self.seats)):
                while self.why is not None:
                    await asyncio.sleep(RESTART_S_MIN / 2)
        except TimeoutError:
            raise HsmError("hsm_unavailable", "the HSM did not open again in time", _HINT) from None

    async def mac(self, body: bytes) -> bytes:
        return bytes(await self.call("mac", body=body))

    async def sign(self, body: bytes) -> bytes:
        return bytes(await self.call("sign", body=body))

    async def random(self, octets: int) -> bytes:
        return bytes(await self.call("random", octets=octets))

    async def call(self, op: str, deadline_s: float = 0.0, **given: Any) -> Any:
        """One operation; asked of a second worker when the first dies under it (all operations may be done twice).

        `deadline_s`: shorter than the setting's, when there is another HSM to ask.
        """
        if self.why is not None:
            raise self.why
        self.calls += 1
        loop = asyncio.get_running_loop()
        begun_s, within_s = loop.time(), deadline_s or self.place.call_s_max
        try:
            try:
                return await self._ask(await self._take(within_s), op, given, within_s)
            except Lost as e:
                if e.late or loop.time() - begun_s > within_s / 2:
                    raise
            return await self._ask(await self._take(within_s), op, given, within_s)
        except Lost as e:
            self.errors += 1
            raise HsmError("hsm_unavailable", f"the HSM did not do what was asked: {e}", _HINT) from None
        except HsmError:
            self.errors += 1
            raise

    def state(self) -> dict[str, Any]:
        """For `casemate status` and the console."""
        return shown.state(self)

    def hsms(self) -> list[dict[str, Any]]:
        """One row for each HSM: there is one."""
        well = self.why is None
        return [{**shown.row(self), "hsm": FIRST, "up": well, "serves": well, "in_step": well}]

    # --- start and stop -----------------------------------------------------------------------------------

    def start(self, pin: str = "") -> None:
        """Starts the workers in the background; `why` tells when they are ready. `pin` is kept until they are stopped."""
        self.bring(pin)
        self._tasks = [asyncio.create_task(self._tend(seat)) for seat in self.seats]

    def bring(self, pin: str) -> None:
        """A PIN that people brought; empty: the PIN file's."""
        self._pin, self._pin_bad = pin, None

    def wait_for(self, why: HsmError) -> None:
        """Says why nothing is opened yet, instead of starting."""
        self._why = why

    async def stop(self, why: HsmError | None = None) -> None:
        """Ends every worker; what is asked afterwards fails with `why`. It may be started again."""
        self._pin, self._was_ready = "", False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._why = why or HsmError("hsm_unavailable", "the HSM is closed", "")
        self.breaker.state = breaker.OPEN
        self._fail_waiting()
        self._free.clear()
        for seat in self.seats:
            seat.life.hear(life.STOP, self._now())
        await asyncio.gather(*(seat.end(politely=True) for seat in self.seats))

    # --- seats --------------------------------------------------------------------------------------------

    async def _take(self, within_s: float) -> Seat:
        if self._free:
            seat = self._free.pop()
            seat.life.hear(life.TAKEN, self._now())
            return seat
        if len(self._waiting) >= WAITING_MAX:
            raise HsmError("hsm_unavailable", "too many calls wait for the HSM", _HINT)
        future: asyncio.Future[Seat] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            async with asyncio.timeout(within_s / 2):
                return await future
        except BaseException as e:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._give(future.result())
            if isinstance(e, TimeoutError):
                raise HsmError("hsm_unavailable", "no worker of the HSM became free in time", _HINT) from None
            raise

    def _give(self, seat: Seat) -> None:
        """The seat has answered."""
        seat.life.hear(life.ANSWERED, self._now())
        self._offer(seat)

    def _offer(self, seat: Seat) -> None:
        """An idle seat goes to the next who waits, else to the free ones."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                seat.life.hear(life.TAKEN, self._now())
                future.set_result(seat)
                return
        self._free.append(seat)

    def _fail_waiting(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.done():
                future.set_exception(HsmError(self._why.code, self._why.message, self._why.hint))

    async def _ask(self, seat: Seat, op: str, given: dict[str, Any], within_s: float) -> Any:
        """Asks a taken seat and gives it back, or loses it."""
        try:
            result = await seat.ask(op, given, within_s)
        except HsmError as e:
            if e.code == "hsm_unavailable":
                await self._lose(seat, e)
            else:
                self._give(seat)
                self._hear(breaker.ANSWERED)
            raise
        except Lost as e:
            await self._lose(seat, HsmError("hsm_unavailable", f"the HSM does not answer: {e}", _HINT))
            raise
        except asyncio.CancelledError:
            await asyncio.shield(self._lose(seat, HsmError("hsm_unavailable", "a call was given up", _HINT)))
            raise
        self._give(seat)
        self._hear(breaker.ANSWERED)
        return result

    async def _lose(self, seat: Seat, why: HsmError) -> None:
        if not seat.life.usable:
            return  # somebody else saw it first
        self._note_loss(seat, why)
        await seat.end()

    def _note_loss(self, seat: Seat, why: HsmError) -> None:
        seat.losses += 1
        seat.life.hear(life.LOST, self._now())
        if seat in self._free:
            self._free.remove(seat)
        self._why = why
        self._hear(breaker.FAILED if any(s.life.usable for s in self.seats) else breaker.NO_WORKER)

    def _hear(self, heard: str) -> None:
        before = self.breaker.state
        after = self.breaker.hear(heard, self._now())
        if after == before:
            return
        if after == breaker.CLOSED:
            if self._was_ready:
                self._told("hsm.back", {})
            self._was_ready = True
        elif before == breaker.CLOSED:
            self._told("hsm.lost", {"code": self._why.code})
            self._fail_waiting()

    # --- tending ------------------------------------------------------------------------------------------

    async def _tend(self, seat: Seat) -> None:
        """Keeps one seat alive for ever."""
        seat.life.hear(life.START, self._now())
        while True:
            state = seat.life.state
            if state == life.OPENING:
                async with self._opening:
                    await self._open(seat)
            elif state == life.PAUSED:
                await asyncio.sleep(max(0.0, seat.life.until_s - self._now()))
                seat.life.hear(life.PAUSE_OVER, self._now())
            elif state == life.BARRED:
                await asyncio.sleep(KEEPALIVE_S / 2)
                if self._pin_refused() is None:
                    seat.life.hear(life.PIN_CHANGED, self._now())
            else:
                await self._watch(seat)

    async def _watch(self, seat: Seat) -> None:
        """One round with a living worker: waits until it is due for its keep-alive, or dead."""
        closed = self.breaker.state == breaker.CLOSED
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEEPALIVE_S if closed else TRIAL_S / 2):
                await seat.died()
                await self._lose(seat, HsmError("hsm_unavailable", "the HSM worker died", _HINT))
                return
        if seat not in self._free:
            return  # busy: its own deadline looks after it
        if self.breaker.state != breaker.CLOSED and not self.breaker.trial_due(self._now()):
            return
        self._free.remove(seat)
        seat.life.hear(life.TAKEN, self._now())
        with contextlib.suppress(HsmError, Lost):
            await self._ask(seat, "alive", {}, self.place.call_s_max)

    async def _open(self, seat: Seat) -> None:
        """Starts a worker and has it log in. Called under the lock."""
        tried = ""
        try:
            refused = self._pin_refused()
            if refused is not None:
                raise refused
            given, environment = self.terms()
            tried = "" if self._pin else identity(self._pin_file())
            await seat.start(environment)
            within_s = life.open_s(self.place.open_s_max, seat.life.losses, self._was_ready)
            opened = await seat.ask("open", given, within_s)
            self._admit(opened)
            if self._embedded is not None and not self._embedded.initialised.exists():
                self._embedded.remember(opened["serial"])
        except (HsmError, Lost, OSError) as e:
            await seat.end()
            if isinstance(e, HsmError) and e.code == "pin_invalid":
                if tried:
                    self._refused.remember(tried)
                elif self._pin:
                    self._pin_bad = e
            self._not_opened(
                seat,
                e if isinstance(e, HsmError) else HsmError("hsm_unavailable", f"the HSM cannot be opened: {e}", _HINT),
            )
            return
        except asyncio.CancelledError:
            await asyncio.shield(seat.end())
            raise
        self.opened = opened
        if opened["initialised"] or opened["made"]:
            made = {"model": opened["model"], "keys_made": len(opened["made"])}
            self._told("token.initialised", {"token_made": opened["initialised"], **made})
        self._told("hsm.login", {"worker": seat.number})
        seat.life.hear(life.OPENED, self._now())
        self._offer(seat)
        if self.breaker.trial_due(self._now()):  # opening was a trial already: the keys were found and one was used
            self._hear(breaker.ANSWERED)

    def _not_opened(self, seat: Seat, error: HsmError) -> None:
        if not any(s.life.usable for s in self.seats):
            self._why = error
        if error.code == "pin_invalid":
            seat.life.hear(life.PIN_REFUSED, self._now())
        else:
            seat.losses += 1
            seat.life.hear(life.LOST, self._now())
            if (
                error.code
                in (
                    "token_missing",
                    "key_missing",
                    "mechanism_missing",
                )
                and seat.losses < SOON_MAX
            ):  # cheap to look again, and a person may be waiting
                seat.life.until_s = min(seat.life.until_s, self._now() + max(RESTART_S_MIN, KEEPALIVE_S))

    def terms(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Arguments of `open` and the worker's environment. Raises HsmError."""
        module, environment, so_pin = self.place.module, {}, ""
        if self._embedded is not None:
            module = str(find_module())
            self._embedded.prepare()
            environment = self._embedded.environment
            if not self._embedded.initialised.exists():
                so_pin = str(self._embedded.so_pin)
        given = {
            "module": module,
            "init_string": self.place.init_string,
            "label": self.place.label,
            "pin_file": "" if self._pin else str(self._pin_file()),
            "pin": self._pin,
            "so_pin_file": so_pin,
            "keys_exist": self._keys_exist() or bool(self.opened),
            "make": True,
            "roots": self._roots(),
            "replicable": self.place.replicable,
        }
        return given, environment

    def visit(self) -> contextlib.AbstractAsyncContextManager[Visit]:
        """A worker beside the others that is logged in and has touched no key. Raises HsmError when it is entered."""
        return visit(self.place, self._pin)

    def _pin_file(self) -> Path:
        return pin_path(self.place.pin_file, self._embedded, credential=self.place.credential)

    def has_pin(self) -> bool:
        """Whether there is a PIN of its own for this token."""
        try:
            return self._pin_file().is_file()
        except HsmError:
            return False

    def _pin_refused(self) -> HsmError | None:
        if self._pin:
            return self._pin_bad
        try:
            return self._refused.check(self._pin_file())
        except HsmError as e:
            return e

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

"""An event loop of asyncio without sockets, threads or time of its own: time passes from one timer to the next.

Every task, callback and timer belongs to the process in whose context it was made. A process that was killed never runs
again: what it had scheduled is dropped where it stands, without `finally` and without `except`, as `kill -9` does.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import signal
from collections.abc import Callable
from random import Random
from typing import Any, Final

STEP_S: Final = 20e-6  # what one callback takes: a loop that turns without waiting makes time pass too
STEPS_MAX: Final = 3_000_000  # of one run: more is a loop that never rests

T0_S: Final = 1_000.0


class Process:
    """One process of the box: alive until it is killed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.pid = 0


WORLD: Final = Process("world")
OPERATORS: Final = Process("operators")  # machines of others: nobody kills them, and their clocks are their own
CURRENT: contextvars.ContextVar[Process] = contextvars.ContextVar("process", default=WORLD)


class Restless(AssertionError):
    """The loop never came to rest."""


class SimLoop(asyncio.BaseEventLoop):
    """Single-threaded, seeded. Executors run their work at a time the seed chooses; `network` makes connections."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self.chance = chance
        self.now_s = T0_S
        self.steps = 0
        self.network: Any = None
        self.signals: dict[tuple[Process, int], Callable[[], None]] = {}
        #: Seconds that a job of an executor waits, and takes: set by the world (a slow disk, a busy machine).
        self.job_s: Callable[[], tuple[float, float]] = lambda: (0.0, 0.001)
        self.busy: dict[Any, None] = {}  # connections that a job uses, from its start until who asked is answered
        self.in_job = False
        self.graves: list[Any] = []  # tasks of dead processes: kept until the run is over
        self.set_task_factory(self._task)
        self.failures: list[str] = []

    def time(self) -> float:
        return self.now_s

    def _task(self, loop: asyncio.AbstractEventLoop, coro: Any, **given: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **given)
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # those of killed processes end so
        self.graves.append(task)
        if len(self.graves) > 4_000:
            self.graves = [each for each in self.graves if not each.done()]
        return task

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise Restless(f"{STEPS_MAX} steps and no end at {self.now_s - T0_S:.3f} s")
        while scheduled and (scheduled[0]._cancelled or scheduled[0]._when <= self.now_s):
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            if not timer._cancelled:
                ready.append(timer)
        if not ready:
            if not scheduled:
                raise Restless("nothing will ever happen again")
            self.now_s = max(self.now_s, scheduled[0]._when)
            return
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled and not handle._context.get(CURRENT, WORLD).dead:
                self.now_s += STEP_S
                handle._run()

    def _timer_handle_cancelled(self, handle: Any) -> None:
        pass

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def is_running(self) -> bool:
        return super().is_running()

    # --- what touches the outside -----------------------------------------------------------------------

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """The job runs in one piece, at its beginning or at its end; who asked hears at the end."""
        future = self.create_future()
        wait_s, take_s = self.job_s()
        early = self.chance.random() < 0.5
        conn = getattr(getattr(func, "__self__", None), "conn", None)
        found: list[Any] = []

        def run() -> None:
            self.in_job = True
            try:
                found.append((True, func(*args)))
            except Exception as e:
                found.append((False, e))
            finally:
                self.in_job = False

        def begin() -> None:
            if conn is not None:
                self.busy[conn] = None
            if early:
                run()
            self.call_later(take_s, end)

        def end() -> None:
            self.busy.pop(conn, None)
            if not found:
                run()
            if not future.done():
                ok, result = found[0]
                if ok:
                    future.set_result(result)
                else:
                    future.set_exception(result)

        self.call_later(wait_s, begin)
        return future

    async def create_connection(self, factory: Any, host: Any = None, port: Any = None, **given: Any) -> Any:  # type: ignore[override]
        return await self.network.connect(factory, f"{host}:{port}")

    async def create_unix_connection(self, factory: Any, path: Any = None, **given: Any) -> Any:  # type: ignore[override]
        return await self.network.connect(factory, str(path))

    async def create_unix_server(self, factory: Any, path: Any = None, **given: Any) -> Any:  # type: ignore[override]
        return self.network.listen(str(path), factory)

    def add_signal_handler(self, sig: int, callback: Any, *args: Any) -> None:
        self.signals[CURRENT.get(), int(sig)] = lambda: callback(*args)

    def terminate(self, process: Process) -> None:
        """SIGTERM."""
        act = self.signals.get((process, int(signal.SIGTERM)))
        if act is not None and not process.dead:
            self.within(process, act)

    def within(self, process: Process, act: Callable[[], Any]) -> Any:
        """Runs `act` as the process: what it schedules is the process's."""
        context = contextvars.copy_context()
        context.run(CURRENT.set, process)
        return context.run(act)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.failures.append(f"{context.get('message')}: {error!r}")

"""Keeps the appliance's processes running: starts them in order, asks each how it is, starts again what died, stops all in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from appliance.clock import monotonic_s, now_ms
from appliance.errors import Error
from appliance.limits import HEALTH_S, PROBE_S_MAX, SETTLE_S_MAX, STARTS_FAILED_MAX, STOP_S_MAX

from .body import Body, LogShelf
from .plan import Child
from .policy import (
    ALIVE,
    DIED,
    DUE,
    KILLING,
    PAUSING,
    READY,
    START,
    STARTING,
    STOP,
    STOPPED,
    STOPPING,
    UNREADY,
    WAITING,
    Watch,
)
from .probe import Probe
from .state_file import StateFile

AHEAD = 4  # processes that load while those before them are not ready: loading is most of a start
LOOK_S = 0.05  # between two looks at a process that is starting: the sum of these is what a person waits
STOP_TIER_S_MAX = SETTLE_S_MAX + 1.0  # for one tier; the whole stop has STOP_S_MAX
MARGIN_S = 0.7  # of STOP_S_MAX, for the killing and for saying so

TAKEN = ("[address_in_use]", "Address already in use")  # what a process says whose port is another's

Say = Callable[[str, str], None]
Tell = Callable[..., None]


def quiet(*_: object, **__: object) -> None:
    """Tells nobody."""


class Post:
    """One child with everything that belongs to it."""

    def __init__(self, child: Child, watch: Watch, probe: Probe, shelf: LogShelf) -> None:
        self.child = child
        self.watch = watch
        self.probe = probe
        self.shelf = shelf
        self.body: Body | None = None
        self.changed = asyncio.Event()
        self.since_ms = 0
        self.task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.child.name


class Watchman:
    """`await run(...)` starts the plan, keeps it up until `stop` is set, and returns the exit code."""

    def __init__(self, home: Path, plan: Sequence[Child], say: Say, tell: Tell = quiet) -> None:
        """`say(name, line)` shows a line to a person; `tell(event, name, **detail)` puts it on the audit log."""
        self.say = say
        self.tell = tell
        self.stop = asyncio.Event()
        self.failed: Error | None = None
        self._environ = dict(os.environ)
        self._state = StateFile(home / "run" / "state.json")
        self._unwritten = False
        self._dice = random.Random()
        self.posts = [
            Post(child, Watch(), Probe(child), LogShelf(home / "log" / f"{child.name}.log", self._shower(child.name)))
            for child in plan
        ]

    def _shower(self, name: str) -> Callable[[str], None]:
        return lambda line: self.say(name, line)

    async def run(self, ready: Callable[[], None] = quiet) -> int:
        """Calls `ready` once everything is. 0 after a clean stop, 1 when something had to be killed or never started."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        self._write()
        stopped = asyncio.ensure_future(self.stop.wait())
        try:
            if await self._start_all(stopped):
                ready()
                self._write()
                await stopped
        except Error as e:
            self.failed = e
        finally:
            stopped.cancel()
        self.say("casemate", "stopping")
        began = monotonic_s()
        clean = await self._stop_all()
        self.say("casemate", f"stopped{'' if clean else ', not cleanly'} ({monotonic_s() - began:.1f} s)")
        return 0 if clean and self.failed is None else 1

    # --- starting ---------------------------------------------------------------------------------------------------

    async def _start_all(self, stopped: asyncio.Future[Any]) -> bool:
        """True once all are ready; false when told to stop before. Raises Error when one dies again and again."""
        for n, post in enumerate(self.posts):
            began = monotonic_s()
            for ahead in self.posts[n : n + 1 + AHEAD]:
                if ahead.body is None:
                    await self._spawn(ahead)
            post.watch.hear(START, began)
            if post.body is not None:
                post.body.go()
            post.task = asyncio.ensure_future(self._tend(post))
            told = began + 5.0
            while post.watch.state not in (READY, UNREADY):
                looked: asyncio.Future[Any] = asyncio.ensure_future(post.changed.wait())
                await asyncio.wait({looked, stopped}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                looked.cancel()
                post.changed.clear()
                if stopped.done():
                    return False
                if post.watch.deaths >= STARTS_FAILED_MAX:
                    raise _never_started(post)
                if monotonic_s() > told:
                    told += 10.0
                    why = post.watch.why or "waiting"
                    self.say(post.name, f"still {post.watch.state}: {why} (log/{post.name}.log of the state folder)")
            how = "is ready" if post.watch.state == READY else "runs, and waits for the token to be opened"
            self.say("casemate", f"{post.name} {how} ({monotonic_s() - began:.1f} s)")
        return True

    # --- while it runs ----------------------------------------------------------------------------------------------

    async def _tend(self, post: Post) -> None:
        """Carries out what the table says about one process until it is stopped."""
        while post.watch.state != STOPPED:
            if post.body is None:
                if post.watch.state == PAUSING:
                    await self._pause(post)
                if post.watch.state == STARTING:
                    await self._spawn(post)
                    if post.body is not None:
                        post.body.go()
            elif post.body.gone.done():
                self._buried(post)
            elif post.watch.state in (KILLING, STOPPING):
                await asyncio.wait({post.body.gone})
            else:
                await self._look(post)

    async def _pause(self, post: Post) -> None:
        left = max(0.0, post.watch.due_s - monotonic_s())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), left)
        self._hear(post, STOP if self.stop.is_set() else DUE)

    async def _spawn(self, post: Post) -> None:
        try:
            post.body = await Body.start(post.child.command, self._environ, post.shelf)
        except OSError as e:
            self.say(post.name, f"cannot be started: {e.strerror}")
            self._hear(post, DIED)
            return
        self._write()

    async def _look(self, post: Post) -> None:
        assert post.body is not None
        starting = post.watch.state == STARTING
        asked = asyncio.ensure_future(post.probe.ask())
        await asyncio.wait({asked, post.body.gone}, return_when=asyncio.FIRST_COMPLETED, timeout=PROBE_S_MAX + 0.5)
        if asked.done() and not post.body.gone.done():
            before = post.watch.state
            if post.watch.probed(*asked.result(), monotonic_s()):
                self._moved(post, before)
        asked.cancel()
        if self._unwritten:
            self._write()
        if post.watch.state == KILLING:
            post.body.kill()
            return
        await asyncio.wait({post.body.gone}, timeout=LOOK_S if starting else HEALTH_S)

    def _buried(self, post: Post) -> None:
        assert post.body is not None
        code = post.body.gone.result()
        pid, post.body = post.body.pid, None
        post.probe.close()
        if post.watch.state != STOPPING:  # starts and stops are recorded by the processes themselves
            self.tell("process.died", post.name, pid=pid, exit=code)
        self._hear(post, DIED)
        if post.watch.state == PAUSING:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
            self.say("casemate", f"{post.name} {how}; started again in {post.watch.due_s - monotonic_s():.1f} s")

    def _hear(self, post: Post, heard: str) -> None:
        before = post.watch.state
        if post.watch.hear(heard, monotonic_s(), self._dice.random()):
            self._moved(post, before)

    def _moved(self, post: Post, before: str) -> None:
        post.since_ms = now_ms()
        post.changed.set()
        self._write()
        state = post.watch.state
        if state == KILLING:
            self.say("casemate", f"{post.name} does not answer; it is killed and started again")
        elif state == "unready":
            self.say("casemate", f"{post.name} is not ready: {post.watch.why}")
        elif state == READY and (before == "unready" or post.watch.restarts):
            self.say("casemate", f"{post.name} is ready again")

    def _write(self) -> None:
        """The state file. A disk that does not take it is no reason to look after nobody any more: it is tried again."""
        rows = [
            {
                "name": post.name,
                "pid": post.body.pid if post.body is not None else None,
                "state": post.watch.state,
                "restarts": post.watch.restarts,
                "since_ms": post.since_ms,
                "why": post.watch.why if post.watch.state != READY else "",
            }
            for post in self.posts
        ]
        try:
            self._state.write(rows)
        except OSError as e:
            if not self._unwritten:
                self.say("casemate", f"run/state.json cannot be written: {e.strerror}")
            self._unwritten = True
        else:
            self._unwritten = False

    # --- stopping ---------------------------------------------------------------------------------------------------

    async def _stop_all(self) -> bool:
        """Tier after tier, the highest first; what is still there when the time is up is killed. True when nothing was."""
        self.stop.set()
        deadline = monotonic_s() + STOP_S_MAX - MARGIN_S
        clean = True
        for tier in sorted({post.child.tier for post in self.posts}, reverse=True):
            here = [post for post in self.posts if post.child.tier == tier]
            for post in here:
                if post.body is not None and (post.watch.state in ALIVE or post.watch.state == WAITING):
                    post.body.terminate()
                self._hear(post, STOP)
            going = {post.body.gone for post in here if post.body is not None}
            if going:
                await asyncio.wait(going, timeout=max(0.0, min(STOP_TIER_S_MAX, deadline - monotonic_s())))
            for post in here:
                if post.body is not None and not post.body.gone.done():
                    clean = False
                    self.say("casemate", f"{post.name} did not stop in time and was killed")
                    post.body.kill()
        tasks = [post.task for post in self.posts if post.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=MARGIN_S)
        for post in self.posts:
            post.shelf.close()
        self._write()
        return clean


def _never_started(post: Post) -> Error:
    tail = [line for line in post.shelf.tail if line]
    taken = next((line for line in reversed(tail) if any(word in line for word in TAKEN)), None)
    if taken is not None:
        said = taken.removeprefix("casemate: ").removesuffix(" [address_in_use]")
        hint = "set it to a free port, or end what listens there"
        return Error("address_in_use", f"{post.name} does not start: {said}", hint, process=post.name)
    return Error(
        "peer_unavailable",
        f"{post.name} does not start: {tail[-1] if tail else 'it says nothing'}",
        f"more in log/{post.name}.log of the state folder",
        process=post.name,
    )

"""One run: a box on a simulated disk, its operators behind a simulated network, a bank, trouble, healing, and the checks."""

from __future__ import annotations

import asyncio
import hashlib
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

from appliance.engine.serve import Engine
from appliance.errors import Error
from appliance.settings import Settings, parse
from appliance.simulator.options import Options
from appliance.store import opening

from . import checks
from .bank import Bank
from .disk import Disk
from .loop import CURRENT, OPERATORS, T0_S, WORLD, Process, SimLoop
from .network import Network
from .operators import SimOperator, Truth
from .others import Auditor, Keys, Taker
from .plan import Plan
from .sqlite import Connection
from .watch import Statuses, Wire, bounded

HEAL_S: Final = 240.0  # after the last trouble everything is settled within this; else something is stuck


class World:
    """Everything of one run."""

    def __init__(self, plan: Plan, folder: Path, look_each: int = 4) -> None:
        self.plan = plan
        self.folder = folder
        self.look_each = look_each
        self.violations: list[str] = []
        self.loop = SimLoop(Random(plan.seed * 7 + 1))
        self.network = Network(self.loop, Random(plan.seed * 7 + 2))
        self.disk = Disk(f"sim{plan.seed}", Random(plan.seed * 7 + 3))
        self.chance = Random(plan.seed * 7 + 4)
        self.clock_ms = self.clock_most_ms = 0
        self.conns: dict[Process, list[Connection]] = {}
        self.submits = self.looks = self.restarts = self.doubted = 0
        self.told_by: Counter[str] = Counter()  # what told whose a receipt is
        self.strike: tuple[int, str] | None = None
        self.slow = False
        self.settings = settings_of(plan, folder)
        self.truth = Truth()
        self.keys = Keys(self.settings)
        self.courier = Taker(self.settings, "courier", {"status_events": "events"})
        self.door = Taker(self.settings, "door", {"events": "events", "inbound": "messages"})
        self.auditor: Auditor | None = None
        self.heads: dict[int, bytes] = {}
        self.engine: Engine | None = None
        self.engine_process: Process | None = None
        self.operators: list[SimOperator] = []
        self.bank = Bank(self, Random(plan.seed * 7 + 5))
        self.wire = Wire(self)
        self.statuses = Statuses(self)
        self.network.watch = self.wire
        self.network.torn = plan.torn
        self.loop.job_s = self._job_s
        self.disk.step = self._disk_step
        self.disk.now_s = self.loop.time
        self.box_up = False
        self.trouble_over = False
        self.lines: list[str] = []

    # --- telling ----------------------------------------------------------------------------------------

    def violated(self, what: str) -> None:
        self.say(f"VIOLATED: {what}")
        self.violations.append(what)

    def say(self, what: str) -> None:
        self.lines.append(f"{self.loop.now_s - T0_S:9.4f}  {what}")

    def named(self, message_id: bytes) -> str:
        message = self.bank.by_id.get(message_id)
        return f"message {message.number}" if message is not None else f"message {message_id.hex()}"

    # --- time and disk ----------------------------------------------------------------------------------

    def now_ms(self) -> int:
        set_ms = 0 if self.plan.own_clock and CURRENT.get() is OPERATORS else self.clock_ms
        return self.plan.base_ms + set_ms + int((self.loop.now_s - T0_S) * 1000)

    def _job_s(self) -> tuple[float, float]:
        low, high = self.plan.job_s if not self.trouble_over else (0.0002, 0.006)
        wait_s, take_s = self.chance.uniform(0, low), self.chance.uniform(low, high)
        return wait_s, take_s + (self.chance.uniform(0.2, 2.0) if self.slow else 0.0)

    def _disk_step(self, what: str) -> None:
        if self.strike is not None and self.box_up:
            left, how = self.strike
            self.strike = (left - 1, how)
            if left <= 1:
                self.strike = None
                self.crash(how, f"in the middle of a {what}")

    def connect(self, path: Path, read_only: bool) -> Any:
        """Stands in for `store.opening.connect`: messages and the audit log are on the simulated disk."""
        if not (path.name.startswith("messages-") or path.name == "audit.db"):
            return _opening_connect(path, read_only)
        conn = Connection(self.disk, path, read_only, self._guard, self._committed)
        self.conns.setdefault(CURRENT.get(), []).append(conn)
        return conn

    def _guard(self, conn: Connection) -> None:
        if conn in self.loop.busy and not self.loop.in_job:
            self.violated(f"{conn.path.name} is used while its commit is under way")
            self.lines += traceback.format_stack()[-6:-2]

    def _committed(self, conn: Connection) -> None:
        """A commit holds. One that power met in its midst returns to a process that is dead by then."""
        engine = self.engine
        if engine is None or CURRENT.get().dead:
            return
        if any(partition.conn is conn for partition in engine.ledger.partitions.values()):  # else it is being made
            self.statuses.committed(conn)

    # --- the box ----------------------------------------------------------------------------------------

    def start_box(self) -> None:
        """Everything that runs on the box, after a power cut or at the beginning."""
        self.box_up = True
        for each in (self.keys, self.courier, self.door):
            self._spawn(type(each).__name__, each.run)
        self._start_auditor()
        self._start_engine()

    def _start_auditor(self) -> None:
        if self.box_up:
            auditor = self.auditor = Auditor(self.settings, self.heads)
            self._spawn("auditor", auditor.run)

    def _spawn(self, name: str, run: Callable[[], Any]) -> Process:
        process = Process(name)
        self.processes.append(process)
        self.loop.within(process, lambda: self.loop.create_task(self._told(process, run)))
        return process

    async def _told(self, process: Process, run: Callable[[], Any]) -> None:
        try:
            await run()
            if process.name != "engine":
                return  # it serves on
        except Exception as e:
            if process.dead:
                return
            code = e.code if isinstance(e, Error) else ""
            self.say(f"{process.name} ended: {e!r}")
            if code not in ("store_full", "hsm_unavailable", "peer_unavailable"):
                self.violated(f"{process.name} ended: {e!r}")
                return
        if not process.dead and process.name in ("engine", "auditor"):
            # The supervisor starts it again.
            self.kill(process)
            self._later(0.3, self._start_engine if process.name == "engine" else self._start_auditor)

    def _start_engine(self) -> None:
        if not self.box_up or (self.engine_process is not None and not self.engine_process.dead):
            return
        self.restarts += 1
        self.wire.restarted()

        async def run() -> None:
            engine = self.engine = Engine(self.settings)
            await engine.run()

        self.engine_process = self._spawn("engine", run)
        self._later(0.0, self._await_ready)

    def _await_ready(self) -> None:
        engine, process = self.engine, self.engine_process
        if process is None or process.dead:
            return
        if engine is None or not engine.ready:
            self._later(0.05, self._await_ready)
            return
        if checks.committing(engine):  # what is not committed yet was never promised
            self._later(0.0002, self._await_ready)
            return
        self.say("the engine is ready")
        self.statuses.all_there(checks.statuses_of(engine))

    def _later(self, seconds: float, act: Callable[[], Any]) -> None:
        self.loop.within(WORLD, lambda: self.loop.call_later(seconds, act))

    def kill(self, process: Process) -> None:
        process.dead = True
        self.network.forget(process)

    def bury(self) -> None:
        """Frees what dead processes had open. Nothing on the disk changes by it."""
        self.disk.burying = True
        for process, conns in list(self.conns.items()):
            if process.dead:
                for conn in conns:
                    conn.close()
                del self.conns[process]
        self.disk.burying = False

    def crash(self, how: str, why: str) -> None:
        """`power`: the box is off and what was not synced is in doubt; `kill`: kill -9 of the engine; `term`: SIGTERM of it."""
        if not self.box_up:
            return
        process = self.engine_process
        self.say(f"{how}: {why}")
        if how == "term":
            if process is not None:
                self.loop.terminate(process)
            return
        self.engine = None
        if how == "kill":
            if process is not None:
                self.kill(process)
                self._later(self.chance.uniform(0.05, 1.0), self._start_engine)
                self._later(0.0, self.bury)
            return
        self.box_up = False
        for each in self.processes:
            self.kill(each)
        self.processes.clear()
        if self.disk.unsure:
            self.bank.nobody_knows(min(self.disk.unsure.values()))
            self.disk.unsure.clear()
        self.disk.power_cut()
        self._later(0.0, self.bury)
        self._later(self.chance.uniform(0.2, 3.0), self.start_box)

    # --- trouble ----------------------------------------------------------------------------------------

    def _plan_trouble(self) -> None:
        plan, at = self.plan, self._later
        for when_s, how in plan.crashes:
            at(when_s, lambda how=how: self.crash(how, "planned"))
        for when_s, how, steps in plan.strikes:
            at(when_s, lambda how=how, steps=steps: setattr(self, "strike", (steps, how)))
        for when_s, long_s, what in plan.disk:
            at(when_s, lambda what=what: self._disk(what, True))
            at(when_s + long_s, lambda what=what: self._disk(what, False))
        for when_s, what, which, long_s in plan.network:
            at(when_s, lambda what=what, which=which, long_s=long_s: self._net(what, self.operators[which], long_s))
        for when_s, long_s, who in plan.others:
            at(when_s, lambda who=who: self._away(who, True))
            at(when_s + long_s, lambda who=who: self._away(who, False))
        for when_s, which, long_s in plan.drains:
            name = plan.links[which]["name"]
            at(when_s, lambda name=name: self._drain(name, True))
            at(when_s + long_s, lambda name=name: self._drain(name, False))
        for when_s, by_ms in plan.clock:
            at(when_s, lambda by_ms=by_ms: self._set_clock(by_ms))

    def _disk(self, what: str, on: bool) -> None:
        self.say(f"disk {what}: {on}")
        if what == "full":
            self.disk.full = on
        elif what == "sync":
            self.disk.sync_fails = on
        else:
            self.slow = on

    def _net(self, what: str, operator: SimOperator, long_s: float) -> None:
        self.say(f"network of {operator.name}: {what}")
        network, address = self.network, operator.address
        if what == "cut":
            for line in network.of(address):
                line.cut()
        elif what == "lost":  # nothing arrives and nobody says so; the operator's side hears of it much later
            for line in network.of(address):
                line.lost = True
                self._later(long_s * 3, lambda line=line: line.server._end(ConnectionResetError()))
        elif what == "dark":
            network.dark.add(address)
            for line in network.of(address):
                line.lost = True
                self._later(long_s, lambda line=line: line.server._end(ConnectionResetError()))
            self._later(long_s, lambda: network.dark.discard(address))
        elif what == "closed":
            operator.shut()
            self._later(long_s, lambda: self.loop.within(OPERATORS, lambda: operator.listen(network)))
        else:
            network.slow += 1
            self._later(long_s, network.quick_again)

    def _away(self, who: str, on: bool) -> None:
        self.say(f"{who} away: {on}")
        other = {"keys": self.keys, "courier": self.courier, "door": self.door, "auditor": self.auditor}[who]
        if other is not None:
            other.away = on

    def _set_clock(self, by_ms: int) -> None:
        self.say(f"the clock is set by {by_ms} ms")
        self.clock_ms += by_ms
        self.clock_most_ms = max(self.clock_most_ms, self.clock_ms)

    def _drain(self, name: str, on: bool) -> None:
        self.say(f"drain of {name}: {on}")
        self.loop.create_task(self.bank.drain(name, on))

    def _heal(self) -> None:
        self.say("healing")
        self.trouble_over = True
        self.disk.full = self.disk.sync_fails = self.slow = False
        self.strike = None
        self.clock_ms = self.clock_most_ms  # else what was scheduled by it waits for an hour
        self.network.dark.clear()
        for each in (self.keys, self.courier, self.door, self.auditor):
            if each is not None:
                each.away = False
        for operator in self.operators:
            operator.calm()

    # --- the run ----------------------------------------------------------------------------------------

    async def _life(self) -> None:
        plan = self.plan
        self.processes: list[Process] = []
        for n, options in enumerate(plan.operators):
            made = Options.made(options)
            operator = SimOperator(f"op{n}", f"op{n}.example:2775", made, self.loop, self.truth)
            self.loop.within(OPERATORS, lambda operator=operator: operator.begin(self.network))
            self.operators.append(operator)
        self.start_box()
        self._plan_trouble()
        for n in range(plan.gateways):
            self.loop.create_task(self.bank.gateway(n))
        if plan.acts:
            self.loop.create_task(self.bank.person())
        if plan.stops:
            self.loop.create_task(self.bank.customer())
        if plan.letters:
            self.loop.create_task(self.bank.letters())
        while self.loop.now_s - T0_S < plan.active_s + 4.0 and not self.violations:
            await asyncio.sleep(0.5)
            bounded(self)
        self._heal()
        healed_s = self.loop.now_s
        left = ["it was never looked"]
        while left and not self.violations and self.loop.now_s - healed_s < HEAL_S:
            await asyncio.sleep(1.0)
            bounded(self)
            left = checks.unsettled(self)
        if left and not self.violations:
            self.violated(f"not settled {HEAL_S:.0f} s after the last trouble: {'; '.join(left[:4])}")
        if not self.violations:
            checks.at_the_end(self)

    def run(self) -> None:
        """The whole life. What was violated is in `violations`."""
        try:
            self.loop.run_until_complete(self._life())
        except Exception as e:
            where = traceback.extract_tb(e.__traceback__)[-1]
            self.violated(f"{type(e).__name__}: {e} ({Path(where.filename).name}:{where.lineno})")
        for failure in self.loop.failures:
            self.violated(f"an exception that nobody heard of: {failure}")
        for process in list(self.conns):
            process.dead = True
        self.bury()
        self.disk.unregister()

    def happened(self) -> Counter[str]:
        """How often what is meant to happen did: a kind of trouble that never comes would show nothing."""
        said = Counter(line[11:].partition(":")[0].partition(" by ")[0] for line in self.lines)
        again = sum(max(0, len(t) - 1) for reached in self.truth.reached.values() for t in reached.parts.values())
        out = self.bank.done + Counter(
            {
                "STOP in force": len(self.bank.wrote_stop),
                "letter": len(self.bank.written),
                "answer of the box": len(self.truth.answers),
                "doubt": self.doubted,
                **{f"told by {how}": n for how, n in self.told_by.items()},
                "sent again": again,
                "restart": self.restarts - 1,
                "power cut": said["power"],
                "kill": said["kill"],
                "clock set": said["the clock is set"],
                "full disk": sum("disk full: True" in line for line in self.lines),
            }
        )
        return Counter({what: n for what, n in out.items() if n > 0})

    def digest(self) -> str:
        """The same for every run of a seed."""
        told = [self.lines, self.submits, self.loop.steps, sorted(self.statuses.seen.items()), self.courier.events]
        return hashlib.sha256(repr(told).encode()).hexdigest()


_opening_connect = opening.connect


def settings_of(plan: Plan, folder: Path) -> Settings:
    """The settings file of the box."""
    engine = {
        f"indeterminate_{c}": p for c, p in zip(("otp", "alert", "transaction", "bulk"), plan.policies, strict=True)
    }
    raw: dict[str, Any] = {"link": plan.links, "engine": engine, "door": {"enabled": True}}
    raw["route"] = [{"prefix": "", "links": [link["name"] for link in plan.links]}]
    return parse(raw, folder, "simulation")

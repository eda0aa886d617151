"""The `casemate bench` command: warm up, measure, drain, tell. Bounded in time and in what it holds."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path
from typing import Any, Final

import click

from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.message import FINAL, STATUSES
from appliance.settings import home_of

from .box import Box, Processes, attached, folder, own
from .door_load import DoorLoad, submits
from .figures import Sample, page, report
from .hostile import hostile
from .load import Load
from .texts import bodies

WARM_S: Final = 3.0
DRAIN_S_MAX: Final = 60.0
WATCH_S: Final = 0.05  # between two looks at the engine's counters
DISTINCT_MESSAGES: Final = 20_000
SEED: Final = 20_261_122
FINAL_NAMES: Final = tuple(STATUSES[s] for s in sorted(FINAL))


class Watch:
    """Asks the engine how far it is, tells the load, keeps a sample a second."""

    def __init__(self, box: Box, load: Load | DoorLoad) -> None:
        self.box = box
        self.load = load
        self.processes = Processes(int(box.engine.call("ping", {})["pid"]))
        self.state = box.state()
        self._final_before = self._final()

    def _final(self) -> int:
        return sum(int(self.state["statuses"].get(name, 0)) for name in FINAL_NAMES)

    def look(self) -> None:
        self.state = self.box.state()
        self.load.final = self._final() - self._final_before

    def sample(self) -> Sample:
        self.look()
        cpu, rss = self.processes.spent()
        segments = self.state["segments"]
        return Sample(
            monotonic_s(),
            self.load.segments,
            self.load.accepted,
            int(self.state["statuses"]["accepted"]),
            int(segments["submitted"]),
            int(segments["answered"]),
            int(segments["receipted"]),
            cpu,
            rss,
        )

    def through(self, seconds: float, pause: threading.Event) -> list[Sample]:
        """Samples, one a second, over `seconds`. Raises Error when the load has given up."""
        began = monotonic_s()
        samples = [self.sample()]
        while (now := monotonic_s()) < began + seconds:
            if not self.load.alive():
                raise Error("peer_unavailable", "no more messages are taken", "see the appliance's log")
            due = began + len(samples)
            if now >= due:
                samples.append(self.sample())
            else:
                pause.wait(min(WATCH_S, due - now))
                self.look()
        samples.append(self.sample())
        return [s for n, s in enumerate(samples) if n == 0 or s.at_s - samples[n - 1].at_s > 0.2]

    def drain(self, pause: threading.Event) -> int:
        """Waits until everything accepted is final, at most DRAIN_S_MAX; how many messages are not."""
        until = monotonic_s() + DRAIN_S_MAX
        while monotonic_s() < until:
            self.look()
            if self.load.final >= self.load.accepted:
                return 0
            pause.wait(WATCH_S)
        return self.load.accepted - self.load.final


def load_of(box: Box, per_call: int, connections: int, in_flight_max: int, door: bool) -> Load | DoorLoad:
    """Through REST, or through the SMPP door. Raises Error `invalid` when the appliance has no door that we know of."""
    if not door:
        made = bodies(SEED, max(DISTINCT_MESSAGES // per_call, connections), per_call)
        return Load(box.api, box.key, made, connections, in_flight_max)
    if not all(box.door):
        raise Error(
            "invalid", "no door was named", "set CASEMATE_DOOR, CASEMATE_DOOR_SYSTEM_ID and CASEMATE_DOOR_PASSWORD"
        )
    return DoorLoad(*box.door, submits(SEED, DISTINCT_MESSAGES), connections, in_flight_max)


def measure(
    box: Box, seconds: float, per_call: int, connections: int, in_flight_max: int, door: bool = False
) -> dict[str, Any]:
    """Loads `box` and returns the report. Raises Error when the API or the engine does not answer."""
    pause = threading.Event()
    load = load_of(box, per_call, connections, in_flight_max, door)
    watch = Watch(box, load)
    load.start()
    try:
        watch.through(WARM_S, pause)
        before = dict(watch.state.get("stages", {}))
        began = monotonic_s()
        samples = watch.through(seconds, pause)
        after = watch.state.get("stages", {})
    finally:
        load.stop()
    left = watch.drain(pause)
    grown = {k: v - before.get(k, 0) for k, v in after.items() if isinstance(v, int | float)}
    told = report(samples, [took for ended, took in load.calls if ended >= began], grown)
    told |= {
        "accepted": load.accepted,
        "rejected": load.rejected,
        "left": left,
        "refusals": dict(load.refusals),
        "messages_per_call": per_call,
        "connections": connections,
        "in_flight_max": in_flight_max,
    }
    return told


@click.group("bench", invoke_without_command=True)
@click.option(
    "--seconds",
    default=60.0,
    show_default=True,
    type=click.FloatRange(2, 3_600),
    help="how long to measure, after a warm-up of 3 s",
)
@click.option(
    "--rate-batch",
    "per_call",
    default=100,
    show_default=True,
    type=click.IntRange(1, 1_000),
    help="messages in one batch call",
)
@click.option("--connections", default=4, show_default=True, type=click.IntRange(1, 64), help="calls under way at once")
@click.option(
    "--in-flight",
    "in_flight_max",
    default=10_000,
    show_default=True,
    type=click.IntRange(100, 1_000_000),
    help="most messages accepted but not final: what is measured is sustained",
)
@click.option("--door", is_flag=True, help="through the SMPP door instead of REST; --connections are binds")
@click.option(
    "--attach", is_flag=True, help="measure the appliance that runs on CASEMATE_HOME instead of one of its own"
)
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="also write the figures to this file"
)
@click.pass_context
def bench(
    ctx: click.Context,
    seconds: float,
    per_call: int,
    connections: int,
    in_flight_max: int,
    door: bool,
    attach: bool,
    json_file: Path | None,
) -> None:
    """Measure what this box does a second: API, store, operator link, receipts, with sealing, full sync and audit on.

    Starts an appliance and a simulated operator of its own, unless --attach. With --attach real messages are
    sent through whatever links are configured: do that only towards a test operator. Exits with 1 when
    something accepted did not reach a final status. `casemate bench hostile` is another kind of proof.
    """
    if ctx.invoked_subcommand:
        return
    with contextlib.ExitStack() as stack:
        box = attached(home_of()) if attach else stack.enter_context(own(stack.enter_context(folder())))
        click.echo(f"measuring {seconds:.0f} s at {box.door[0] if door else box.api} ...", err=True)
        told = measure(box, seconds, per_call, connections, in_flight_max, door)
    click.echo(page(told))
    if json_file is not None:
        json_file.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    ctx.exit(1 if told["left"] else 0)


bench.add_command(hostile)

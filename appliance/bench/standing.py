"""The scenarios of a queue that stands: `backlog`, how much memory it takes and how fast it drains, and `recover`, a `kill -9` with it."""

from __future__ import annotations

import statistics
import threading
from pathlib import Path
from typing import Final

from appliance.clock import monotonic_s, now_ms

from .box import Box
from .control import Control
from .figures import Sample, cpu_us, rss_mib, series
from .load import Load
from .outcome import Figure, Outcome, Series
from .spending import LOAD
from .started import begun, folder, killed, operator, own, ready
from .steady import DEFAULTS, measure
from .texts import bodies
from .timing import CONFIG, FILL_S_MAX, filled
from .watch import Watch

NORMAL_S: Final = 10.0
DRAIN_S_MAX: Final = 1_800.0
LEAST: Final = 0.9  # of its later rate that a recovered box must have reached to be at full rate
LOOK_S: Final = 0.1
PER_CALL: Final = 500
#: Not the appliance's.
OTHERS: Final = (LOAD, "simulator")


def backlog(count: int) -> Outcome:
    """`count` messages accepted while no link takes any; then the links open."""
    with folder() as where, own(where) as box:
        normal = measure("batch", box, NORMAL_S, DEFAULTS["batch"])
        load, watch, filling = filled(box, count)
        standing = watch.sample()
        memory = watch.processes.pss_mib(OTHERS)
        queued = watch.queued()
        box.drain(False)
        samples = [watch.sample()]
        while watch.queued() and samples[-1].at_s - samples[0].at_s < DRAIN_S_MAX:
            watch.pause.wait(1.0)
            samples.append(watch.sample())
        left = watch.until_final(120.0)
        memory = max(memory, watch.processes.pss_mib(OTHERS))
    first, last = samples[0], samples[-1]
    drained = (last.submitted - first.submitted) / max(last.at_s - first.at_s, 0.001)
    usual = normal.of("receipt durable (a full life)")
    filled_s = filling[-1].at_s - filling[0].at_s
    return Outcome(
        "backlog",
        f"{queued:,} messages queued while no link takes any, then drained",
        round(last.at_s - first.at_s, 1),
        [
            Figure("queued", queued, "messages", ""),
            Figure("memory of all processes (PSS)", round(memory), "MiB", "less"),
            Figure("accepted while it grew", round(load.accepted / filled_s), "messages/s"),
            Figure("drained", round(drained), "segments/s"),
            Figure("usual rate (batch, before)", round(usual), "segments/s"),
            Figure("drained against usual", round(drained / max(usual, 1.0), 2), ""),
        ],
        cpu_us(first, last, last.submitted - first.submitted),
        rss_mib([standing, *samples]),
        {**series(samples, ("submitted",)), **_memory([*filling, *samples])},
        {"count": count},
        left=left,
        faults=[f"{left:,} messages have no final status"] if left else [],
    )


def _memory(samples: list[Sample]) -> dict[str, Series]:
    """Resident memory of the engine over filling and draining, in KiB, so that it shows on the scale of rates."""
    start = samples[0].at_s
    points = [(round(s.at_s - start, 1), float(round(s.rss.get("engine", 0) / 2**10))) for s in samples]
    return {"engine memory, KiB (from the first accept)": points}


def recover(count: int) -> Outcome:
    """`count` messages queued, every process killed, started again: how soon the first leaves, how soon all is as ever."""
    with folder() as where, operator(where) as (smpp, address):
        control = Control(address)
        host, _, port = smpp.rpartition(":")
        config = CONFIG.format(host=host, port=port, window=500)
        process = begun(where, config)
        try:
            box = ready(process, where)
            control.ask("POST", "/behaviour", {"bind_refusal_rate": 1.0})
            control.ask("POST", "/drop")
            accepted, segments = _fill(box, count)
            killed(process)
            (where / "demo.env").unlink(missing_ok=True)
            control.ask("POST", "/behaviour", {"bind_refusal_rate": 0.0})
            before = int(control.ask("GET", "/counters")["submits"])
            began, began_ms = monotonic_s(), now_ms()
            process = begun(where, config)
            points, ready_s = _watched(control, where, before, began, segments)
            box = ready(process, where)
            state = box.state()
            engine_s = (int(state["started_ms"]) - began_ms) / 1000
            left = sum(int(n) for n in state["queues"].values())
            got = int(control.ask("GET", "/counters")["accepted"])
        finally:
            killed(process)
    return _recovered(accepted, segments, points, (ready_s, engine_s), left, got)


def _fill(box: Box, count: int) -> tuple[int, int]:
    """Messages accepted by a box whose link is down, and their segments."""
    made = bodies(1, 40, PER_CALL, "bulk", validity_s=86_400)
    load = Load.batches(box.api, box.key, made, 4, count * 2)
    load.requests_max = -(-count // PER_CALL)
    watch = Watch(box, load)
    load.start()
    until = monotonic_s() + FILL_S_MAX
    while load.alive() and monotonic_s() < until:
        watch.pause.wait(0.5)
        watch.look()
    load.stop()
    return load.accepted, load.segments


def _watched(control: Control, where: Path, before: int, began: float, count: int) -> tuple[Series, float]:
    """(seconds since the start, submits heard by then) until all are heard or none comes any more; when the box was ready."""
    pause = threading.Event()
    points: Series = [(0.0, 0)]
    ready_s, moved = 0.0, monotonic_s()
    while monotonic_s() - moved < 20.0 and monotonic_s() - began < DRAIN_S_MAX:
        pause.wait(LOOK_S)
        now = monotonic_s() - began
        if not ready_s and (where / "demo.env").exists():
            ready_s = now
        submits = int(control.ask("GET", "/counters")["submits"]) - before
        if submits > points[-1][1]:
            moved = monotonic_s()
        points.append((round(now, 2), submits))
        if submits >= count and ready_s:
            break
    return points, ready_s


def _recovered(
    accepted: int, segments: int, points: Series, started_s: tuple[float, float], left: int, got: int
) -> Outcome:
    """`started_s`: when the box was ready and when its engine began, seconds after the start."""
    ready_s, engine_s = started_s
    each = [(b[0], (b[1] - a[1]) / (b[0] - a[0])) for a, b in zip(points, points[10:], strict=False)]  # over a second
    later = [rate for at, rate in each if rate > 0]
    full = statistics.median(later[len(later) // 2 :]) if later else 0.0
    first_s = next((at for at, submits in points if submits), -1.0)
    full_s = next((at for at, rate in each if full and rate >= LEAST * full), -1.0)
    faults = [f"{left:,} of {accepted:,} messages are still queued"] if left else []
    if got < segments:
        faults.append(f"the operator took {got:,} of {segments:,} segments")
    return Outcome(
        "recover",
        f"kill -9 of every process with {accepted:,} messages queued",
        points[-1][0],
        [
            Figure("first submit after the start", first_s, "s", "less"),
            Figure("first submit after the engine's start", round(first_s - engine_s, 2), "s", "less"),
            Figure("full rate after the start", round(full_s, 2), "s", "less"),
            Figure("ready after the start", round(ready_s, 2), "s", "less"),
            Figure("full rate", round(full), "segments/s"),
            Figure("queued when it was killed", accepted, "messages", ""),
        ],
        series={"submitted/s": [(at, round(rate)) for at, rate in each]},
        settings={"messages": accepted},
        left=left,
        faults=faults,
    )

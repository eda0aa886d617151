"""The scenarios that look at single messages: `latency` at a slow pace, and `otp-under-bulk` while a queue of bulk drains."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from appliance.errors import Error

from .box import Box
from .figures import Sample, cpu_us, percentile, rss_mib, series
from .load import Load
from .outcome import Figure, Outcome, Series
from .paced import Asked, Paced, submitted_s, waits_ms
from .started import folder, operator, own
from .texts import bodies
from .watch import Watch

WARM_S: Final = 2.0
IDLE_S: Final = 5.0
PER_CALL: Final = 500
FILL_S_MAX: Final = 3_600.0

#: One link to an operator that writes down when it heard what.
CONFIG: Final = """
[[link]]
name = "operator"
host = "{host}"
port = {port}
system_id = "bank"
window = {window}
reconnect_s_max = 1.0

[[route]]
prefix = ""
links = ["operator"]
"""


@contextlib.contextmanager
def watched(window: int = 500, **options: object) -> Iterator[tuple[Box, Path, str]]:
    """A box with an operator that writes its attempts down: (box, file of attempts, the operator's control)."""
    with folder() as where, operator(where, attempts=where / "attempts", **options) as (smpp, control):
        host, _, port = smpp.rpartition(":")
        with own(where, CONFIG.format(host=host, port=port, window=window)) as box:
            yield box, where / "attempts", control


def _waits(sent: dict[bytes, Asked], heard: dict[bytes, float], prefix: str = "") -> tuple[list[Figure], int]:
    answered, left, whole, missing = waits_ms(sent, heard)
    rows = (("request to 202", answered), ("202 to operator", left), ("request to operator", whole))
    return [
        Figure(f"{prefix}{name}, p{share}", round(percentile(values, share / 100), 2), "ms", "less")
        for name, values in rows
        for share in (50, 99)
    ], missing


def _over_time(sent: dict[bytes, Asked], heard: dict[bytes, float]) -> Series:
    """Each message's wait at the time of its request."""
    times = sorted((a.asked_s, heard[d]) for d, a in sent.items() if a.accepted_s and d in heard)
    return [(round(at - times[0][0], 3), round((operator_s - at) * 1000, 2)) for at, operator_s in times]


def latency(seconds: float, rate: float) -> Outcome:
    """From accept to operator when nothing else happens, receipts asked for."""
    with watched() as (box, attempts, _):
        warm = Paced(box.api, box.key, rate, "otp", 9_000_000)
        watch = Watch(box, warm)
        warm.start()
        watch.through(WARM_S)
        warm.stop()
        load = Paced(box.api, box.key, rate)
        watch = Watch(box, load)
        load.start()
        try:
            samples = watch.through(seconds)
        finally:
            load.stop()
        left = watch.until_final()
        heard = submitted_s(attempts)
    rows, missing = _waits(load.sent, heard)
    return Outcome(
        "latency",
        f"{rate:.0f} one-time codes a second, one request each",
        round(samples[-1].at_s - samples[0].at_s, 1),
        rows,
        cpu_us(samples[0], samples[-1], samples[-1].messages - samples[0].messages),
        rss_mib(samples),
        {"request to operator, ms": _over_time(load.sent, heard)},
        {"rate": rate, "messages": load.accepted},
        left=left,
        faults=[f"{missing} accepted messages never reached the operator"] if missing else [],
    )


def filled(box: Box, count: int, class_: str = "bulk", connections: int = 4) -> tuple[Load, Watch, list[Sample]]:
    """Drains the links, then has `count` messages accepted that wait. Raises Error when they are not within FILL_S_MAX."""
    box.drain(True)
    made = bodies(1, min(40, max(1, count // PER_CALL)), PER_CALL, class_, validity_s=86_400)
    load = Load.batches(box.api, box.key, made, connections, count + PER_CALL * connections)
    load.requests_max = -(-count // PER_CALL)
    watch = Watch(box, load)
    load.start()
    samples = [watch.sample()]
    while load.alive():
        watch.pause.wait(1.0)
        samples.append(watch.sample())
        if samples[-1].at_s - samples[0].at_s > FILL_S_MAX:
            load.stop()
            raise Error("peer_unavailable", "the messages to fill the queue are not taken in time")
    return load, watch, samples


def otp_under_bulk(rate: float, count: int) -> Outcome:
    """One-time codes at a steady pace: first alone, then while `count` bulk messages drain from the queue."""
    with watched() as (box, attempts, _):
        idle = Paced(box.api, box.key, rate, "otp", 0)
        watch = Watch(box, idle)
        idle.start()
        watch.through(IDLE_S)
        idle.stop()
        watch.until_final()
        bulk, drained, _ = filled(box, count)
        busy = Paced(box.api, box.key, rate, "otp", 5_000_000)
        before = drained.sample().submitted
        box.drain(False)
        while (
            drained.sample().submitted == before
        ):  # codes are not to wait for the bind: bulk is under way before they come
            drained.pause.wait(0.05)
        busy.start()
        samples = [drained.sample()]
        try:
            while drained.queued() > rate and samples[-1].at_s - samples[0].at_s < FILL_S_MAX:
                drained.pause.wait(0.25)
                samples.append(drained.sample())
        finally:
            busy.stop()
        left = drained.until_final()
        heard = submitted_s(attempts)
    quiet, missing = _waits(idle.sent, heard, "idle, ")
    loaded, lost = _waits(busy.sent, heard, "bulk draining, ")
    first, last = samples[0], samples[-1]
    took = last.at_s - first.at_s
    drain = Figure("bulk drained", round((last.submitted - first.submitted) / took), "segments/s")
    faults = [f"{missing + lost} accepted one-time codes never reached the operator"] if missing + lost else []
    if busy.refusals:
        faults.append("one-time codes refused: " + ", ".join(f"{why} x {n}" for why, n in busy.refusals.items()))
    return Outcome(
        "otp-under-bulk",
        f"{rate:.0f} one-time codes a second while {count:,} bulk messages drain",
        round(took, 1),
        [*loaded, *quiet, drain],
        cpu_us(first, last, last.submitted - first.submitted),
        rss_mib(samples),
        {"request to operator, ms": _over_time(busy.sent, heard), **series(samples, ())},
        {"rate": rate, "bulk": bulk.accepted, "codes": busy.accepted},
        left=left,
        faults=faults,
    )

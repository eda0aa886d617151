"""The scenarios at one level: `batch`, `single` and `door`. Warm up, measure, drain, tell; bounded in time and in what is held."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from appliance.errors import Error

from .box import Box
from .door_load import DoorLoad, submits
from .figures import cpu_us, growth, lives, rss_mib, series, steady
from .load import Load
from .outcome import Outcome
from .texts import bodies, single_bodies
from .watch import Watch

WARM_S: Final = 3.0
DISTINCT_MESSAGES: Final = 20_000
SEED: Final = 20_261_122


class Level(NamedTuple):
    """How hard: `per_call` messages in a batch, `connections` (or binds), `in_flight_max` accepted but not final, `window` of a bind."""

    per_call: int = 100
    connections: int = 4
    in_flight_max: int = 10_000
    window: int = 100


DEFAULTS: Final = {
    "batch": Level(connections=16),
    "single": Level(1, 50),
    "door": Level(1, 8),
}


def load_of(scenario: str, box: Box, level: Level) -> Load | DoorLoad:
    """The load of a scenario. Raises Error `invalid` when the appliance has no door that we know of."""
    if scenario == "batch":
        made = bodies(SEED, max(DISTINCT_MESSAGES // level.per_call, level.connections), level.per_call)
        return Load.batches(box.api, box.key, made, level.connections, level.in_flight_max)
    if scenario == "single":
        made = single_bodies(SEED, DISTINCT_MESSAGES)
        return Load.singles(box.api, box.key, made, level.connections, level.in_flight_max)
    if not all(box.door):
        raise Error(
            "invalid", "no door was named", "set CASEMATE_DOOR, CASEMATE_DOOR_SYSTEM_ID and CASEMATE_DOOR_PASSWORD"
        )
    rows = submits(SEED, DISTINCT_MESSAGES)
    return DoorLoad(*box.door, rows, level.connections, level.in_flight_max, level.window)


def title_of(scenario: str, level: Level) -> str:
    if scenario == "batch":
        return f"REST, {level.per_call} messages a call, {level.connections} connections"
    if scenario == "single":
        return f"REST, one message a request, {level.connections} keep-alive connections"
    return f"SMPP door, {level.connections} binds, window {level.window}"


def measure(scenario: str, box: Box, seconds: float, level: Level, warm_s: float = WARM_S) -> Outcome:
    """Loads `box` and tells. Raises Error when the API or the engine does not answer."""
    load = load_of(scenario, box, level)
    watch = Watch(box, load)
    load.start()
    try:
        watch.through(warm_s)
        before: dict[str, Any] = dict(watch.state.get("stages", {}))
        samples = watch.through(seconds)
        after: dict[str, Any] = dict(watch.state.get("stages", {}))
    finally:
        load.stop()
    left = watch.until_final()
    first, last = samples[0], samples[-1]
    calls = [took for ended, took in load.calls if first.at_s <= ended <= last.at_s]
    unit = {"batch": "call", "single": "request", "door": "submit"}[scenario]
    took = last.at_s - first.at_s
    grown = {k: (v - before.get(k, 0)) / took for k, v in after.items() if isinstance(v, int | float)}
    notes = [growth(samples), *(["the engine, each second: " + told_stages(grown)] if grown else [])]
    if load.refusals:
        notes.append("refused: " + ", ".join(f"{why} x {count}" for why, count in load.refusals.items()))
    return Outcome(
        scenario,
        title_of(scenario, level),
        round(took, 1),
        steady(samples, calls, unit),
        cpu_us(first, last, lives(first, last)),
        rss_mib(samples),
        series(samples),
        {**level._asdict(), "accepted": load.accepted, "rejected": load.rejected},
        [note for note in notes if note],
        left,
        [f"{left:,} of {load.accepted:,} messages have no final status"] if left else [],
    )


def told_stages(grown: dict[str, float]) -> str:
    return ", ".join(f"{name} {each:,.3g}" if each < 1_000 else f"{name} {each:,.0f}" for name, each in grown.items())

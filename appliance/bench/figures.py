"""From samples to figures and a page of them. Pure: samples come in, a report goes out."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

FLAT_SHARE: Final = 0.10  # engine memory is flat when its last quarter is at most this much above its first
FLAT_OCTETS: Final = 16 * 1024 * 1024  # or at most so many octets: small processes wobble


class Sample(NamedTuple):
    """What was counted so far, once a second; segments unless it says otherwise. CPU and memory by process."""

    at_s: float
    accepted: int
    messages: int  # accepted by the API
    durable: int  # messages
    submitted: int
    answered: int
    receipted: int
    cpu_s: dict[str, float]
    rss: dict[str, int]


STAGES: Final = (
    ("accepted", "accepted by the API"),
    ("submitted", "submitted to the operator"),
    ("answered", "answered by the operator"),
    ("receipted", "receipt durable (a full life)"),
)


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; 0 for nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def rates(samples: Sequence[Sample], name: str) -> list[float]:
    """Per second between neighbouring samples."""
    return [(getattr(b, name) - getattr(a, name)) / (b.at_s - a.at_s) for a, b in pairwise(samples) if b.at_s > a.at_s]


def flat(rss: Sequence[int]) -> bool:
    """Whether memory stayed where it was: medians of the first and the last quarter."""
    if len(rss) < 4:
        return True
    quarter = len(rss) // 4
    before, after = statistics.median(rss[:quarter]), statistics.median(rss[-quarter:])
    return after - before <= max(before * FLAT_SHARE, FLAT_OCTETS)


def _engine(rss: dict[str, int]) -> int:
    return sum(octets for name, octets in rss.items() if name.startswith("engine"))


def report(samples: Sequence[Sample], calls_s: Sequence[float], engine: dict[str, Any]) -> dict[str, Any]:
    """Everything that is told, from at least two samples; `engine` are the growths of the engine's own `stages`."""
    assert len(samples) >= 2
    first, last = samples[0], samples[-1]
    seconds = last.at_s - first.at_s
    stages: dict[str, dict[str, float]] = {}
    for name, _ in STAGES:
        each = rates(samples, name)
        mean = (getattr(last, name) - getattr(first, name)) / seconds
        stages[name] = {"mean": round(mean, 1), "median": round(statistics.median(each), 1), "min": round(min(each), 1)}
    lives = max(last.receipted - first.receipted, 1)
    cpu = {
        name: round((spent - first.cpu_s.get(name, 0.0)) / lives * 1000, 4)
        for name, spent in sorted(last.cpu_s.items())
    }
    memory = [_engine(s.rss) for s in samples]
    return {
        "seconds": round(seconds, 1),
        "unit": "segments per second",
        "stages": stages,
        "durable_messages_per_s": round((last.durable - first.durable) / seconds, 1),
        "segments_per_message": round((last.accepted - first.accepted) / max(last.messages - first.messages, 1), 3),
        "per_second": [round(r) for r in rates(samples, "receipted")],
        "cpu_s_per_1000_segments": {**cpu, "all": round(sum(cpu.values()), 4)},
        "engine_rss": {
            "start": memory[0],
            "middle": memory[len(memory) // 2],
            "end": memory[-1],
            "most": max(memory),
            "flat": flat(memory),
        },
        "call_ms": {f"p{share}": round(percentile(calls_s, share / 100) * 1000, 1) for share in (50, 99)},
        "engine": {name: round(grown / seconds, 4) for name, grown in engine.items()},
    }


def page(told: dict[str, Any]) -> str:
    """The report for a person."""
    lines = [f"{told['seconds']:.0f} s, {told['segments_per_message']} segments a message", ""]
    lines.append(f"{'segments a second':<34}{'mean':>9}{'median':>9}{'min':>9}")
    for name, title in STAGES:
        row = told["stages"][name]
        lines.append(f"  {title:<32}{row['mean']:>9,.0f}{row['median']:>9,.0f}{row['min']:>9,.0f}")
    lines.append(f"  {'messages made durable':<32}{told['durable_messages_per_s']:>9,.0f}")
    lines += ["", f"batch call       p50 {told['call_ms']['p50']} ms, p99 {told['call_ms']['p99']} ms"]
    memory = told["engine_rss"]
    mib = {k: memory[k] / 2**20 for k in ("start", "middle", "end")}
    lines.append(
        f"engine memory    {mib['start']:.1f} / {mib['middle']:.1f} / {mib['end']:.1f} MiB at start, middle, end: "
        + ("flat" if memory["flat"] else "GROWING")
    )
    lines += ["", "CPU seconds per 1,000 segments"]
    lines += [f"  {name:<32}{spent:>9.3f}" for name, spent in told["cpu_s_per_1000_segments"].items()]
    if told["engine"]:
        lines += ["", "the engine, each second"]
        lines += [f"  {name:<32}{each:>9,.3f}" for name, each in told["engine"].items()]
    if told.get("left") is not None:
        lines += ["", f"after the load: {told['left']:,} of {told['accepted']:,} messages without a final status"]
    if told.get("refusals"):
        lines.append("refused calls    " + ", ".join(f"{why} x {count}" for why, count in told["refusals"].items()))
    return "\n".join(lines)

"""From samples to figures: rates, percentiles, processor time a message. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from .outcome import Figure, Series

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


def cpu_us(first: Sample, last: Sample, messages: int) -> dict[str, float]:
    """Processor time a message, microseconds, by process; a process that came later is counted from nothing."""
    each = max(messages, 1)
    spent = {name: (s - first.cpu_s.get(name, 0.0)) / each * 1e6 for name, s in sorted(last.cpu_s.items())}
    return {name: round(us, 2) for name, us in spent.items() if us >= 0.005}


def rss_mib(samples: Sequence[Sample]) -> dict[str, float]:
    """The most that each process held."""
    names = {name for sample in samples for name in sample.rss}
    return {name: round(max(s.rss.get(name, 0) for s in samples) / 2**20, 1) for name in sorted(names)}


def series(samples: Sequence[Sample], names: Sequence[str] = ("accepted", "receipted")) -> dict[str, Series]:
    """Rates over time, one point between two samples."""
    start = samples[0].at_s
    shown = {"accepted": "accepted/s", "submitted": "submitted/s", "receipted": "full lives/s"}
    return {
        shown.get(name, name): [
            (round(b.at_s - start, 2), round(rate)) for b, rate in zip(samples[1:], rates(samples, name), strict=False)
        ]
        for name in names
    }


def lives(first: Sample, last: Sample) -> int:
    """Messages whose life ended between two samples, as far as their segments' receipts say."""
    per_message = (last.accepted - first.accepted) / max(last.messages - first.messages, 1)
    return round((last.receipted - first.receipted) / max(per_message, 1.0))


def steady(samples: Sequence[Sample], calls_s: Sequence[float], unit: str) -> list[Figure]:
    """The figures of a load that goes on at one level; `unit`: what one call is called."""
    first, last = samples[0], samples[-1]
    seconds = last.at_s - first.at_s
    out = []
    for name, title in STAGES:
        each = rates(samples, name)
        out.append(Figure(title, round((getattr(last, name) - getattr(first, name)) / seconds, 1), "segments/s"))
        if name == "receipted":
            out.append(Figure("  its worst second", round(min(each), 1), "segments/s"))
    out.append(Figure("messages made durable", round((last.durable - first.durable) / seconds, 1), "messages/s"))
    out.append(Figure(f"{unit} answered", round(len(calls_s) / seconds, 1), f"{unit}s/s"))
    out += [
        Figure(f"{unit}, p{share}", round(percentile(calls_s, share / 100) * 1000, 1), "ms", "less")
        for share in (50, 99)
    ]
    per_message = (last.accepted - first.accepted) / max(last.messages - first.messages, 1)
    out.append(Figure("segments a message", round(per_message, 3), "", ""))
    return out


def growth(samples: Sequence[Sample]) -> str:
    """A sentence on the engine's memory; empty without an engine."""
    memory = [sum(n for name, n in s.rss.items() if name.startswith("engine")) for s in samples]
    if not any(memory):
        return ""
    first, last = memory[0] / 2**20, memory[-1] / 2**20
    return f"engine memory {first:.1f} MiB at the start, {last:.1f} at the end: {'flat' if flat(memory) else 'GROWING'}"

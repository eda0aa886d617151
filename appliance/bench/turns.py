"""Two states of a box that take turns under one load, window after window, so that what else the machine does meets both. Half of it pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, median
from typing import Any, Final, NamedTuple

from appliance.clock import monotonic_s

from .watch import Watch

SETTLE_S: Final = 0.75  # after a change, before the next window is measured: what waited is sorted anew


class Window(NamedTuple):
    """What one turn gave: segments a second, and processor time a segment in the processes asked about, microseconds."""

    name: str
    per_s: float
    cpu_us: float


def taken(
    watch: Watch,
    names: tuple[str, str],
    take: Callable[[str], object],
    seconds: float,
    window_s: float,
    spend: Sequence[str],
) -> list[Window]:
    """Windows of about `seconds` in all; the last is the first one's of `names`. `take` makes a state the present one; `spend`: processes."""
    out: list[Window] = []
    until = monotonic_s() + seconds
    name, other = names
    while monotonic_s() < until or name == names[0]:
        take(name)
        watch.through(SETTLE_S)
        first = watch.sample()
        watch.through(window_s)
        last = watch.sample()
        segments = max(1, last.submitted - first.submitted)
        cpu_s = sum(last.cpu_s.get(p, 0.0) - first.cpu_s.get(p, 0.0) for p in spend)
        out.append(Window(name, segments / (last.at_s - first.at_s), cpu_s / segments * 1e6))
        name, other = other, name
    return out


def ratios(windows: Sequence[Window], usual: str) -> list[float]:
    """Each window of the other state against the mean of its neighbours in the usual one."""
    out = []
    for n, window in enumerate(windows):
        near = [w.per_s for w in (*windows[max(n - 1, 0) : n], *windows[n + 1 : n + 2]) if w.name == usual]
        if window.name != usual and near:
            out.append(window.per_s / fmean(near))
    return out


def beside(windows: Sequence[Window], usual: str) -> list[tuple[Window, list[float]]]:
    """Each window of the other state, and the processor times of its neighbours in the usual one."""
    near = [(w, [*windows[max(n - 1, 0) : n], *windows[n + 1 : n + 2]]) for n, w in enumerate(windows)]
    return [
        (w, found) for w, each in near if w.name != usual and (found := [x.cpu_us for x in each if x.name == usual])
    ]


def report(windows: Sequence[Window], names: tuple[str, str]) -> dict[str, Any]:
    """Figures by name; the first of `names` is the usual state."""
    found = ratios(windows, names[0])
    told: dict[str, Any] = {
        "ratio": round(median(found), 3) if found else 0.0,
        "ratios": [round(ratio, 3) for ratio in found],
    }
    for name in names:
        told[f"{name}_per_s"] = round(fmean(w.per_s for w in windows if w.name == name))
        told[f"{name}_cpu_us"] = round(fmean(w.cpu_us for w in windows if w.name == name), 1)
    return told

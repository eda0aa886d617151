"""Watches an appliance under load: asks its engines how far they are, tells the load, keeps a sample a second."""

from __future__ import annotations

import threading
from typing import Final, Protocol

from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.message import FINAL, STATUSES

from .box import Box
from .figures import Sample
from .spending import Processes

DRAIN_S_MAX: Final = 60.0
WATCH_S: Final = 0.05  # between two looks at the engine's counters
FINAL_NAMES: Final = tuple(STATUSES[s] for s in sorted(FINAL))


class Loads(Protocol):
    """What every load counts; `final` is set by the watch."""

    accepted: int
    segments: int
    final: int

    def alive(self) -> bool: ...


class Watch:
    """One load's. `pause` is what it waits with."""

    def __init__(self, box: Box, load: Loads) -> None:
        self.box = box
        self.load = load
        self.pause = threading.Event()
        self.processes = Processes(int(box.engine.call("ping", {})["pid"]))
        self.state = box.state()
        self._final_before = self._final()

    def _final(self) -> int:
        return sum(int(self.state["statuses"].get(name, 0)) for name in FINAL_NAMES)

    def look(self) -> None:
        self.state = self.box.state()
        self.load.final = self._final() - self._final_before

    def queued(self) -> int:
        return sum(int(n) for n in self.state["queues"].values())

    def sample(self) -> Sample:
        self.look()
        spent = self.processes.spent()
        segments = self.state["segments"]
        return Sample(
            monotonic_s(),
            self.load.segments,
            self.load.accepted,
            int(self.state["statuses"]["accepted"]),
            int(segments["submitted"]),
            int(segments["answered"]),
            int(segments["receipted"]),
            spent.cpu_s,
            spent.rss,
        )

    def through(self, seconds: float) -> list[Sample]:
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
                self.pause.wait(min(WATCH_S, due - now))
                self.look()
        samples.append(self.sample())
        return [s for n, s in enumerate(samples) if n == 0 or s.at_s - samples[n - 1].at_s > 0.2]

    def until_final(self, seconds: float = DRAIN_S_MAX) -> int:
        """Waits until everything accepted is final; how many messages are not."""
        until = monotonic_s() + seconds
        while monotonic_s() < until:
            self.look()
            if self.load.final >= self.load.accepted:
                return 0
            self.pause.wait(WATCH_S)
        return self.load.accepted - self.load.final

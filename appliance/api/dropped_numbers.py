"""What the firewall dropped, as metrics: from the file that is written when it was looked at, once a minute. There on an appliance alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client.core import CounterMetricFamily, Metric

FILE: Final = "run/dropped"  # lines `in N` and `out N`; both begin again when the rules are loaded
WAYS: Final = ("in", "out")


class DroppedNumbers:
    def __init__(self, home: Path) -> None:
        self._file = home / FILE

    def collect(self) -> Iterator[Metric]:
        try:
            words = dict(line.split() for line in self._file.read_text(encoding="ascii").splitlines())
            counts = {way: int(words[way]) for way in WAYS}
        except (OSError, ValueError, KeyError):
            return
        dropped = CounterMetricFamily(
            "casemate_dropped_packets", "packets that the firewall dropped, since its rules were loaded", labels=["way"]
        )
        for way, count in counts.items():
            dropped.add_metric([way], count)
        yield dropped

"""How the HSMs are as metrics: one row each for the first and, where there is one, the second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric

#: Name of the metric, what it is, field of a row of the keys process's `ping`.
GAUGES: Final = (
    ("casemate_hsm_up", "1 while the HSM answers", "up"),
    ("casemate_hsm_serves", "1 for the HSM that is asked", "serves"),
    ("casemate_hsm_in_step", "1 when the HSM has proven that it holds the right keys", "in_step"),
)


def hsm_metrics(rows: list[dict[str, Any]]) -> Iterator[Metric]:
    for name, meaning, field in GAUGES:
        family = GaugeMetricFamily(name, meaning, labels=["hsm"])
        for row in rows:
            family.add_metric([str(row["hsm"])], float(row[field]))
        yield family

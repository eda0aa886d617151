"""The audit log's counts as metrics: what is recorded, not signed yet, and not with the bank's SIEM yet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric

#: Of the auditor's `state`: name of the metric, what it is, its field.
GAUGES: Final = (
    ("casemate_audit_entries", "entries in the audit log", "size"),
    ("casemate_audit_unsigned_entries", "entries that no checkpoint covers yet", "unsigned"),
)
#: Histograms of the same: seconds that something waited.
WAITS: Final = (
    (
        "casemate_audit_sequenced_seconds",
        "from an act to its entry in the audit log, a call of an outbox each",
        "sequencing",
    ),
    ("casemate_audit_signed_seconds", "from an entry in the log to a signed checkpoint over it", "signing"),
)
#: The same of its part about the SIEM, there when one is set.
SIEM: Final = (
    ("casemate_siem_connected", "1 while the connection to the SIEM stands", "connected"),
    ("casemate_siem_behind_entries", "entries of the audit log that were not sent to the SIEM yet", "behind"),
    ("casemate_siem_late", "1 when there has been no connection for longer than siem.late_s", "late"),
)


def audit_metrics(state: dict[str, Any]) -> Iterator[Metric]:
    for name, meaning, field in WAITS:
        if field in state:
            yield _waits(name, meaning, state[field])
    for table, part in ((GAUGES, state), (SIEM, state.get("siem") or {})):
        for name, meaning, field in table:
            if field in part:
                yield GaugeMetricFamily(name, meaning, value=float(part[field]))


def _waits(name: str, meaning: str, told: dict[str, Any]) -> Metric:
    counted = accumulate(told["counts"])
    ends = [*(str(end / 1_000) for end in told["buckets_ms"]), "+Inf"]
    return HistogramMetricFamily(name, meaning, list(zip(ends, counted, strict=True)), told["sum_ms"] / 1_000)

"""The SMPP door's counts as metrics, read from the state that the door itself tells. No label holds anything of a message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

#: Name of the metric, what it is, and the key of the door's state.
COUNTERS: Final = (
    ("casemate_door_binds_accepted", "binds accepted", "bound"),
    ("casemate_door_accepted_messages", "messages that came through the door and are durable", "accepted"),
    ("casemate_door_accepted_parts", "parts of long messages that are durable", "parts"),
    ("casemate_door_replaced_messages", "messages that were given another text before they left", "replaced"),
    ("casemate_door_expired_parts", "parts whose message never became whole", "expired_parts"),
)


def door_metrics(state: dict[str, Any]) -> Iterator[Metric]:
    """`state` is what the door answers to `state`."""
    binds = GaugeMetricFamily("casemate_door_binds", "binds that stand", labels=["kind"])
    for kind, count in state.get("binds", {}).items():
        binds.add_metric([kind], float(count))
    yield binds
    for name, what, key in COUNTERS:
        yield CounterMetricFamily(name, what, value=float(state.get(key, 0)))
    refused = CounterMetricFamily("casemate_door_refused", "requests refused, by command_status", labels=["status"])
    for status, count in state.get("refused", {}).items():
        refused.add_metric([status], float(count))
    yield refused
    waiting = GaugeMetricFamily(
        "casemate_door_letters", "receipts and customers' messages due or set aside", labels=["system_id", "state"]
    )
    oldest = GaugeMetricFamily(
        "casemate_door_oldest_letter_time_seconds",
        "when the oldest letter due came, Unix time",
        labels=["system_id"],
    )
    for told in state.get("letters", []):
        system_id = told["system_id"] or str(told["account"])
        for word in ("due", "aside"):
            waiting.add_metric([system_id, word], float(told[word]))
        if told["oldest_ms"] is not None:
            oldest.add_metric([system_id], told["oldest_ms"] / 1000)
    yield waiting
    yield oldest
    ended = CounterMetricFamily("casemate_door_letters_ended", "letters by how they ended", labels=["end"])
    for end, count in state.get("tallies", {}).items():
        ended.add_metric([end], float(count))
    yield ended

"""What the gateway counts, and the engine's counts beside it, as Prometheus text. No label ever holds anything of a message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from appliance.message import CLASSES, STATUSES

from .audit_numbers import audit_metrics
from .certificate_numbers import CertificateNumbers
from .door_numbers import door_metrics
from .dropped_numbers import DroppedNumbers
from .hsm_numbers import hsm_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, which nobody asks for

METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"})
PURPOSES_MAX: Final = 50  # of verifications, each some series of its own
LATENCY_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Numbers:
    """Counters of one gateway. `engine`, `door` and `audit` are their last known `state`, None when they do not answer."""

    def __init__(self, index: int = 0) -> None:
        self.engine: dict[str, Any] | None = None
        self.door: dict[str, Any] | None = None
        self.audit: dict[str, Any] | None = None
        self.ready: Callable[[], dict[str, bool]] = dict
        self.hsms: Callable[[], list[dict[str, Any]]] = list
        self.registry = CollectorRegistry(auto_describe=False)
        registry = self.registry
        self._requests = Counter(
            "casemate_gateway_requests",
            "requests answered",
            ["gateway", "method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "casemate_gateway_request_seconds",
            "from the request's head to its answer",
            ["gateway", "route"],
            buckets=LATENCY_S,
            registry=registry,
        )
        rejected = Counter(
            "casemate_gateway_rejected_messages", "messages refused, by code", ["gateway", "code"], registry=registry
        )
        accepted = Counter(
            "casemate_gateway_accepted_messages", "messages accepted and durable", ["gateway"], registry=registry
        )
        pending = Gauge(
            "casemate_gateway_pending_messages",
            "messages validated and not yet known to be durable",
            ["gateway"],
            registry=registry,
        )
        self.index = str(index)
        self.accepted = accepted.labels(self.index)
        self.pending = pending.labels(self.index)
        self._rejected = rejected
        self._verifications = Counter(
            "casemate_verifications",
            "verifications by purpose and what became of them: created, resent, approved, denied, cancelled",
            ["gateway", "purpose", "outcome"],
            registry=registry,
        )
        self._blocks = Counter(
            "casemate_verification_blocks",
            "prefixes that codes were blocked to by themselves, by why: conversion, velocity",
            ["gateway", "why"],
            registry=registry,
        )
        self._checks = Counter(
            "casemate_number_checks",
            "what operators said of numbers before codes: of sim changed, unchanged, unknown; of tenure short, long, unknown",
            ["gateway", "of", "answer"],
            registry=registry,
        )
        self._purposes: set[str] = set()
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self.certificates: CertificateNumbers | None = None
        self.dropped: DroppedNumbers | None = None
        self.registry.register(self)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one request; `route` is the address pattern, never the address."""
        found = self._children.get((method, route, status))
        if found is None:
            word = method if method in METHODS else "other"
            found = (
                self._requests.labels(self.index, word, route or "none", str(status)),
                self._seconds.labels(self.index, route or "none"),
            )
            if word == method:
                self._children[method, route, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def refused(self, code: str, count: int = 1) -> None:
        self._rejected.labels(self.index, code).inc(count)

    def verified(self, purpose: str, outcome: str) -> None:
        """Counts for one verification. A system chooses its purposes: beyond so many, all others are one."""
        if purpose not in self._purposes and len(self._purposes) < PURPOSES_MAX:
            self._purposes.add(purpose)
        word = (purpose or "unknown") if purpose in self._purposes else "other"
        self._verifications.labels(self.index, word, outcome).inc()

    def number_checked(self, of: str, answer: str) -> None:
        self._checks.labels(self.index, of, answer).inc()

    def blocked(self, why: str) -> None:
        self._blocks.labels(self.index, why).inc()

    def text(self) -> bytes:
        """Prometheus text format 0.0.4."""
        return generate_latest(self.registry)

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        """The engine's side, and whether the other processes answer."""
        up = GaugeMetricFamily(
            "casemate_ready",
            "whether what the gateway needs is ready; hsm is 0 also while messages go on without it",
            labels=["process"],
        )
        for process, ready in self.ready().items():
            up.add_metric([process], float(ready))
        yield up
        yield from hsm_metrics(self.hsms())
        if self.door is not None:
            yield from door_metrics(self.door)
        if self.audit is not None:
            yield from audit_metrics(self.audit)
        if self.certificates is not None:
            yield from self.certificates.collect()
        if self.dropped is not None:
            yield from self.dropped.collect()
        state = self.engine
        if state is None:
            return
        messages = CounterMetricFamily(
            "casemate_messages", "messages by status, each once per status it reaches", labels=["status"]
        )
        for status in STATUSES:
            messages.add_metric([status], float(state.get("statuses", {}).get(status, 0)))
        yield messages
        segments = CounterMetricFamily("casemate_segments", "segments by what happened to them", labels=["event"])
        for event in ("submitted", "answered", "receipted"):
            segments.add_metric([event], float(state.get("segments", {}).get(event, 0)))
        yield segments
        queues = GaugeMetricFamily("casemate_queue_messages", "messages waiting for a link, by class", labels=["class"])
        for name in CLASSES:
            queues.add_metric([name], float(state.get("queues", {}).get(name, 0)))
        yield queues
        yield GaugeMetricFamily(
            "casemate_audit_waiting_entries",
            "entries in the engines that the audit log has not taken yet",
            value=float(state.get("unrecorded", 0)),
        )
        yield from _links(state.get("links", []))


#: Of each link's `state`: name of the metric, what it is, and how it is read. A counter's name gets `_total`.
LINK_GAUGES: Final[tuple[tuple[str, str, Callable[[dict[str, Any]], float]], ...]] = (
    ("casemate_link_up", "1 when the link can submit and hear receipts", lambda link: link.get("state") == "up"),
    ("casemate_link_binds", "binds that stand", lambda link: sum(b["up_since_ms"] > 0 for b in link.get("binds", ()))),
    ("casemate_link_in_flight", "submits without an answer yet", lambda link: link.get("in_flight", 0)),
    ("casemate_link_pace", "segments a second it may do now; 0: no limit", lambda link: link.get("pace_now", 0)),
    ("casemate_link_paused", "1 while its operator said too fast", lambda link: link.get("paused_until_ms", 0) > 0),
    ("casemate_link_drained", "1 while people took it out of use", lambda link: link.get("drained", False)),
)
LINK_COUNTERS: Final = (
    ("casemate_link_errors", "refusals of the operator", "errors"),
    ("casemate_link_throttled", "refusals that said too fast", "throttled"),
)


def _links(links: list[dict[str, Any]]) -> Iterator[Metric]:
    for name, what, read in LINK_GAUGES:
        gauge = GaugeMetricFamily(name, what, labels=["link"])
        for link in links:
            gauge.add_metric([link["name"]], float(read(link)))
        yield gauge
    for name, what, key in LINK_COUNTERS:
        counter = CounterMetricFamily(name, what, labels=["link"])
        for link in links:
            counter.add_metric([link["name"]], float(link.get(key, 0)))
        yield counter

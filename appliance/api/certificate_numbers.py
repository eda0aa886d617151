"""Certificates as metrics: when each ends, so that the bank's own monitoring can tell it as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from appliance.certificates import Item, certificates
from appliance.clock import monotonic_s
from appliance.settings import Settings

READ_AGAIN_S: Final = 300.0  # files change when a person changes them


class CertificateNumbers:
    """Reads the files of the settings, not at every scrape."""

    def __init__(self, settings: Settings, clock_s: Callable[[], float] = monotonic_s) -> None:
        self._settings = settings
        self._clock_s = clock_s
        self._items: list[Item] = []
        self._read_s = -READ_AGAIN_S

    def collect(self) -> Iterator[Metric]:
        now_s = self._clock_s()
        if now_s - self._read_s >= READ_AGAIN_S:
            self._items, self._read_s = list(certificates(self._settings)), now_s
        ends = GaugeMetricFamily(
            "casemate_certificate_expires_seconds",
            "when a certificate of the settings ends, Unix time",
            labels=["certificate"],
        )
        broken = GaugeMetricFamily(
            "casemate_certificate_problem",
            "1 for a certificate whose files cannot be used as they are",
            labels=["certificate"],
        )
        for item in self._items:
            if item.expires_ms:
                ends.add_metric([item.id], item.expires_ms / 1000)
            broken.add_metric([item.id], float(bool(item.problem)))
        if self._items:
            yield ends
            yield broken

"""What a scenario found, as a table for people and as JSON for programs; the same shape for every scenario. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

Series = list[tuple[float, float]]  # (seconds since the start, value)


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One number. `better`: "more" or "less", "" when neither is."""

    name: str
    value: float
    unit: str
    better: str = "more"


class Outcome(msgspec.Struct, omit_defaults=True):
    """One scenario's. `cpu_us`: processor time a message, by process; `rss_mib`: the most each process held."""

    scenario: str
    title: str
    seconds: float
    figures: list[Figure]
    cpu_us: dict[str, float] = {}
    rss_mib: dict[str, float] = {}
    series: dict[str, Series] = {}
    settings: dict[str, Any] = {}
    notes: list[str] = []
    left: int = 0  # messages accepted that have no final status
    faults: list[str] = []

    def of(self, name: str) -> float:
        """The figure of that name. Raises KeyError."""
        for figure in self.figures:
            if figure.name == name:
                return figure.value
        raise KeyError(name)


class Report(msgspec.Struct):
    """A run: what was measured where. `shape`: of this document."""

    hardware: dict[str, Any]
    outcomes: list[Outcome]
    shape: int = 1


SHAPE: Final = 1


def written(report: Report) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def read(octets: bytes) -> Report:
    """Raises msgspec.DecodeError for what is no report."""
    return msgspec.json.decode(octets, type=Report)


def number(value: float) -> str:
    """As many digits as mean something."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:,.1f}" if size >= 10 else f"{value:,.3g}" if size else "0"


def page(outcome: Outcome) -> str:
    """One scenario for a person."""
    lines = [f"{outcome.scenario}: {outcome.title}, {outcome.seconds:.0f} s"]
    lines += [f"  {f.name:<44}{number(f.value):>12} {f.unit}" for f in outcome.figures]
    if outcome.cpu_us:
        lines.append(f"  {'process':<44}{'us a message':>12}{'MiB':>10}")
        for name, spent in sorted(outcome.cpu_us.items(), key=lambda item: -item[1]):
            lines.append(f"    {name:<42}{number(spent):>12}{number(outcome.rss_mib.get(name, 0)):>10}")
        rss = sum(outcome.rss_mib.values())
        lines.append(f"    {'all':<42}{number(sum(outcome.cpu_us.values())):>12}{number(rss):>10}")
    lines += [f"  {note}" for note in outcome.notes]
    lines += [f"  FAULT {fault}" for fault in outcome.faults]
    return "\n".join(lines)

"""The time zones of a country, by the time zone database's own table (`zone.tab`), and of a number whose country has none."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

UNKNOWN: Final = ("UTC",)  # satellite and other numbers of no country


@cache
def _table() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    text = resources.files("tzdata").joinpath("zoneinfo/zone.tab").read_text(encoding="ascii")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            found.setdefault(country, []).append(zone)
    return {country: tuple(zones) for country, zones in found.items()}


def zones_of(country: str) -> tuple[str, ...]:
    """Names of the zones in which clocks of a country (ISO 3166) go; UNKNOWN for none. A telephone does not say which."""
    return _table().get(country, UNKNOWN)

"""Settings of a route, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .rows import Setting

ROUTE_SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("prefix", "str", "", "digits a number starts with, without the plus; empty: every number"),
    Setting("links", "strs", None, "links in order of preference"),
)


@dataclass(frozen=True)
class Route:
    """One row of ROUTE_SETTINGS."""

    prefix: str
    links: tuple[str, ...]

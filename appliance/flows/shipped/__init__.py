"""The workflows that come with the appliance: one JSON file each, with its texts and its tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def shipped() -> dict[str, str]:
    """Name -> definition as it is written."""
    return {p.stem: p.read_text(encoding="utf-8") for p in sorted(Path(__file__).parent.glob("*.json"))}

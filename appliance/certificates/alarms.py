"""When an end comes near: 60, 30 and 7 days before it, and when it is past; each told once. Pure, the time passed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from appliance.clock import DAY_MS

from .item import Item

#: Days before the end; 0: past. DORA's regulatory technical standards, (EU) 2024/1774 article 7, ask for renewal before expiry.
DAYS: Final = (60, 30, 7, 0)


class Due(NamedTuple):
    """An item within the last days of its time. `step` is one of DAYS, `left` the days that are left, below zero: since."""

    item: Item
    step: int
    left: int

    @property
    def past(self) -> bool:
        return self.step == 0

    @property
    def mark(self) -> str:
        """The same as long as it is the same thing: what is told once."""
        return f"{self.item.id} {self.item.fingerprint or self.item.created_ms}"


def due(items: Iterable[Item], now_ms: int) -> list[Due]:
    """What ends within sixty days or has ended, the soonest first."""
    out = []
    for item in items:
        if not item.told or not item.expires_ms:
            continue
        left_ms = item.expires_ms - now_ms
        steps = [days for days in DAYS if left_ms <= days * DAY_MS]
        if steps:
            out.append(Due(item, min(steps), left_ms // DAY_MS))
    return sorted(out, key=lambda each: each.item.expires_ms)


def untold(found: Iterable[Due], told: Mapping[str, int]) -> list[Due]:
    """Those of which this step was not told yet. `told`: mark -> the last step told."""
    return [each for each in found if each.step < told.get(each.mark, max(DAYS) + 1)]


def remembered(found: Iterable[Due]) -> dict[str, int]:
    """What was told, once all of `found` was: what was replaced is forgotten."""
    return {each.mark: each.step for each in found}

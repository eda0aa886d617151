"""HOT: many things to do later, as slots of a few milliseconds: one timer for thousands of them. Given the time, never reads it."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")


class Wheel(Generic[T]):
    """Items with the second they are due; `due` hands out those whose slot has passed, in order of slots."""

    def __init__(self, slot_s: float) -> None:
        self._per_s = 1 / slot_s
        self._slots: dict[int, list[T]] = {}
        self._order: list[int] = []

    def put(self, at_s: float, item: T) -> None:
        """Due at `at_s`, at most one slot later."""
        slot = int(at_s * self._per_s) + 1
        items = self._slots.get(slot)
        if items is None:
            self._slots[slot] = [item]
            heappush(self._order, slot)
        else:
            items.append(item)

    def due(self, now_s: float) -> list[T]:
        passed = now_s * self._per_s
        out: list[T] = []
        while self._order and self._order[0] <= passed:
            out += self._slots.pop(heappop(self._order))
        return out

    def next_s(self) -> float | None:
        """When `due` next has something, None when never."""
        return self._order[0] / self._per_s if self._order else None

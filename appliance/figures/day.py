"""The figures of a day or of many, and what is read from them: sums, percentiles, shares within a time. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from appliance.message import CLASSES, FINAL, STATUSES
from appliance.store import Counted

#: What callers, operators and countries are asked for by.
BY: Final = {"caller": 0, "class": 1, "link": 2, "country": 3}
STATUS: Final = 4


class Figures(msgspec.Struct):
    """Of a span of time; `through_ms`: when it was counted."""

    counted: Counted = msgspec.field(default_factory=Counted)
    through_ms: int = 0

    def add(self, other: Figures) -> None:
        self.counted.add(other.counted)
        self.through_ms = min(self.through_ms or other.through_ms, other.through_ms or self.through_ms)

    def statuses(self, **only: object) -> dict[str, int]:
        """Messages by status, every status named. `only`: of one caller, class (by number), link or country."""
        out: Counter[str] = Counter()
        for key, n in self.counted.messages.items():
            if all(key[BY[name]] == value for name, value in only.items()):
                out[STATUSES[key[STATUS]]] += n
        return {name: out[name] for name in STATUSES}

    def by(self, *names: str) -> dict[tuple[object, ...], dict[str, int]]:
        """(values of the names) -> {messages, every status, segments, answered}, most messages first."""
        out: dict[tuple[object, ...], Counter[str]] = {}
        for key, n in self.counted.messages.items():
            row = out.setdefault(tuple(key[BY[name]] for name in names), Counter())
            row["messages"] += n
            row[STATUSES[key[STATUS]]] += n
        for word, counts in (("segments", self.counted.segments), ("answered", self.counted.answered)):
            for part, n in counts.items():
                out.setdefault(tuple(part[BY[name]] for name in names), Counter())[word] += n
        columns = ("messages", *STATUSES, "segments", "answered")
        ordered = sorted(out.items(), key=lambda each: (-each[1]["messages"], str(each[0])))
        return {values: {column: row[column] for column in columns} for values, row in ordered}

    def hours(self, from_hour: int, to_hour: int) -> list[dict[str, int]]:
        """Of each hour: {hour, messages, delivered, failed, open}."""
        rows = {hour: Counter[str]() for hour in range(from_hour, to_hour)}
        for (hour, _, status), n in self.counted.hours.items():
            if hour in rows:
                rows[hour]["messages"] += n
                rows[hour][outcome(status)] += n
        columns = ("messages", "delivered", "failed", "open")
        return [{"hour": hour, **{column: row[column] for column in columns}} for hour, row in rows.items()]

    def durations(self, which: str, class_: int | None = None, link: str | None = None) -> Counter[int]:
        """Step -> messages. `which`: `sent_ms` or `delivered_ms`."""
        out: Counter[int] = Counter()
        for (of_class, of_link, step), n in getattr(self.counted, which).items():
            if class_ in (None, of_class) and link in (None, of_link):
                out[step] += n
        return out

    def latencies(self) -> list[dict[str, object]]:
        """Of each class: percentiles in ms of the time to the operator's answer and to the receipt; None where there is none."""
        rows: list[dict[str, object]] = []
        for number, name in enumerate(CLASSES):
            row: dict[str, object] = {"class": name}
            for which in ("sent_ms", "delivered_ms"):
                found = self.durations(which, number)
                row[which] = {of: percentile(found, of) for of in (50, 95, 99)}
            rows.append(row)
        return rows


def outcome(status: int) -> str:
    """`delivered`, `failed` (any other end) or `open`."""
    if STATUSES[status] == "delivered":
        return "delivered"
    return "failed" if status in FINAL else "open"


def failed(row: Mapping[str, int]) -> int:
    """Of a row by status: what ended otherwise than delivered."""
    return sum(row[STATUSES[status]] for status in FINAL) - row["delivered"]


def percentile(durations: Mapping[int, int], of: float) -> int | None:
    """The shortest time within which `of` per cent were done, as the end of its step; None for none."""
    total = sum(durations.values())
    reached = 0
    for step in sorted(durations):
        reached += durations[step]
        if reached * 100 >= total * of:
            return step
    return None


def within(durations: Mapping[int, int], ms: int) -> int:
    """How many took at most so long; exact for whole seconds up to ten minutes, whole minutes up to a day."""
    return sum(n for step, n in durations.items() if step <= ms)


def together(many: Iterable[Figures]) -> Figures:
    out = Figures()
    for each in many:
        out.add(each)
    return out

"""HOT: what the engine waits for from operators, in memory and bounded: receipts, responses to receipts that came first, and doubts."""

from __future__ import annotations

from collections import Counter
from heapq import heappop, heappush
from itertools import islice, takewhile
from typing import Any, Final

from appliance import limits

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000

Pair = tuple[str, bytes]  # a link and the blind index of a number


def drop_oldest(table: dict[Any, Any], count: int) -> None:
    """Many at a time: the first key of a dict is found by walking over all that were deleted before it."""
    for key in list(islice(table, count)):
        del table[key]


Known = tuple[int, int, int, int, Any]


class Outstanding(dict[tuple[str, str], Known]):
    """(link, operator id) -> (day, segment key, segments, notify, tally or None) of segments whose receipt is awaited.

    Bounded: the oldest are forgotten here and found on disk instead.
    """

    MOST = 200_000
    FORGOTTEN_EACH = 200

    def remember(self, key: tuple[str, str], value: Known) -> list[Known]:
        """Those that are forgotten for it."""
        self[key] = value
        if len(self) <= self.MOST:
            return []
        return [self.pop(oldest) for oldest in list(islice(self, self.FORGOTTEN_EACH))]


class Parked:
    """Receipts for ids that no response has brought yet: by link and id, when it came and its status; the rest is on disk.

    Time (minutes) and status are one whole number, shared by all that have the same, so that a million of these take the
    room of their ids and little more. The minute's day is the partition it is parked in.
    """

    def __init__(self) -> None:
        self.by_link: dict[str, dict[str, int]] = {}
        self._shared: dict[int, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, where: tuple[str, str]) -> bool:
        return where[1] in self.by_link.get(where[0], ())

    def add(self, link: str, operator_id: str, at_ms: int, status: int) -> None:
        table = self.by_link.setdefault(link, {})
        if operator_id in table:
            return
        kept = at_ms // MINUTE_MS << 4 | status
        table[operator_id] = self._shared.setdefault(kept, kept)
        self._count += 1
        if self._count > limits.PARKED_RECEIPTS_MAX:
            most = max(self.by_link.values(), key=len)
            self._count -= min(len(most), limits.PARKED_RECEIPTS_MAX // 20 or 1)
            drop_oldest(most, limits.PARKED_RECEIPTS_MAX // 20 or 1)

    def pop(self, link: str, operator_id: str) -> tuple[int, int] | None:
        """(time in ms, to the minute; status) of a receipt, which is then forgotten here."""
        table = self.by_link.get(link)
        kept = table.pop(operator_id, None) if table else None
        if kept is None:
            return None
        self._count -= 1
        return (kept >> 4) * MINUTE_MS, kept & 15

    def in_order(self) -> None:
        """After they were read from disk, the newest day first: the oldest first again."""
        for link, table in self.by_link.items():
            self.by_link[link] = dict(sorted(table.items(), key=lambda row: row[1] >> 4))

    def forget(self, oldest_ms: int) -> None:
        """Those that came before a time: an operator may give their ids again."""
        oldest = oldest_ms // MINUTE_MS << 4
        for table in self.by_link.values():
            old = sum(1 for _ in takewhile(lambda kept: kept < oldest, table.values()))
            drop_oldest(table, old)
            self._count -= old
        for kept in [kept for kept in self._shared if kept < oldest]:
            del self._shared[kept]

    def forget_day(self, day: int) -> None:
        """Those in a partition that is closed."""
        first, end = day * DAY_MS // MINUTE_MS << 4, (day + 1) * DAY_MS // MINUTE_MS << 4
        for table in self.by_link.values():
            for operator_id in [i for i, kept in table.items() if first <= kept < end]:
                del table[operator_id]
                self._count -= 1


LOOK_S_MIN: Final = 1.0  # before the second look at a number that more than one message may be meant by; doubles
LOOK_S_MAX: Final = 3_600.0


class Doubts:
    """How many segments are indeterminate, and which numbers are to be looked at: a receipt may tell what became of one."""

    def __init__(self) -> None:
        self.by_day: dict[int, tuple[Counter[str], int, int]] = {}  # segments by link; messages held; messages
        self._ready: dict[Pair, None] = {}
        self._due: dict[Pair, tuple[float, float]] = {}  # when to look again, and how long after that
        self._heap: list[tuple[float, Pair]] = []

    def of(self, link: str) -> bool:
        """Whether a link has any indeterminate segment."""
        return any(links[link] for links, _, _ in self.by_day.values())

    @property
    def held(self) -> int:
        """Messages that wait for a person, or for a late receipt."""
        return sum(held for _, held, _ in self.by_day.values())

    @property
    def messages(self) -> int:
        """Indeterminate messages, held and reported."""
        return sum(n for _, _, n in self.by_day.values())

    def soon(self, pair: Pair) -> None:
        """Looks at a link and number before the next beat. Beyond the bound a receipt is found by a later one, or by a person."""
        if len(self._ready) < limits.DOUBTS_MAX:
            self._ready[pair] = None

    def later(self, pair: Pair, now_s: float) -> None:
        """More than one message may be meant: looks again when others of them may have had their answers."""
        pause_s = self._due[pair][1] if pair in self._due else LOOK_S_MIN
        if pair in self._due or len(self._due) < limits.DOUBTS_MAX:
            self._due[pair] = (now_s + pause_s, min(pause_s * 2, LOOK_S_MAX))
            heappush(self._heap, (now_s + pause_s, pair))

    def done(self, pair: Pair) -> None:
        """There is nothing more to look at."""
        self._due.pop(pair, None)

    def take(self, now_s: float, most: int) -> list[Pair]:
        """What is to be looked at now."""
        while self._heap and self._heap[0][0] <= now_s:
            due_s, pair = heappop(self._heap)
            if pair in self._due and self._due[pair][0] == due_s:
                self._ready[pair] = None
        out = list(islice(self._ready, most))
        for pair in out:
            del self._ready[pair]
        return out

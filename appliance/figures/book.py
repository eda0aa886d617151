"""`figures.db`: the figures of each day as they were last counted, so that a report of a month reads thirty rows and not a hundred million messages.

Trust: who can write the file can have a page or a report say another number; it is erased without loss, and then all is counted anew. It holds
counts only: nothing of one message.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import msgspec
from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from appliance.settings import Settings
from appliance.store import Counted, DeskStore, Readers

from .day import Figures, outcome, together

MIGRATIONS: Final = Migrations("figures")
FORMAT: Final = 1  # of what is packed; another one is counted anew
READ_MAX: Final = 40  # days kept unpacked: a month and a few


@MIGRATIONS(name="0001_days")
def _first(db: Database) -> None:
    db.execute(
        """CREATE TABLE counted (
            day INTEGER PRIMARY KEY,
            stamp TEXT NOT NULL, -- of the day's files when it was counted
            at_ms INTEGER NOT NULL,
            format INTEGER NOT NULL,
            packed BLOB NOT NULL
        ) STRICT"""
    )


class _Packed(msgspec.Struct, array_like=True):
    """JSON and msgpack have no tuples as keys."""

    messages: list[tuple[tuple[int, int, str, int, int], int]]
    segments: list[tuple[tuple[int, int, str, int], int]]
    answered: list[tuple[tuple[int, int, str, int], int]]
    hours: list[tuple[tuple[int, int, int], int]]
    sent_ms: list[tuple[tuple[int, str, int], int]]
    delivered_ms: list[tuple[tuple[int, str, int], int]]


def packed(counted: Counted) -> bytes:
    return msgspec.msgpack.encode(_Packed(*(list(getattr(counted, n).items()) for n in Counted.__struct_fields__)))


def unpacked(octets: bytes) -> Counted:
    found, out = msgspec.msgpack.decode(octets, type=_Packed), Counted()
    for name in Counted.__struct_fields__:
        getattr(out, name).update(dict(getattr(found, name)))
    return out


class FiguresBook(DeskStore):
    """Of one box. What is counted is counted by one thread at a time; the others wait or take what is known."""

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        super().__init__(settings.home / "figures.db", MIGRATIONS)
        self._stores, self._clock = settings.stores, clock
        self._readers = threading.local()
        self._counting = threading.Lock()
        self._read: dict[int, tuple[tuple[object, ...], Figures]] = {}  # unpacked, by which count it is

    def readers(self) -> Readers:
        """This thread's."""
        found: Readers | None = getattr(self._readers, "readers", None)
        if found is None:
            found = self._readers.readers = Readers(self._stores)
        return found

    def known(self, day: int) -> Figures | None:
        """As it was last counted, whatever has changed since; None when it never was. Shared by those who read it: never to be changed."""
        version = self.row("SELECT stamp, at_ms FROM counted WHERE day=? AND format=?", day, FORMAT)
        if version is None:
            return None
        kept = self._read.get(day)
        if kept is not None and kept[0] == version:
            return kept[1]
        row = self.row("SELECT stamp, at_ms, packed FROM counted WHERE day=? AND format=?", day, FORMAT)
        if row is None:
            return None
        if len(self._read) >= READ_MAX:
            self._read.clear()
        found = Figures(unpacked(row[2]), row[1])
        self._read[day] = row[:2], found
        return found

    def counted_ms(self) -> dict[int, int]:
        """Day -> when it was counted."""
        return dict(self.rows("SELECT day, at_ms FROM counted WHERE format=?", FORMAT))

    def stale(self, day: int) -> bool:
        """Whether the day's files changed since it was counted."""
        row = self.row("SELECT stamp FROM counted WHERE day=? AND format=?", day, FORMAT)
        now = self.readers().stamp(day)
        return bool(now) and (
            row is None or row[0] != now
        )  # of a day that was erased what is known stays: it is of nobody

    def day(self, day: int) -> Figures:
        """As it is: counted now if it changed. Raises Error `store_damaged`."""
        with self._counting:
            found = self.known(day) if not self.stale(day) else None
            return found if found is not None else self._count(day)

    def _count(self, day: int) -> Figures:
        stamp, at_ms = self.readers().stamp(day), self._clock()  # before reading: a change in between makes it stale
        counted = self.readers().counted(day)
        if stamp:
            with self.writing() as conn:
                conn.execute(
                    "INSERT OR REPLACE INTO counted (day, stamp, at_ms, format, packed) VALUES (?, ?, ?, ?, ?)",
                    (day, stamp, at_ms, FORMAT, packed(counted)),
                )
        return Figures(counted, at_ms)

    def days(self, first: int, last: int, progress: Callable[[int], None] = lambda day: None) -> dict[int, Figures]:
        """Each day that is there, both ends included. Raises Error `store_damaged`."""
        out = {}
        for day in range(first, last + 1):
            out[day] = self.day(day)
            progress(day)
        return out

    def span(self, first: int, last: int) -> Figures:
        """The days together, both ends included, as they are known: nothing is counted."""
        return together(found for day in range(first, last + 1) if (found := self.known(day)) is not None)

    def of_time(self, from_ms: int, to_ms: int, day_of: Callable[[int], int]) -> Figures:
        """Of the messages accepted in a time, counted now."""
        out = Figures(through_ms=self._clock())
        for day in range(day_of(from_ms), day_of(to_ms - 1) + 1):
            out.counted.add(self.readers().counted(day, from_ms, to_ms))
        return out

    def customers(self, from_ms: int, to_ms: int, day_of: Callable[[int], int], most: int) -> dict[bytes, int]:
        """Blind index -> a bit for each outcome (1 delivered, 2 failed, 4 open), of the messages accepted in a time; of `most` customers."""
        bits, out = {"delivered": 1, "failed": 2, "open": 4}, dict[bytes, int]()
        for day in range(day_of(from_ms), day_of(to_ms - 1) + 1):
            for index, _, status in self.readers().customers(day, from_ms, to_ms):
                if index in out or len(out) < most:
                    out[index] = out.get(index, 0) | bits[outcome(status)]
        return out

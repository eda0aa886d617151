"""HOT: who is suppressed, for the hot path: a million of them in nine megabytes, a look-up in some two microseconds at most. No sockets, no clock.

Of each blind index the first eight octets are kept: of a million, the chance that a stranger's are the same is one in 10^13.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

PREFIX: Final = 8  # octets
BUCKET_BITS: Final = 18  # the first bits of a prefix say between which two places it would be: some four of a million
_SHIFT: Final = PREFIX * 8 - BUCKET_BITS
_LITTLE: Final = sys.byteorder == "little"


def prefix_of(subject: bytes) -> int:
    return int.from_bytes(subject[:PREFIX], "big")


class Column:
    """Sorted prefixes of one programme. Immutable once it is made."""

    __slots__ = ("prefixes", "starts")

    def __init__(self, chunks: Iterable[bytes]) -> None:
        """`chunks`: eight octets a prefix, one after another, sorted over all chunks."""
        self.prefixes: array[int] = array("Q")
        for octets in chunks:
            some: array[int] = array("Q")
            some.frombytes(octets)
            if _LITTLE:
                some.byteswap()
            self.prefixes += some
        at = 0
        self.starts: array[int] = array("I")
        for bucket in range(1 << BUCKET_BITS):
            at = bisect_left(self.prefixes, bucket << _SHIFT, at)
            self.starts.append(at)
        self.starts.append(len(self.prefixes))

    def holds(self, prefix: int) -> bool:
        bucket = prefix >> _SHIFT
        end = self.starts[bucket + 1]
        at = bisect_left(self.prefixes, prefix, self.starts[bucket], end)
        return at < end and self.prefixes[at] == prefix


class Suppressed:
    """Programmes -> subjects; what was decided since lies over it. Changed by one task only, between two rows."""

    def __init__(self) -> None:
        self._columns: dict[str, Column] = {}
        self._since: dict[str, dict[int, bool]] = {}  # prefix: suppressed or not
        self.upto = 0  # number of the last decision that counts here

    @classmethod
    def of(cls, columns: dict[str, Iterable[bytes]], upto: int) -> Suppressed:
        """`columns`: by programme, as Column takes them."""
        made = cls()
        made.upto = upto
        made._columns = {programme: Column(chunks) for programme, chunks in columns.items()}
        return made

    def decided(self, programme: str, subject: bytes, out: bool) -> None:
        """One decision more."""
        self._since.setdefault(programme, {})[prefix_of(subject)] = out

    def first_of(self, programmes: Iterable[str], subject: bytes) -> str | None:
        """The first of `programmes` in which the subject is suppressed ("" is its own: all of them)."""
        prefix = int.from_bytes(subject[:PREFIX], "big")
        for programme in programmes:
            since = self._since.get(programme)
            if since is not None:
                out = since.get(prefix)
                if out:
                    return programme
                if out is not None:
                    continue
            column = self._columns.get(programme)
            if column is not None and column.holds(prefix):
                return programme
        return None

    @property
    def since(self) -> int:
        """Decisions that are not in the sorted part: when there are many, take a new snapshot."""
        return sum(map(len, self._since.values()))

    def __len__(self) -> int:
        """About how many are suppressed."""
        columns = sum(len(column.prefixes) for column in self._columns.values())
        return columns + sum(sum(d.values()) for d in self._since.values())

"""What a day holds of one number's owner, found by its blind index, for those who erase it. Reads only."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from .behind import ENTRY_OCTETS, HEAP_OF_NUMBERS, KEY_OCTETS, heap_span, number_entry
from .partition import Partition

_ROWS: Final = (
    "SELECT m.seq,m.id,p.status,m.notify FROM message m JOIN progress p ON p.seq=m.seq WHERE m.number_index=? AND m.seq>?"
    " ORDER BY m.seq LIMIT ?"
)
_HEARD: Final = "SELECT n,id FROM heard WHERE number_index=? ORDER BY n LIMIT ?"
_PARTS: Final = "SELECT n,id FROM inbound WHERE number_index=? ORDER BY n LIMIT ?"
_PARKED: Final = "SELECT count(*) FROM parked WHERE number_index=?"
_HEAPS: Final = HEAP_OF_NUMBERS.replace("SELECT entries", "SELECT n,entries")


class Row(NamedTuple):
    """A message that is a row."""

    seq: int
    id: bytes
    status: int
    notify: int


def rows_to(partition: Partition, subject: bytes, after: int, limit: int) -> list[Row]:
    """Messages to a number that are rows, in order; those of batches have to be unfolded first."""
    return [Row(*row) for row in partition.conn.execute(_ROWS, (subject, after, limit)).fetchall()]


def heard_from(partition: Partition, subject: bytes, limit: int) -> list[tuple[int, bytes]]:
    """(n, id) of whole messages from a number."""
    return list(partition.conn.execute(_HEARD, (subject, limit)).fetchall())


def parts_from(partition: Partition, subject: bytes, limit: int) -> list[tuple[int, bytes]]:
    """(n, id) of parts of messages from a number."""
    return list(partition.conn.execute(_PARTS, (subject, limit)).fetchall())


def parked_for(partition: Partition, subject: bytes) -> int:
    """How many receipts that wait for their message say that they are of a number."""
    return int(partition.conn.execute(_PARKED, (subject,)).fetchone()[0])


def placed_without(partition: Partition, subject: bytes, seqs: set[int]) -> list[tuple[bytes, int]]:
    """(entries, n) of rows of the index of numbers as they are without these messages; only rows that change."""
    gone = {number_entry(subject, seq) for seq in seqs}
    out: list[tuple[bytes, int]] = []
    rows: list[tuple[Any, ...]] = partition.conn.execute(_HEAPS, heap_span(subject)).fetchall()
    for n, entries in rows:
        if entries.find(subject[:KEY_OCTETS]) < 0:
            continue
        kept = [entries[at : at + ENTRY_OCTETS] for at in range(0, len(entries), ENTRY_OCTETS)]
        left = [entry for entry in kept if entry not in gone]
        if len(left) < len(kept):
            out.append((b"".join(left), n))
    return out


def unplaced_of(subject: bytes, seqs: set[int]) -> set[bytes]:
    """The entries of the index of numbers for these messages."""
    return {number_entry(subject, seq) for seq in seqs}

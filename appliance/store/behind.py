"""HOT: two indexes that are built behind the writing: entries come in any order and are put in place in sorted pieces.

An entry that falls anywhere costs a page of the file and a page of the log; some hundred that fall beside each other cost
little more than one. So entries are gathered in memory in heaps by their first octet, and each beat puts a heap or two into
the table. What is gathered and lost with the process is read again from the batches at the next start.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final

GATHERED_MIN: Final = (
    131_072  # entries, before they are put in place; a search looks through what is not, batch by batch
)
IDLE_MIN: Final = 4_096  # the same when nothing else is to be done
HEAPS: Final = 256
PLACED_MIN: Final = 512  # entries a beat, at least

KEY_OCTETS: Final = 7  # of a blind index; who finds an entry compares the whole
SEQ_OCTETS: Final = 5
ENTRY_OCTETS: Final = KEY_OCTETS + SEQ_OCTETS

#: A row of `number` has the entries of one heap that were put in place together, in order; `n` is heap and a mark.
INSERT_NUMBERS: Final = "INSERT OR REPLACE INTO number(n,entries) VALUES(?,?)"
HEAP_OF_NUMBERS: Final = "SELECT entries FROM number WHERE n>=? AND n<?"
#: The same of `ended`, with a number of its own: a start may put entries in place that are there already.
INSERT_ENDED: Final = (
    "INSERT INTO ended(n,digests) SELECT coalesce(max(n)+1,:low),:digests FROM ended WHERE n>=:low AND n<:high"
)
HEAP_OF_ENDED: Final = "SELECT digests FROM ended WHERE n>=? AND n<?"
HEAP_BITS: Final = 48
DIGEST_OCTETS: Final = 8
_BEGUN: Final[dict[int, Any]] = {}  # by link, a digest to go on from


def number_entry(number_index: bytes, seq: int) -> bytes:
    """The first octets of a blind index, and the message."""
    return number_index[:KEY_OCTETS] + seq.to_bytes(SEQ_OCTETS, "big")


def ended_entry(link: int, operator_id: str) -> bytes:
    """A digest of a link's number and an id that the operator gave."""
    begun = _BEGUN.get(link)
    if begun is None:
        begun = _BEGUN[link] = blake2b(digest_size=DIGEST_OCTETS, salt=link.to_bytes(2, "big"))
    digest = begun.copy()
    digest.update(operator_id.encode("utf-8", "surrogatepass"))
    return digest.digest()


def begins(rows: bytes, head: bytes, octets: int) -> Iterator[int]:
    """Where rows of so many octets each begin with `head`."""
    at = rows.find(head)
    while at >= 0:
        if at % octets == 0:
            yield at
        at = rows.find(head, at + 1)


def numbers_in(entries: bytes, number_index: bytes) -> list[int]:
    """The messages that the entries of a row name for a blind index."""
    found = begins(entries, number_index[:KEY_OCTETS], ENTRY_OCTETS)
    return [int.from_bytes(entries[at + KEY_OCTETS : at + ENTRY_OCTETS], "big") for at in found]


def is_in(digests: bytes, entry: bytes) -> bool:
    """Whether a row of `ended` has an entry."""
    return any(True for _ in begins(digests, entry, DIGEST_OCTETS))


def ended_row(entries: list[bytes]) -> dict[str, Any]:
    """What INSERT_ENDED takes, of digests of one heap."""
    low, high = heap_span(entries[0])
    return {"low": low, "high": high, "digests": b"".join(entries)}


def heap_span(entry: bytes) -> tuple[int, int]:
    """The rows of an index that may have a blind index or a digest are from the first to before the second."""
    return entry[0] << HEAP_BITS, entry[0] + 1 << HEAP_BITS


class Behind:
    """One such index. `upto` is the mark up to which everything is in the table: of what, says the caller."""

    def __init__(self, mark: str, upto: int) -> None:
        self.mark = mark
        self.upto = upto
        self._gathered: list[list[bytes]] = [[] for _ in range(HEAPS)]
        self._count = 0
        self._next = upto  # the mark of what is gathered, and of what is being put in place
        self._placing: list[list[bytes]] = []
        self._placing_upto = upto
        self._left = 0
        self._unsure: list[bytes] = []  # put in place by a transaction that is not committed
        self._upto_before = upto

    def put(self, cursor: Any, heap: int, entries: list[bytes], upto: int) -> None:
        """Writes the entries of one heap."""
        raise NotImplementedError

    def gather(self, entries: list[bytes], upto: int) -> None:
        """Takes entries of what is committed."""
        heaps = self._gathered
        for entry in entries:
            heaps[entry[0]].append(entry)
        self._count += len(entries)
        self._next = max(self._next, upto)

    def __contains__(self, entry: bytes) -> bool:
        """Whether it waits to be put in place."""
        return entry in self._gathered[entry[0]] or (bool(self._placing) and entry in self._placing[entry[0]])

    def drop(self, entries: set[bytes]) -> None:
        """Forgets entries that wait."""
        for entry in entries:
            for heaps in (self._gathered, self._placing):
                if heaps and entry in heaps[entry[0]]:
                    heaps[entry[0]].remove(entry)

    def heap(self, first: int) -> bytes:
        """The entries that wait and begin with an octet, one after another."""
        return b"".join(self._gathered[first]) + (b"".join(self._placing[first]) if self._placing else b"")

    def place(self, cursor: Any, least: int) -> bool:
        """Inside a transaction: puts a few heaps in place once `least` entries are there; whether the mark has moved."""
        if not self._placing:
            if self._count < least:
                return False
            self._placing, self._gathered = self._gathered, [[] for _ in range(HEAPS)]
            self._left, self._count = HEAPS, 0
            self._placing_upto = self._next
        placed = 0
        # It keeps ahead of what is gathered meanwhile.
        while self._left and placed < max(PLACED_MIN, self._count // 16):
            self._left -= 1
            heap = self._placing[self._left]
            if heap:
                heap.sort()
                self.put(cursor, self._left, heap, self._placing_upto)
                placed += len(heap)
                self._unsure += heap
        if self._left:
            return False
        self._placing = []
        self._upto_before, self.upto = self.upto, self._placing_upto
        return True

    def place_all(self, cursor: Any) -> None:
        """The same with all that waits, at once."""
        while self.enough(1) and not self.place(cursor, 1):
            pass

    def committed(self) -> None:
        if self._unsure and self._placing:  # should the next transaction fail, they are not put there once more
            self._placing[self._left :] = [[] for _ in range(HEAPS - self._left)]
        self._unsure.clear()
        self._upto_before = self.upto

    def again(self) -> None:
        """The transaction was rolled back: what it had put in place is put there again."""
        if not self._unsure:
            return
        self.upto = self._upto_before
        self._placing = self._placing or [[] for _ in range(HEAPS)]
        for entry in self._unsure:
            if entry not in self._placing[entry[0]]:
                self._placing[entry[0]].append(entry)
        self._unsure = []
        self._left = HEAPS

    def __bool__(self) -> bool:
        """Whether something is being put in place."""
        return bool(self._placing)

    def enough(self, least: int) -> bool:
        return bool(self._placing) or self._count >= least


class Numbers(Behind):
    """Which messages go to a number."""

    def put(self, cursor: Any, heap: int, entries: list[bytes], upto: int) -> None:
        cursor.execute(INSERT_NUMBERS, (heap << HEAP_BITS | upto, b"".join(entries)))


class Ended(Behind):
    """Which operator's ids have had their final receipt."""

    def put(self, cursor: Any, heap: int, entries: list[bytes], upto: int) -> None:
        cursor.execute(INSERT_ENDED, ended_row(entries))

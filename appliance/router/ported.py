"""The book of ported numbers: a CSV of millions of rows made into one sorted file of eight octets a number, mapped, not read.

Each entry is `number << 14 | operator`, little-endian, ascending: a look-up is a bisection of a few dozen comparisons in C.
The file stands beside the CSV as NAME.sorted, is written whole and put in place at once, and says of which CSV (length and
time of change) it was made. It is a national register, not customers' numbers: it is kept in clear. Who can change it
decides which link a number takes, and nothing more.
"""

from __future__ import annotations

import heapq
import mmap
import os
import sys
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Final

import msgspec

from appliance.errors import Error

MAGIC: Final = b"casemate ported numbers 1\n"
OPERATOR_BITS: Final = 14  # 15 digits need 50 bits
RUN_ROWS: Final = 1_000_000  # sorted in memory at once: some 60 MB
HEADER_OCTETS: Final = 1 << 20  # names of operators and the CSV's stamp; the entries begin behind it
CHUNK_ROWS: Final = 65_536


class Head(msgspec.Struct):
    """What the file says of itself."""

    rows: int
    operators: list[str]
    csv_octets: int
    csv_changed_ns: int
    big_endian: bool = False


class Book:
    """One file of ported numbers, mapped into memory as far as it is used. Raises Error `file_invalid` when it is not one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.head = head_of(self._map[:HEADER_OCTETS])
        except (OSError, ValueError, msgspec.MsgspecError):
            raise Error(
                "file_invalid", f"{path.name} is not a book of ported numbers", "it is made from its CSV"
            ) from None
        if len(self._map) != HEADER_OCTETS + 8 * self.head.rows or self.head.big_endian != (sys.byteorder == "big"):
            raise Error("file_invalid", f"{path.name} is not whole", "remove it: it is made again from its CSV")
        self._entries = memoryview(self._map)[HEADER_OCTETS:].cast("Q") if self.head.rows else memoryview(array("Q"))

    def operator(self, digits: int) -> str:
        """The operator a number moved to; empty when it did not."""
        low = digits << OPERATOR_BITS
        entries = self._entries
        at = bisect_left(entries, low)
        if at < len(entries):
            entry = entries[at]
            if entry >> OPERATOR_BITS == digits:
                return self.head.operators[entry & (1 << OPERATOR_BITS) - 1]
        return ""

    def __len__(self) -> int:
        return self.head.rows


def head_of(octets: bytes) -> Head:
    """Raises ValueError or msgspec.MsgspecError."""
    if not octets.startswith(MAGIC):
        raise ValueError
    length = int.from_bytes(octets[len(MAGIC) : len(MAGIC) + 4], "little")
    return msgspec.msgpack.decode(octets[len(MAGIC) + 4 : len(MAGIC) + 4 + length], type=Head)


def book_of(csv: Path) -> Path:
    """Where the sorted file of a CSV stands."""
    return csv.with_name(csv.name + ".sorted")


def opened(csv: Path, operators: tuple[str, ...]) -> Book:
    """The book of a CSV; made now when there is none, or an older one. Raises Error `file_invalid` naming the line at fault."""
    where = book_of(csv)
    try:
        stat = csv.stat()
    except OSError as e:
        raise Error("file_invalid", f"ported_file {csv.name} cannot be read: {e.strerror}") from None
    try:
        book = Book(where)
        of_this_csv = (book.head.csv_octets, book.head.csv_changed_ns) == (stat.st_size, stat.st_mtime_ns)
        if of_this_csv and set(book.head.operators) <= set(operators):
            return book
    except Error:
        pass
    build(csv, operators)
    return Book(where)


def build(csv: Path, operators: tuple[str, ...]) -> int:
    """Makes the book of a CSV of `number,operator`, in bounded memory; how many numbers. The last row of a number counts.

    Raises Error `file_invalid`. Lines that begin with `#` and a heading `number,operator` are passed over.
    """
    numbers = {name: n for n, name in enumerate(operators)}
    with tempfile.TemporaryDirectory(prefix=".ported-", dir=csv.parent) as folder:
        try:
            with csv.open("rb") as file:
                stat = os.fstat(file.fileno())
                runs = [_kept(run, Path(folder), n) for n, run in enumerate(_runs(file, csv.name, numbers))]
        except OSError as e:
            raise Error("file_invalid", f"ported_file {csv.name} cannot be read: {e.strerror}") from None
        fresh = Path(folder) / "book"
        with fresh.open("wb") as out:
            out.write(b"\0" * HEADER_OCTETS)
            rows = _merged(runs, out)
            head = Head(rows, list(operators), stat.st_size, stat.st_mtime_ns, sys.byteorder == "big")
            packed = msgspec.msgpack.encode(head)
            out.seek(0)
            out.write(MAGIC + len(packed).to_bytes(4, "little") + packed)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(book_of(csv))
    return rows


def _runs(file: IO[bytes], name: str, operators: dict[str, int]) -> Iterator[list[int]]:
    """Sorted lists of entries, at most RUN_ROWS long; of a number named twice in one, the last."""
    by_octets = {operator.encode(): n for operator, n in operators.items()}
    at = 0
    while lines := list(islice(file, RUN_ROWS)):
        found: dict[int, int] = {}
        for n, line in enumerate(lines, at + 1):
            number, _, operator = line.strip().partition(b",")
            code = by_octets.get(operator.strip())
            if code is None or not number.isdigit() or not 0 < len(number) <= 15:
                if not line.strip() or line.startswith(b"#") or (n == 1 and number.strip().lower() == b"number"):
                    continue
                if number[:1] == b"+" and number[1:].isdigit() and len(number) <= 16 and code is not None:
                    number = number[1:]
                else:
                    raise _line(name, n, code is None)
            found[int(number)] = code
        at += len(lines)
        yield sorted(number << OPERATOR_BITS | code for number, code in found.items())


def _line(name: str, n: int, operator: bool) -> Error:
    what = "names no operator of the table" if operator else "does not begin with a number of up to 15 digits"
    return Error("file_invalid", f"ported_file {name}, line {n}: {what}", "each line is number,operator")


def _kept(run: list[int], folder: Path, n: int) -> Path:
    path = folder / f"run-{n}"
    with path.open("wb") as out:
        array("Q", run).tofile(out)
    return path


def _read(path: Path) -> Iterator[int]:
    with path.open("rb") as file:
        while octets := file.read(8 * CHUNK_ROWS):
            yield from array("Q", octets)


def _numbered(path: Path, run: int) -> Iterator[tuple[int, int, int]]:
    for entry in _read(path):
        yield entry >> OPERATOR_BITS, -run, entry


def _merged(runs: list[Path], out: IO[bytes]) -> int:
    """One ascending file of all runs; of a number in several, the entry of the last run."""
    if len(runs) == 1:
        octets = runs[0].read_bytes()
        out.write(octets)
        return len(octets) // 8
    chunk, rows, before = array("Q"), 0, -1
    for number, _, entry in heapq.merge(*(_numbered(path, n) for n, path in enumerate(runs))):
        if number == before:
            continue
        before = number
        chunk.append(entry)
        rows += 1
        if len(chunk) >= CHUNK_ROWS:
            chunk.tofile(out)
            chunk = array("Q")
    chunk.tofile(out)
    return rows

"""From a national database's CSV to a book of ported numbers: streamed, sorted in runs, merged; bounded memory however long it is.

A line that cannot be read is set aside with its number and a code; no message ever repeats what stands in it.
"""

from __future__ import annotations

import csv
import mmap
import os
import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import repeat
from operator import or_, rshift
from pathlib import Path
from typing import IO, Final, NamedTuple

from appliance.errors import Error
from appliance.limits import PORTED_LINE_OCTETS_MAX, PORTED_REFUSED_SHOWN, PORTED_ROWS_MAX
from appliance.numbering import calling_code_of, normalise

from .ported import CODE_BITS, CODES_MAX, HEADER_OCTETS, header

BLOCK_OCTETS: Final = 1 << 20  # read at once: some fifty thousand lines
RUN_ROWS: Final = 1_000_000  # sorted in memory at once: some 150 MB
SLICE_ROWS: Final = 500_000  # merged in memory at once
SAMPLE_EACH: Final = 4_096  # of each run, entries looked at to find where slices end

#: What an operator may be called: its name, a routing number, MCC and MNC.
_CODE: Final = rb"[A-Za-z0-9][A-Za-z0-9 ._/+-]{0,46}[A-Za-z0-9]|[A-Za-z0-9]"

Progress = Callable[[int, int], None]


class Layout(NamedTuple):
    """Where a line has number and operator, counted from 0, and what stands between its columns."""

    number: int = 0
    operator: int = 1
    separator: str = ","

    def pattern(self, quote: bytes) -> re.Pattern[bytes]:
        """A whole line: number without plus, operator, both in quotes or neither. What it does not fit is looked at more closely."""
        between = re.escape(self.separator.encode())
        other = quote + rb"[^" + between + rb'"\r\n]*' + quote
        fields = [other] * (max(self.number, self.operator) + 1)
        fields[self.number] = rb"[ ]*" + quote + rb"\+?(?P<number>[1-9][0-9]{6,14})" + quote + rb"[ ]*"
        fields[self.operator] = rb"[ ]*" + quote + rb"(?P<operator>" + _CODE + rb")" + quote + rb"[ ]*"
        return re.compile(rb"^" + between.join(fields) + rb"(?:" + between + rb"[^\r\n]*)?\r?$", re.M)


class Bound(NamedTuple):
    """What became of the lines of a file. `refused`: the first of them, line and code; `codes`: rows of each operator."""

    rows: int
    doubled: int
    refused: list[tuple[int, str]]
    refusals: Counter[str]
    codes: Counter[str]


class Binder:
    """One import. `folder` holds the runs meanwhile; the caller removes it."""

    def __init__(self, layout: Layout, folder: Path, progress: Progress = lambda done, of: None) -> None:
        if layout.number == layout.operator:
            raise Error("invalid", "number and operator are in the same column", "see --help")
        self.layout = layout
        self.folder = folder
        self.progress = progress
        self._patterns = (layout.pattern(b""), layout.pattern(b'"'))
        self._swapped = layout.operator < layout.number
        self._numbers: dict[bytes, int] = {}  # of operators
        self._heads: dict[bytes, bool] = {}  # three first digits: whether somebody has the calling code
        self._line = 0
        self._taken = 0
        self.refused: list[tuple[int, str]] = []
        self.refusals: Counter[str] = Counter()
        self.codes: Counter[bytes] = Counter()

    def bind(self, source: Path, book: Path) -> Bound:
        """Writes `book`, whole and on disk. Raises Error `file_invalid` or `store_full`."""
        try:
            runs = self._runs(source)
            with book.open("wb") as out:
                out.write(b"\0" * HEADER_OCTETS)
                rows = self._merged(runs, out)
                out.seek(0)
                out.write(header(rows, [code.decode() for code in self._numbers]))
                out.flush()
                os.fsync(out.fileno())
        except OSError as e:
            code = "store_full" if e.errno in (28, 122) else "file_invalid"
            raise Error(code, f"{source.name} cannot be imported: {e.strerror}", "see the disk's free space") from None
        named = Counter({code.decode(): n for code, n in self.codes.items()})
        return Bound(rows, self._taken - rows, self.refused, self.refusals, named)

    # --- reading ------------------------------------------------------------------------------------------

    def _runs(self, source: Path) -> list[Path]:
        """Sorted files of entries; of a number named twice in one, the last."""
        runs: list[Path] = []
        found: dict[int, int] = {}
        size = source.stat().st_size
        with source.open("rb") as file:
            for block in _blocks(file, source.name):
                entries = self._entries(block)
                self._taken += len(entries)
                if self._taken > PORTED_ROWS_MAX:
                    raise Error("file_invalid", f"{source.name} has more than {PORTED_ROWS_MAX:,} rows")
                found.update(zip(map(rshift, entries, repeat(CODE_BITS)), entries, strict=True))
                self.progress(file.tell(), size)
                if len(found) >= RUN_ROWS:
                    runs.append(self._kept(found, len(runs)))
                    found = {}
        if found or not runs:
            runs.append(self._kept(found, len(runs)))
        return runs

    def _kept(self, found: dict[int, int], n: int) -> Path:
        path = self.folder / f"run-{n}"
        with path.open("wb") as out:
            array("Q", sorted(found.values())).tofile(out)
        return path

    def _entries(self, block: bytes) -> list[int]:
        """Entries of whole lines."""
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        rows = self._patterns[b'"' in block].findall(block)
        if self._swapped:
            rows = [(number, operator) for operator, number in rows]
        if len(rows) != lines or not self._plausible(rows):
            rows = list(self._one_by_one(block))
        self._line += lines
        if not rows:
            return []
        numbers, operators = zip(*rows, strict=True)
        seen = Counter(operators)
        self.codes += seen
        for code in seen:
            if self._numbers.setdefault(code, len(self._numbers)) >= CODES_MAX:
                raise Error("file_invalid", f"more than {CODES_MAX:,} operators", "is that the operator's column?")
        return list(
            map(
                or_,
                map(int.__lshift__, map(int, numbers), repeat(CODE_BITS)),
                map(self._numbers.__getitem__, operators),
            )
        )

    def _plausible(self, rows: list[tuple[bytes, bytes]]) -> bool:
        return all(self._has_calling_code(head) for head in {number[:3] for number, _ in rows})

    def _has_calling_code(self, head: bytes) -> bool:
        known = self._heads.get(head)
        if known is None:
            known = self._heads[head] = calling_code_of("+" + head.decode()) != 0
        return known

    def _one_by_one(self, block: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows of a block in which some line is out of the ordinary; those that cannot be read are noted."""
        for n, line in enumerate(block.split(b"\n"), self._line + 1):
            fits = self._patterns[b'"' in line].match(line)
            if fits is not None and self._has_calling_code(fits["number"][:3]):
                yield fits["number"], fits["operator"]
                continue
            if not line.strip() or line.startswith(b"#"):
                continue
            read = self._read(line)
            if isinstance(read, tuple):
                yield read
            elif not (n == 1 and read == "number_invalid" and not any(c in b"0123456789" for c in line)):  # a heading
                self.refusals[read] += 1
                if len(self.refused) < PORTED_REFUSED_SHOWN:
                    self.refused.append((n, read))

    def _read(self, line: bytes) -> tuple[bytes, bytes] | str:
        """Number and operator of a line that is written otherwise, or the code of what is wrong with it."""
        try:
            (columns,) = csv.reader([line.decode("utf-8").rstrip("\r")], delimiter=self.layout.separator, strict=True)
            number, operator = columns[self.layout.number].strip(), columns[self.layout.operator].strip().encode()
        except (UnicodeDecodeError, csv.Error, ValueError, IndexError):
            return "malformed"
        try:
            number = normalise(number if number[:1] == "+" or number[:2] == "00" else f"+{number}")[0]
        except Error as e:
            return e.code
        return (number[1:].encode(), operator) if re.fullmatch(_CODE, operator) else "invalid"

    # --- merging ------------------------------------------------------------------------------------------

    def _merged(self, runs: list[Path], out: IO[bytes]) -> int:
        """All runs as one, a slice of the numbers at a time; of a number in several, the entry of the last run."""
        views = [view for view in map(_mapped, runs) if view is not None]
        sample = sorted(view[at] for view in views for at in range(0, len(view), SAMPLE_EACH))
        step = max(1, SLICE_ROWS // SAMPLE_EACH)
        ends = sorted({each >> CODE_BITS << CODE_BITS for each in sample[step::step]})
        begins, whole = [0] * len(views), sum(map(len, views))
        rows = done = 0
        for end in [*ends, 1 << 64]:
            found: dict[int, int] = {}
            for n, view in enumerate(views):
                upto = bisect_left(view, end, begins[n])
                part = view[begins[n] : upto].tolist()
                found.update(zip(map(rshift, part, repeat(CODE_BITS)), part, strict=True))
                done += len(part)
                begins[n] = upto
            array("Q", sorted(found.values())).tofile(out)
            rows += len(found)
            self.progress(done, whole)
        return rows


def _mapped(run: Path) -> memoryview | None:
    if not run.stat().st_size:
        return None
    with run.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)).cast("Q")


def _blocks(file: IO[bytes], name: str) -> Iterator[bytes]:
    """The file in pieces of whole lines."""
    while block := file.read(BLOCK_OCTETS):
        if not block.endswith(b"\n"):
            rest = file.readline(PORTED_LINE_OCTETS_MAX)
            if len(rest) == PORTED_LINE_OCTETS_MAX and not rest.endswith(b"\n"):
                raise Error("file_invalid", f"{name} has a line of more than {PORTED_LINE_OCTETS_MAX:,} octets")
            block += rest
        yield block

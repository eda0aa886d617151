"""Lists of numbers that are not to be written to, as CSV: read in with a word on every line that is wrong, written out with the evidence."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.keys import DataKey, blind_indexer
from appliance.message import id_text
from appliance.numbering import normalise

from .book import EVERY, IMPORTED_AT_ONCE, ROWS_AT_ONCE, Book, Decided
from .policy import ALL_NAME

COLUMNS: Final = ("number", "programme", "since", "source", "word", "evidence", "who")
SEALED_AT_ONCE: Final = 5_000  # what a processor holds close by
PURPOSE: Final = "suppressed number"  # of `appliance.keys.PURPOSES`

Progress = Callable[[str, int, int], None]  # what is done, how many of it, how many there are (0: not known)


class Ring(Protocol):
    """The part of `appliance.keys.BlockingKeyring` that is used."""

    def index_key(self) -> bytes: ...
    def derive(self, purpose: str, subject: str) -> bytes: ...


class Refused(NamedTuple):
    """A line that is no suppression, and why; never with what is in it."""

    line: int
    code: str


class Listed(NamedTuple):
    """What a file holds: by programme, numbers in E.164."""

    numbers: dict[str, list[str]]
    refused: list[Refused]


def read(file: Path, programme: str, known: Iterable[str], progress: Progress) -> Listed:
    """`file`: CSV with a header of `number` and perhaps `programme`, or numbers alone. Raises Error `file_invalid`."""
    names = {ALL_NAME: EVERY} | {name: name for name in known}
    numbers: dict[str, list[str]] = {name: [] for name in names.values()}
    refused: list[Refused] = []
    at, of = 0, -1
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            # A row at a time: fifty thousand lists at once are as many objects for the collector to look through.
            for n, row in enumerate(csv.reader(lines), 1):
                if n == 1 and "number" in row:
                    at, of = row.index("number"), row.index("programme") if "programme" in row else -1
                    continue
                if not row:
                    continue
                name = names.get((0 <= of < len(row) and row[of].strip()) or programme)
                if name is None:
                    refused.append(Refused(n, "invalid"))
                    continue
                try:
                    numbers[name].append(normalise(row[at].strip() if at < len(row) else "")[0])
                except Error as e:
                    refused.append(Refused(n, e.code))
                if n % ROWS_AT_ONCE == 0:
                    progress("lines read", n, 0)
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise Error("file_invalid", f"{file.name} cannot be read: {type(e).__name__}", "CSV in UTF-8") from None
    return Listed({name: some for name, some in numbers.items() if some}, refused)


def bring_in(book: Book, ring: Ring, listed: Listed, who: str, at_ms: int, progress: Progress) -> tuple[int, int]:
    """Suppresses every number; how many are new, how many were suppressed before. May be done again after a crash."""
    index, key = blind_indexer(ring.index_key()), DataKey(0, ring.derive(PURPOSE, ""))
    new = known = 0
    for programme, numbers in listed.numbers.items():
        sealed: dict[bytes, bytes] = {}
        for first in range(0, len(numbers), SEALED_AT_ONCE):
            some = numbers[first : first + SEALED_AT_ONCE]
            subjects = [index(number) for number in some]
            octets = key.seal_many([number.encode() for number in some], [b"s" + subject for subject in subjects])
            sealed.update(zip(subjects, octets, strict=True))
            if first % ROWS_AT_ONCE == 0:
                progress("numbers sealed", first, len(numbers))
        order = sorted(sealed)
        for first in range(0, len(order), IMPORTED_AT_ONCE):
            subjects = order[first : first + IMPORTED_AT_ONCE]
            count = book.bring_in(subjects, [sealed[subject] for subject in subjects], programme, at_ms, who)
            new, known = new + count, known + len(subjects) - count
            progress("numbers suppressed", first + len(subjects), len(order))
    return new, known


def write_out(book: Book, ring: Ring, out: Any, progress: Progress) -> int:
    """Every suppression that counts as CSV, with its evidence; how many."""
    key = DataKey(0, ring.derive(PURPOSE, ""))
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    count = 0
    for decided in book.every_suppression():
        writer.writerow(row_of(decided, key).values())
        count += 1
        if count % 100_000 == 0:
            progress("numbers written", count, 0)
    return count


def number_of(decided: Decided, key: DataKey) -> str:
    """The number of a decision; empty when its owner was erased: the decision stays, under the blind index."""
    return key.open(decided.number, b"s" + decided.subject).decode() if decided.number else ""


def row_of(decided: Decided, key: DataKey) -> dict[str, str]:
    """A decision in clear, by COLUMNS."""
    number = number_of(decided, key)
    evidence = id_text(decided.evidence) if decided.evidence else ""
    cells = (number, decided.programme or ALL_NAME, rfc3339(decided.at_ms), decided.source, decided.word, evidence, decided.who)  # fmt: skip
    return dict(zip(COLUMNS, cells, strict=True))

"""Lists of numbers that are not to be written to, as CSV: read in with a word on every line that is wrong, written out with the evidence."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.keys import DataKey, blind_index
from appliance.message import id_text
from appliance.numbering import normalise

from .book import EVERY, ROWS_AT_ONCE, Book, Decided
from .lists import STOP
from .policy import ALL_NAME

SEALED_AT_ONCE: Final = 20_000
COLUMNS: Final = ("number", "programme", "since", "source", "word", "evidence", "who")
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
    names = {ALL_NAME, *known}
    numbers: dict[str, list[str]] = {}
    refused: list[Refused] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for n, (number, name) in _rows(lines, programme):
                if n % 100_000 == 0:
                    progress("lines read", n, 0)
                if name not in names:
                    refused.append(Refused(n, "invalid"))
                    continue
                try:
                    numbers.setdefault(EVERY if name == ALL_NAME else name, []).append(normalise(number)[0])
                except Error as e:
                    refused.append(Refused(n, e.code))
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise Error("file_invalid", f"{file.name} cannot be read: {type(e).__name__}", "CSV in UTF-8") from None
    return Listed(numbers, refused)


def _rows(lines: Iterable[str], programme: str) -> Iterator[tuple[int, tuple[str, str]]]:
    at, of = 0, -1
    for n, row in enumerate(csv.reader(lines), 1):
        if n == 1 and "number" in row:
            at, of = row.index("number"), row.index("programme") if "programme" in row else -1
        elif row:
            number = row[at] if at < len(row) else ""
            yield n, (number.strip(), (row[of].strip() if 0 <= of < len(row) else "") or programme)


def bring_in(book: Book, ring: Ring, listed: Listed, who: str, at_ms: int, progress: Progress) -> tuple[int, int]:
    """Suppresses every number; how many are new, how many were suppressed before. May be done again after a crash."""
    index_key, key = ring.index_key(), DataKey(0, ring.derive(PURPOSE, ""))
    new = known = 0
    for programme, numbers in listed.numbers.items():
        subjects = sorted((blind_index(index_key, number), number) for number in set(numbers))
        for first in range(0, len(subjects), ROWS_AT_ONCE):
            some = subjects[first : first + ROWS_AT_ONCE]
            held = book.suppressed_between(programme, some[0][0], some[-1][0])
            rows = [row for row in some if row[0] not in held]
            sealed = key.seal_many([number.encode() for _, number in rows], [b"s" + subject for subject, _ in rows])
            pairs = [(subject, octets) for (subject, _), octets in zip(rows, sealed, strict=True)]
            if pairs:
                book.decide(pairs, programme, STOP, "import", at_ms, who)
            new += len(rows)
            known += len(some) - len(rows)
            progress("numbers suppressed", first + len(some), len(subjects))
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


def row_of(decided: Decided, key: DataKey) -> dict[str, str]:
    """A decision in clear, by COLUMNS."""
    number = key.open(decided.number, b"s" + decided.subject).decode()
    evidence = id_text(decided.evidence) if decided.evidence else ""
    cells = (number, decided.programme or ALL_NAME, rfc3339(decided.at_ms), decided.source, decided.word, evidence, decided.who)  # fmt: skip
    return dict(zip(COLUMNS, cells, strict=True))

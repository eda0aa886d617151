"""The file of `casemate send`: its lines as messages, or why one cannot be read, cut into calls.

An error names a line or a column by its number, never by what is in it.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from appliance.errors import Error
from appliance.limits import BATCH_MESSAGES_MAX, BODY_OCTETS_MAX, SINGLE_BODY_OCTETS_MAX

CHUNK_OCTETS_MAX: Final = BODY_OCTETS_MAX // 2
COLUMNS: Final = ("to", "text", "from", "class", "channel", "reference", "validity_s", "send_at", "callback_url")
WHOLE_NUMBERS: Final = frozenset({"validity_s"})


class Refusal(NamedTuple):
    """A line that was not accepted, and why."""

    line: int
    code: str
    message: str
    field: str


class Line(NamedTuple):
    """One message of the file, as JSON octets, or why it cannot be read."""

    number: int
    octets: bytes
    refusal: Refusal | None = None


class Chunk(NamedTuple):
    """What goes into one call."""

    turn: int
    lines: list[Line]


def lines_of(path: Path) -> Iterator[Line]:
    """The messages of a `.jsonl` or `.csv` file, one by one. Raises Error `file_invalid` when it is neither or has no header."""
    if path.suffix.lower() == ".csv":
        yield from _csv_lines(path)
    elif path.suffix.lower() in (".jsonl", ".ndjson"):
        yield from _json_lines(path)
    else:
        raise Error("file_invalid", f"{path.name} is neither .jsonl nor .csv", "name the file by what is in it")


def _unreadable(number: int, why: str, code: str = "malformed") -> Line:
    return Line(number, b"", Refusal(number, code, why, ""))


def _json_lines(path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        number = 0
        while octets := file.readline(SINGLE_BODY_OCTETS_MAX + 1):
            number += 1
            if len(octets) > SINGLE_BODY_OCTETS_MAX:
                while octets and not octets.endswith(b"\n"):
                    octets = file.readline(SINGLE_BODY_OCTETS_MAX)
                yield _unreadable(number, "the line is longer than a message can be", "too_large")
                continue
            octets = octets.removeprefix(b"\xef\xbb\xbf") if number == 1 else octets
            if not octets.strip():
                continue
            why = _json_fault(octets)
            yield _unreadable(number, why) if why else Line(number, octets.strip())


def _json_fault(octets: bytes) -> str:
    """Why the API would not read a line, "" when it would: as strict as it, for one bad line must not cost its whole call."""
    try:
        read = msgspec.json.decode(octets)
        json.loads(octets, object_pairs_hook=_members)
    except _Twice:
        return "the line has the same member twice"
    except (msgspec.DecodeError, ValueError, RecursionError):
        return "the line is not JSON in UTF-8"
    return "" if isinstance(read, dict) else "the line is not a JSON object"


class _Twice(Exception):
    """An object has a member twice."""


def _members(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _Twice


def _csv_lines(path: Path) -> Iterator[Line]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(SINGLE_BODY_OCTETS_MAX)
            file.seek(0)
            # A spreadsheet writes semicolons where the comma is the decimal sign.
            rows = csv.reader(file, strict=True, delimiter=";" if ";" in first and "," not in first else ",")
            header = _header(path.name, next(rows, []))
            while True:
                number = rows.line_num + 1
                try:
                    row = next(rows)
                except StopIteration:
                    return
                except csv.Error:
                    yield _unreadable(number, "the line is not CSV: mind the quotes")
                    continue
                if row:
                    yield _csv_line(number, header, row)
    except UnicodeDecodeError:
        raise Error("file_invalid", f"{path.name} is not UTF-8", "save it as UTF-8") from None


def _header(name: str, row: list[str]) -> list[str]:
    """The columns' names. Raises Error `file_invalid`; an unknown one is told by its place, for it may be a first message."""
    header = [column.strip() for column in row]
    unknown = [str(n) for n, column in enumerate(header, 1) if column not in COLUMNS]
    if not {"to", "text"} <= set(header):
        why = "the first line must name the columns, `to` and `text` at least"
    elif unknown:
        why = f"column {', '.join(unknown)} of the first line is not known"
    elif len(set(header)) != len(header):
        why = "a column is named twice"
    else:
        return header
    raise Error("file_invalid", f"{name}: {why}", f"known columns: {', '.join(COLUMNS)}")


def _csv_line(number: int, header: list[str], row: list[str]) -> Line:
    if len(row) != len(header):
        return _unreadable(number, f"the line has {len(row)} fields, the header names {len(header)}")
    message: dict[str, Any] = {}
    for name, value in zip(header, row, strict=True):
        if not value:
            continue
        if name in WHOLE_NUMBERS:
            if not (value.isascii() and value.isdigit() and len(value) < 10):
                return Line(number, b"", Refusal(number, "invalid", "must be a whole number", name))
            message[name] = int(value)
        else:
            message[name] = value
    octets = json.dumps(message, ensure_ascii=False).encode("utf-8")
    if len(octets) > SINGLE_BODY_OCTETS_MAX:
        return _unreadable(number, "the line is longer than a message can be", "too_large")
    return Line(number, octets)


def chunks_of(lines: Iterator[Line]) -> Iterator[Chunk]:
    """Lines in calls of at most 1,000 messages; where one ends depends on the file alone, so that a re-run cuts it the same."""
    taken: list[Line] = []
    turn, octets, good = 0, 0, 0
    for line in lines:
        if taken and (good >= BATCH_MESSAGES_MAX or octets + len(line.octets) > CHUNK_OCTETS_MAX):
            yield Chunk(turn, taken)
            turn, taken, octets, good = turn + 1, [], 0, 0
        taken.append(line)
        octets += len(line.octets) + 1
        good += line.refusal is None
    if taken:
        yield Chunk(turn, taken)


def digest_of(path: Path) -> str:
    """SHA-256 of the file's octets, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

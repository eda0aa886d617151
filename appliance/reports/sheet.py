"""A report as tables: the same rows go on paper and into CSV. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from appliance.audit import LINE, Section, pdf

#: Characters of a column on paper at most; what is longer goes on below.
WIDEST: Final = 80


class Table(NamedTuple):
    """`name` is its file's, without the ending. Cells are text and whole numbers."""

    name: str
    heading: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    empty: str = "none in this time"


class Report(NamedTuple):
    """`name` is the kind's; `said`: lines under the title."""

    name: str
    title: str
    from_ms: int
    to_ms: int
    said: tuple[str, ...]
    tables: tuple[Table, ...]
    more: Mapping[str, bytes] = {}  # files besides, by name; a mapping that nobody writes to


def csv_of(table: Table) -> bytes:
    """RFC 4180."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return out.getvalue().encode()


def paper_of(report: Report, covered: str) -> bytes:
    """PDF, the same octets for the same report. `covered`: until where the audit log was read. Raises Error `too_large`."""
    return pdf(report.title, [*report.said, covered], [_section(table) for table in report.tables])


def _section(table: Table) -> Section:
    rows = [tuple(_written(cell) for cell in row) for row in table.rows]
    widths = [min(WIDEST, max(len(text) for text in column)) for column in zip(table.columns, *rows, strict=True)]
    over = sum(widths) + len(widths) - 1 - LINE
    while over > 0:  # the widest gives way
        at = widths.index(max(widths))
        less = min(over, max(1, widths[at] // 4))
        widths[at] -= less
        over -= less
    numbers = [bool(table.rows) and all(isinstance(row[n], int) for row in table.rows) for n in range(len(widths))]
    columns = tuple(c.rjust(w) if right else c for c, w, right in zip(table.columns, widths, numbers, strict=True))
    lines = [
        tuple(t.rjust(w) if right else t for t, w, right in zip(row, widths, numbers, strict=True)) for row in rows
    ]
    return Section(table.heading, columns, lines, table.empty, tuple(widths))


def _written(cell: Any) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def percent(part: int, whole: int) -> str:
    """`99.87 %`, rounded down, so that a promise is not met by rounding; a dash of nothing."""
    return f"{part * 10_000 // whole / 100:.2f} %" if whole else "-"


def seconds(ms: int | None) -> str:
    """`0.31 s`; a dash for never."""
    return "-" if ms is None else f"{ms / 1000:.2f} s"

"""Reports, reviews and entries on paper: PDF, A4 across, the same octets for the same content. Pure.

A copy for people: what proves an entry is the archive. Letters that the standard fonts lack are written as \\uXXXX.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from appliance.errors import Error
from appliance.limits import PAPER_ROWS_MAX

#: Name of a column -> its width in characters. Together with the gaps at most LINE.
WIDTHS: Final[dict[str, int]] = {
    "entry": 9,
    "at": 24,
    "who": 22,
    "event": 24,
    "on": 30,
    "outcome": 8,
    "detail": 62,
    "rule": 16,
    "finds": 80,
    "first": 10,
    "times": 8,
    "day": 12,
    "upto": 12,
}
LINE: Final = 190
GAP: Final = 1

_PAGE: Final = (841.89, 595.28)  # points, A4 across
_MARGIN: Final = 34.0
_SIZE: Final = 6.7  # points of a cell's letters
_CELL: Final = 0.6 * _SIZE  # width of each, Courier
_LEAD: Final = 8.6  # from line to line
_TOP: Final = 56.0  # below the head of a page


class Section(NamedTuple):
    """A heading with a table under it; without rows it says `empty`."""

    heading: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    empty: str = "none in this time"
    widths: tuple[int, ...] = ()  # of the columns, in characters; without: as WIDTHS has them


class _Line(NamedTuple):
    kind: str  # heading, columns, cell, rule
    texts: tuple[tuple[int, str], ...]  # place in characters, text


def pdf(title: str, said: Sequence[str], sections: Sequence[Section]) -> bytes:
    """`said`: lines under the title, of the first page. Raises Error `too_large` when there are too many rows for paper."""
    count = sum(len(section.rows) for section in sections)
    if count > PAPER_ROWS_MAX:
        raise Error(
            "too_large", f"{count} rows are too many for paper", "narrow the time, or take CSV", most=PAPER_ROWS_MAX
        )
    from reportlab.pdfgen.canvas import Canvas  # here, because it is large and most processes never print

    pages = list(_pages(said, sections))
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=_PAGE, invariant=1, pageCompression=1)
    canvas.setTitle(_plain(title))
    canvas.setCreator("Casemate")
    for number, lines in enumerate(pages, 1):
        _head(canvas, title, number, len(pages))
        y = _PAGE[1] - _TOP
        for line in lines:
            _draw(canvas, line, y)
            y -= _LEAD
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _pages(said: Sequence[str], sections: Sequence[Section]) -> Iterator[list[_Line]]:
    room = int((_PAGE[1] - _TOP - _MARGIN) / _LEAD)
    page = [_Line("said", ((0, text),)) for text in said] + [_Line("space", ())]
    for section in sections:
        heads = [_Line("heading", ((0, section.heading),)), _columns(section)]
        if len(page) + len(heads) + 2 > room:  # a heading never stands alone at the end of a page
            yield page
            page = []
        page += heads
        for row in section.rows or [(section.empty, *[""] * (len(section.columns) - 1))]:
            cells = _cells(_widths(section), row) if section.rows else [_Line("cell", ((0, section.empty),))]
            if len(page) + len(cells) > room:
                yield page
                page = heads.copy()
            page += cells
        page.append(_Line("space", ()))
    yield page


def _columns(section: Section) -> _Line:
    return _Line("columns", tuple(zip(_places(_widths(section)), section.columns, strict=True)))


def _widths(section: Section) -> tuple[int, ...]:
    return section.widths or tuple(WIDTHS[column] for column in section.columns)


def _places(widths: tuple[int, ...]) -> Iterator[int]:
    place = 0
    for width in widths:
        yield place
        place += width + GAP


def _cells(widths: tuple[int, ...], row: tuple[str, ...]) -> list[_Line]:
    """A row as lines: what is wider than its column goes on below."""
    split = []
    for width, text in zip(widths, row, strict=True):
        text = _plain(text)
        split.append([text[i : i + width] for i in range(0, len(text), width)] or [""])
    places = list(_places(widths))
    depth = max(len(parts) for parts in split)
    return [
        _Line("cell", tuple((at, parts[n]) for at, parts in zip(places, split, strict=True) if n < len(parts)))
        for n in range(depth)
    ]


def _plain(text: str) -> str:
    return text.encode("cp1252", "backslashreplace").decode("cp1252")


def _head(canvas: Any, title: str, number: int, count: int) -> None:
    canvas.setFont("Helvetica-Bold", 12)
    canvas.drawString(_MARGIN, _PAGE[1] - 36, _plain(title))
    canvas.setFont("Helvetica", 8)
    canvas.drawRightString(_PAGE[0] - _MARGIN, _PAGE[1] - 36, f"page {number} of {count}")
    canvas.setLineWidth(0.5)
    canvas.line(_MARGIN, _PAGE[1] - 42, _PAGE[0] - _MARGIN, _PAGE[1] - 42)


def _draw(canvas: Any, line: _Line, y: float) -> None:
    font, size = {
        "said": ("Helvetica", 8.0),
        "heading": ("Helvetica-Bold", 8.0),
        "columns": ("Courier-Bold", _SIZE),
    }.get(line.kind, ("Courier", _SIZE))
    canvas.setFont(font, size)
    for place, text in line.texts:
        canvas.drawString(_MARGIN + place * _CELL, y, _plain(text))

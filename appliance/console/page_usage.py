"""Usage: the segments that operators were given and took, which is what they bill, by day, API key, class, link and country. On the page and as CSV.

It shows the figures as they were last counted; a price is in none of them.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any, Final

from flask import Blueprint, render_template, request, send_file
from werkzeug.wrappers import Response as AnyResponse

from appliance.clock import day_name, day_of
from appliance.errors import Error
from appliance.figures import Figures, failed
from appliance.limits import REPORT_DAYS_MAX
from appliance.message import CLASSES
from appliance.reports import Table, csv_of

from .desk import desk
from .guard import needs
from .languages import N_
from .saying import said
from .words import CLASS_WORDS, country

views = Blueprint("usage", __name__)

#: What the rows are cut by -> the heading of its column.
CUTS: Final = {
    "day": N_("Day"),
    "caller": N_("API key"),
    "class": N_("Class"),
    "link": N_("Operator link"),
    "country": N_("Country"),
}
ROWS_SHOWN: Final = 500
HEADS: Final = {
    "messages": N_("Messages"), "delivered": N_("Delivered"), "failed": N_("Failed"), "segments": N_("Segments"), "taken": N_("Taken"),
}  # fmt: skip
COUNTS: Final = tuple(HEADS)


def asked() -> tuple[int, int, list[str]]:
    """First day, last day, cuts. Raises Error `invalid`."""
    today = day_of(desk().clock())
    first, last = (_day(request.args.get(name, "")) for name in ("first", "last"))
    last = today if last is None else last
    first = last - 29 if first is None else first
    if not 0 <= last - first < REPORT_DAYS_MAX:
        raise Error("invalid", f"the first day is before the last, and {REPORT_DAYS_MAX} days are the most")
    cuts = [name for name in CUTS if name in request.args.getlist("by")]
    return first, last, cuts or ["link", "class"]


def _day(text: str) -> int | None:
    """Raises Error `invalid`."""
    if not text:
        return None
    try:
        return day_of(int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000))
    except ValueError:
        raise Error("invalid", "that is no day", "write it as 2026-11-22") from None


def table(first: int, last: int, cuts: list[str]) -> Table:
    callers = {key.id: key.name for key in desk().access.api_keys()}
    inner = [cut for cut in cuts if cut != "day"]
    spans = [(day, day) for day in range(last, first - 1, -1)] if "day" in cuts else [(first, last)]
    rows: list[tuple[Any, ...]] = []
    for begin, end in spans:
        figures = desk().figures.span(begin, end)
        for values, row in figures.by(*inner).items():
            named = [_named(cut, value, callers) for cut, value in zip(inner, values, strict=True)]
            counts = (row["messages"], row["delivered"], failed(row), row["segments"], row["answered"])
            rows.append((*([day_name(begin)] if "day" in cuts else []), *named, *counts))
    return Table("usage", "Usage", (*cuts, *COUNTS), rows)


def _named(cut: str, value: Any, callers: dict[int, str]) -> str:
    if cut == "caller":
        return callers.get(value, f"API key {value}")
    if cut == "class":
        return CLASSES[value]
    return country(value) if cut == "country" else value or "(none yet)"


@views.get("/usage")
@needs("usage.read")
def page() -> str | tuple[str, int]:
    try:
        first, last, cuts = asked()
    except Error as error:
        return _filled(*_default(), problem=said(error)), 422
    return _filled(first, last, cuts)


def _default() -> tuple[int, int, list[str]]:
    today = day_of(desk().clock())
    return today - 29, today, ["link", "class"]


def _filled(first: int, last: int, cuts: list[str], problem: object = "") -> str:
    rows = table(first, last, cuts)
    whole: Figures = desk().figures.span(first, last)
    totals = dict(zip(COUNTS, (sum(row[len(cuts) + n] for row in rows.rows) for n in range(len(COUNTS))), strict=True))
    known = [day for day in range(first, last + 1) if desk().figures.known(day) is not None]
    given = {"first": day_name(first), "last": day_name(last), "by": cuts}
    return render_template(
        "usage.html", table=rows, totals=totals, cuts=CUTS, given=given, whole=whole, problem=problem, most=ROWS_SHOWN,
        missing=not known, counts=COUNTS, heads=CUTS | HEADS, words=CLASS_WORDS,
    )  # fmt: skip


@views.get("/usage.csv")
@needs("usage.read")
def as_csv() -> AnyResponse:
    """The same rows."""
    first, last, cuts = asked()
    name = f"casemate-usage-{day_name(first)}-{day_name(last)}.csv"
    made = io.BytesIO(csv_of(table(first, last, cuts)))
    return send_file(made, mimetype="text/csv; charset=utf-8", as_attachment=True, download_name=name)

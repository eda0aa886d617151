"""Reports: of a day, of a month by operator, against what was promised, who may do what, and of an incident. On the page, or as an archive.

The archive is on the audit log and holds the proof of it; the page is for the eye and for paper.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from flask import Blueprint, render_template, request, send_file
from werkzeug.wrappers import Response as AnyResponse

from appliance.clock import DAY_MS, day_name, day_of, rfc3339
from appliance.errors import Error
from appliance.limits import REPORT_DAYS_MAX
from appliance.reports import Incident, Known, Report, checked, daily, monthly, report, review, sla, write

from .desk import desk, who
from .guard import needs
from .saying import said

views = Blueprint("reports", __name__)

ROWS_SHOWN: Final = 500
#: A report may count a month of messages: one at a time, for everybody together.
_ONE: Final = threading.Lock()


def known() -> Known:
    """What reports are made of, as it is now."""
    it = desk()
    names = {key.id: key.name for key in it.access.api_keys()}
    return Known(it.settings, it.figures, it.peers.call, names, it.clock())


def _page(problem: object = "", status: int = 200) -> tuple[str, int]:
    now = desk().clock()
    yesterday = day_name(day_of(now) - 1)
    filled = {"yesterday": yesterday, "today": day_name(day_of(now)), "now": rfc3339(now)[:16]}
    return render_template("reports.html", problem=problem, month=yesterday[:7], **filled), status


@views.get("/reports")
@needs("reports.make")
def page() -> tuple[str, int]:
    return _page()


@views.post("/reports/daily")
@needs("reports.make")
def of_a_day() -> Any:
    return _made(lambda: daily(known(), _day("day")))


@views.post("/reports/monthly")
@needs("reports.make")
def of_a_month() -> Any:
    def make() -> Report:
        day = day_of_text(f"{request.form.get('month', '')}-01")
        at = datetime.fromtimestamp(day * 86_400, UTC)
        return monthly(known(), at.year, at.month)

    return _made(make)


@views.post("/reports/sla")
@needs("reports.make")
def of_promises() -> Any:
    return _made(lambda: sla(known(), *span(*_asked_days())))


@views.post("/reports/access")
@needs("audit.export")
def of_access() -> Any:
    return _made(lambda: review(known(), desk().access, *span(*_asked_days())))


@views.post("/reports/incident")
@needs("reports.make")
def of_an_incident() -> Any:
    def make() -> Report:
        given = request.form
        times = [time_of(given.get(name, "")) for name in ("from", "until", "detected", "classified")]
        return report(known(), checked(Incident(given.get("reference", "").strip(), *times), desk().clock()))

    return _made(make)


def _made(make: Any) -> Any:
    """The report as it was asked for; what was asked wrongly is said on the page."""
    try:
        with alone():
            made: Report = make()
            if request.form.get("form", "archive") == "page":
                return render_template("report.html", report=made, most=ROWS_SHOWN)
            return archive(made)
    except Error as error:
        if error.code not in ("invalid", "too_large"):
            raise
        return _page(said(error), 422)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Raises Error `overloaded`."""
    if not _ONE.acquire(blocking=False):
        raise Error("overloaded", "somebody has a report made already", "try again when that is done")
    try:
        yield
    finally:
        _ONE.release()


def archive(made: Report) -> AnyResponse:
    scratch = desk().settings.home / "export"
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="report-", dir=scratch))
    try:
        write(folder / "report.zip", made, known(), desk().peers, who())
        packed = cast(Any, (folder / "report.zip").open("rb"))  # closed with the answer
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    name = f"casemate-{made.name}-{rfc3339(made.from_ms)[:10]}.zip"
    return send_file(packed, mimetype="application/zip", as_attachment=True, download_name=name)


def _asked_days() -> tuple[str, str]:
    return request.form.get("first", ""), request.form.get("last", "")


def span(first_text: str, last_text: str) -> tuple[int, int]:
    """First and last day. Raises Error `invalid`."""
    first, last = day_of_text(first_text), day_of_text(last_text)
    if first > last or last - first >= REPORT_DAYS_MAX:
        raise Error("invalid", f"the first day is before the last, and {REPORT_DAYS_MAX} days are the most")
    return first, last


def _day(name: str) -> int:
    return day_of_text(request.form.get(name, ""))


def day_of_text(text: str) -> int:
    """Raises Error `invalid`, also for a day that has not begun."""
    at_ms = time_of(text)
    if at_ms % DAY_MS or at_ms > desk().clock():
        raise Error("invalid", "that is no day that has begun", "write it as 2026-11-22")
    return day_of(at_ms)


def time_of(text: str) -> int:
    """Milliseconds since 1970 of a day or time in UTC. Raises Error `invalid`."""
    try:
        at_ms = int(datetime.fromisoformat(text.strip()).replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        at_ms = -1
    if at_ms < 0:
        raise Error("invalid", "that is no time", "write it as 2026-11-22T18:30")
    return at_ms

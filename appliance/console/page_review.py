"""Review of the audit log: what the rules found, who reviewed which day, and reports for assessors. Part of the pages of the log."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from typing import Any

from flask import current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.audit import REPORTS, RULES, written
from appliance.errors import Error

from .desk import desk, who
from .guard import needs
from .page_audit import FORMS, sent, sought_of, views
from .searches import Searches

DAYS = 60


@views.get("/audit/review")
@needs("audit.read")
def review() -> str:
    peers = desk().peers
    found = peers.review()
    reviews = peers.audit_entries(None, DAYS, {"what": "audit.review"})
    marks = peers.audit_entries(None, 500, {"what": "audit.reviewed"})
    days = [days_row(one["entry"], marks) for one in reviews]
    saved = [(each, each.asked(desk().clock())) for each in searches().all()]
    filled = {"unmarked": days[0]["upto"] if days and not days[0]["by"] else 0, "done": request.args.get("done", "")}
    return render_template("review.html", found=found, rules=RULES, days=days, saved=saved, **filled)


def searches() -> Searches:
    """One for the application, made when it is first needed."""
    made: Searches | None = current_app.extensions.get("casemate.searches")
    if made is None:
        made = current_app.extensions["casemate.searches"] = Searches(desk().settings)
    return made


@views.post("/audit/searches")
@needs("audit.verify")
def save() -> AnyResponse:
    """Keeps the filter of the page under a name, for everybody who reviews."""
    days = request.form.get("days", "0").strip() or "0"
    if not days.isascii() or not days.isdigit() or len(days) > 4:
        raise Error("invalid", "this is no number of days")
    searches().save(request.form.get("name", ""), sought_of(request.form), int(days), who(), desk().clock())
    return redirect(url_for("audit.review") + "#saved", 303)


@views.post("/audit/searches/remove")
@needs("audit.verify")
def remove() -> AnyResponse:
    if not searches().remove(request.form.get("name", "")):
        raise Error("not_found", "there is no such search")
    return redirect(url_for("audit.review") + "#saved", 303)


def days_row(entry: dict[str, Any], marks: list[dict[str, Any]]) -> dict[str, Any]:
    """One daily review, and who was the first to say that the log was reviewed up to its end, or further."""
    upto = entry["detail"]["upto_index"]
    covering = [m["entry"] for m in marks if m["entry"]["detail"]["upto_index"] >= upto]
    mark = covering[-1] if covering else None  # marks come newest first
    return {
        "at": entry["at"],
        "upto": upto,
        "findings": entry["detail"]["findings"],
        "by": mark["who"] if mark else "",
        "marked_at": mark["at"] if mark else "",
    }


@views.post("/audit/review")
@needs("audit.read")
def review_on_paper() -> AnyResponse:
    call = desk().peers.call
    return sent(io.BytesIO(written.review_pdf(call, call("review", {}))), "casemate-review", "pdf")


@views.post("/audit/report")
@needs("audit.export")
def report() -> AnyResponse:
    """Recorded before anything is read."""
    name, form = request.form.get("name", ""), request.form.get("form", "pdf")
    since, until = request.form.get("since", ""), request.form.get("until", "")
    if name not in REPORTS or form not in FORMS or form == "archive":
        raise Error("invalid", "there is no such report")
    if not all(re.fullmatch(r"\d{4}-\d\d-\d\d", day, re.ASCII) for day in (since, until)) or since >= until:
        raise Error("invalid", "a report is from a day to a later one", "the last day is not in it")
    for day in (since, until):
        try:
            datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise Error("invalid", f"{day} is no day") from None
    desk().peers.record(who(), "audit.reported", f"report:{name}")
    made = (written.report_pdf if form == "pdf" else written.report_csv)(desk().peers.call, name, since, until)
    return sent(io.BytesIO(made), f"casemate-{name}", form)

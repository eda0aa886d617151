"""The overview: throughput as it happens, links, counters, health, processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from appliance.clock import day_of
from appliance.errors import Error
from appliance.figures import failed
from appliance.message import CLASSES, STATUSES

from .condition import health_rows
from .desk import desk
from .guard import POLLED, needs
from .languages import N_, chosen, say
from .pulse import SERIES
from .saying import said
from .words import CLASS_WORDS

views = Blueprint("overview", __name__)


def engine_state() -> dict[str, Any] | None:
    """As it is now; on the overview and for what a page refreshes by itself, as it was at the last look: however many look on, the engine is asked once a second."""
    if request.endpoint in (*POLLED, "overview.page") and (recent := desk().pulse.recent(desk().clock())) is not None:
        return recent[0]
    try:
        return desk().peers.engine_state()
    except Error:
        return None


def _today() -> tuple[dict[str, int], Markup | str]:
    """Messages accepted today by the status they are in, every status named; and why that is not all."""
    problem: Markup | str = ""
    try:
        totals = desk().peers.totals(day_of(desk().clock()))
        if totals is None:
            problem = say("The messages of today are being counted; this takes a moment after a start.")
    except Error as error:
        totals, problem = None, said(error)
    return {status: int((totals or {}).get(status, 0)) for status in STATUSES}, problem


def picture() -> dict[str, Any]:
    engine = engine_state()
    today, problem = _today()
    queues = {name: int((engine or {}).get("queues", {}).get(name, 0)) for name in CLASSES}
    points = desk().pulse.points()
    return {
        "engine": engine,
        "links": (engine or {}).get("links", []),
        "today": today,
        "problem": problem,
        "queues": queues,
        "latest": dict(zip(("at_ms", *SERIES), points[-1], strict=True)) if points else {},
        "health": health_rows(desk().peers, engine),
        "processes": desk().peers.processes(),
        "now_ms": desk().clock(),
    }


def shared(name: str, make: Callable[[], dict[str, Any]], of: str = "") -> Markup:
    """A part of a page, made once for each look at the engine and each language. It must not depend on who asks."""
    it = desk()
    return it.shared.part((name, of, chosen()), it.pulse.look(it.clock()), lambda: render_template(name, **make()))


@views.get("/")
@needs("overview.read")
def page() -> str:
    makes = {"_overview.html": picture, "_overview_days.html": _days}
    return render_template("overview.html", part=lambda name: shared(name, makes[name]))


@views.get("/overview/days")
@needs("overview.read")
def days() -> str:
    """Today and a week by class, link and API key, and how long it took: swapped in place every half minute."""
    return shared("_overview_days.html", _days)


def _days() -> dict[str, Any]:
    """As the figures were last counted; nothing is counted for a page."""
    today, book = day_of(desk().clock()), desk().figures
    spans = {N_("Today"): book.known(today), N_("Last 7 days"): book.span(today - 6, today)}
    callers = {key.id: key.name for key in desk().access.api_keys()}
    names = {"class": lambda v: say(CLASS_WORDS[CLASSES[v]]), "link": lambda v: v or say("no link yet"), "caller": lambda v: callers.get(v, say("API key %(n)s", n=v))}  # fmt: skip
    cuts = {}
    for cut, name in names.items():
        rows: dict[str, dict[str, tuple[int, ...]]] = {}
        for span, figures in spans.items():
            for (value,), row in figures.by(cut).items() if figures else ():
                told = (
                    row["messages"],
                    row["messages"] - row["queued"] - row["scheduled"] - row["accepted"],
                    row["delivered"],
                    failed(row),
                )
                rows.setdefault(name(value), {})[span] = told
        cuts[cut] = rows
    whole = spans["Today"]
    return {"spans": list(spans), "cuts": cuts, "latencies": whole.latencies() if whole else [], "counted_ms": whole.through_ms if whole else None}  # fmt: skip


@views.get("/overview/now")
@needs("overview.read")
def now() -> str:
    """The cards below the chart, swapped in place every two seconds."""
    return shared("_overview.html", picture)


@views.get("/overview/live")
@needs("overview.read")
def live() -> AnyResponse | dict[str, Any]:
    """The chart's points newer than `after` (Unix milliseconds)."""
    after = request.args.get("after", "0")
    after_ms = int(after) if after.isascii() and after.isdigit() and len(after) < 16 else 0
    return {"series": SERIES, "points": desk().pulse.points(after_ms)}

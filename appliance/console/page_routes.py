"""Routes: the table that is active, its versions, and why a message takes the link it takes, step by step."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, render_template, request

from appliance.errors import Error
from appliance.message import CLASSES
from appliance.numbering import normalise, sender_kind
from appliance.router import Explained, explain

from .desk import desk, who
from .guard import needs
from .languages import say
from .page_overview import engine_state
from .saying import said

views = Blueprint("routes", __name__)

ROWS: Final = 200  # of a table of tens of thousands: a person filters by prefix


def _page(explained: Explained | None = None, problem: str = "", status: int = 200) -> tuple[str, int]:
    active = desk().routes.active()
    prefix = request.args.get("prefix", "").strip().removeprefix("+")
    rows = [row.route for row in active.table.rows() if row.route.prefix.startswith(prefix)]
    filled = {
        "active": active,
        "total": len(active.table),
        "rows": rows[:ROWS],
        "found": len(rows),
        "prefix": prefix,
        "versions": list(reversed(desk().routes.shelf.versions()))[:20],
        "explained": explained,
        "takes": _takes(explained),
        "problem": problem,
        "entered": request.form if problem else {},
    }
    return render_template("routes.html", **filled), status


def _takes(explained: Explained | None) -> str:
    """The link that would take it now; under weights the first that has a share."""
    steps = explained.steps if explained is not None else []
    return next((s.rule.removeprefix("link ") for s in steps if s.matched and s.rule.startswith("link ")), "")


@views.get("/routes")
@needs("links.read")
def page() -> tuple[str, int]:
    return _page()


@views.post("/routes/explain")
@needs("routes.explain")
def why() -> tuple[str, int]:
    """The number comes in the form's body and is on no page and in no log; that somebody asked is recorded."""
    try:
        to, _ = normalise(request.form.get("number", "").strip())
        sender = request.form.get("sender", "").strip()
        if sender:
            sender_kind(sender)
        class_ = CLASSES.index(request.form.get("class", "transaction"))
    except ValueError:
        return _page(problem=say("There is no such class."), status=422)
    except Error as error:
        return _page(problem=said(error), status=422)
    desk().peers.record(who(), "routes.explained", "routes:active")
    engine = engine_state()
    states = None if engine is None else {link["name"]: link for link in engine.get("links", [])}
    table = desk().routes.active().table
    return _page(explained=explain(table, to, class_, sender, desk().clock(), states))

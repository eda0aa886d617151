"""Showing again who one is, before what cannot be undone: keys, people, exports, secrets. Good for `console.prove_minutes`."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, g, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from appliance.errors import Error

from . import guard, identity, security_key
from .desk import desk, who
from .guard import needs
from .languages import say
from .saying import said

views = Blueprint("prove", __name__)

PURPOSE: Final = "prove"


def _page(status: int = 200, problem: str = "") -> tuple[str, int]:
    filled = {
        "has": desk().access.factors(g.person),
        "party": security_key.party(),
        "target": guard.safe_next(request.values.get("next")),
        "minutes": desk().settings["console.prove_minutes"],
    }
    return render_template("prove.html", problem=problem, **filled), status


@views.get("/prove")
@needs("account.write")
def page() -> tuple[str, int]:
    return _page()


@views.post("/prove")
@needs("account.write")
def enter() -> AnyResponse | tuple[str, int]:
    try:
        factor = identity.shown(g.person, guard.cookie("session"), PURPOSE)
    except Error as error:
        if error.code != "rate_limited":
            raise
        return _page(429, said(error))
    if not factor:
        desk().peers.record(who(), "console.proved", "console:session", "refused")
        return _page(422, say("That was not right."))
    desk().peers.record(who(), "console.proved", "console:session", factor=factor)
    desk().access.proven(guard.cookie("session"), factor, desk().clock())
    return redirect(guard.safe_next(request.form.get("next")), 303)


@views.post("/prove/options")
@needs("account.write")
def options() -> Response:
    asked = identity.bound_options(guard.cookie("session"), PURPOSE, g.person)
    return make_response(asked, 200, {"Content-Type": "application/json"})

"""Messages in doubt: nobody knows whether they left, their class's policy holds them, and an administrator decides.

A decision is the engine's to make and record. Numbers and texts stay sealed here as everywhere.
"""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.errors import Error
from appliance.message import id_octets

from .desk import desk, who
from .guard import is_htmx, needs
from .saying import said

views = Blueprint("held", __name__)

ROWS: Final = 50
ACTS: Final = ("resend", "close")


@views.get("/in-doubt")
@needs("messages.read")
def page() -> str:
    problem = ""
    rows: list[Any] = []
    cursor = None
    try:
        rows, cursor = desk().peers.held(limit=ROWS, cursor=request.args.get("cursor") or None)
    except Error as error:
        if error.code != "invalid":
            raise
        problem = said(error)
    older = url_for("held.page", cursor=cursor) if cursor else None
    filled = {"rows": rows, "older": older, "callers": {k.id: k.name for k in desk().access.api_keys()}}
    template = "_held_rows.html" if is_htmx() else "held.html"
    return render_template(template, problem=problem, done=request.args.get("done", ""), **filled)


@views.post("/in-doubt/<message_id>")
@needs("messages.decide")
def decide(message_id: str) -> AnyResponse:
    octets = id_octets(message_id)
    act = request.form.get("act", "")
    if octets is None:
        raise Error("not_found", "there is no such message")
    if act not in ACTS:
        raise Error("invalid", "a decision is to send the message again or to close it")
    desk().peers.decide(octets, act, who())
    back = request.form.get("back", "")
    if back == "message":
        return redirect(url_for("messages.one", message_id=message_id), 303)
    return redirect(url_for("held.page", done=act), 303)

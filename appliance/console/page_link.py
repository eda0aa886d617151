"""One operator link: its binds, how it is doing, and what an administrator may do with it: drain, bind again, test, trace.

The engine does and records all of it; what it shows of PDUs is masked before it comes here.
"""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.errors import Error
from appliance.numbering import normalise
from appliance.settings import Link

from .desk import desk, who
from .guard import needs
from .page_overview import engine_state, shared
from .saying import said

views = Blueprint("link", __name__)

TRACE_MINUTES: Final = (1, 5, 15, 60)
TEXT_CHARACTERS_MAX: Final = 160


def settings_of(name: str) -> Link:
    found = next((link for link in desk().settings.links if link.name == name), None)
    if found is None:
        raise Error("not_found", "there is no link of this name")
    return found


def _picture(name: str) -> dict[str, Any]:
    settings = settings_of(name)
    engine = engine_state()
    state = next((link for link in (engine or {}).get("links", []) if link["name"] == name), None)
    return {"name": name, "set": settings, "engine": engine, "link": state, "now_ms": desk().clock()}


def _page(name: str, status: int = 200, **more: Any) -> tuple[str, int]:
    filled: dict[str, Any] = {
        "minutes": TRACE_MINUTES,
        "test": None,
        "problem": "",
        "done": request.args.get("done", ""),
    }
    return render_template("link.html", **_picture(name), **(filled | more)), status


@views.get("/links/<name>")
@needs("links.read")
def page(name: str) -> tuple[str, int]:
    return _page(name)


@views.get("/links/<name>/now")
@needs("links.read")
def now(name: str) -> str:
    return shared("_link.html", lambda: _picture(name), name)


@views.post("/links/<name>/drain")
@needs("links.write")
def drain(name: str) -> AnyResponse:
    settings_of(name)
    desk().peers.drain(name, True, who())
    return redirect(url_for("link.page", name=name, done="drained"), 303)


@views.post("/links/<name>/resume")
@needs("links.write")
def resume(name: str) -> AnyResponse:
    settings_of(name)
    desk().peers.drain(name, False, who())
    return redirect(url_for("link.page", name=name, done="resumed"), 303)


@views.post("/links/<name>/test")
@needs("links.test")
def test(name: str) -> tuple[str, int]:
    """Binds anew and, when a number is given, sends one message. The number is in the form's body only."""
    settings_of(name)
    to, text = request.form.get("to", "").strip(), request.form.get("text", "").strip()
    try:
        if len(text) > TEXT_CHARACTERS_MAX:
            raise Error("invalid", f"the text of a test has at most {TEXT_CHARACTERS_MAX} characters")
        if to:
            to, _ = normalise(to)
        return _page(name, test=desk().peers.link_test(name, to, text, who()))
    except Error as error:
        if error.code not in ("invalid", "number_invalid", "overloaded", "text_unmappable"):
            raise
        return _page(name, 422, problem=said(error))


@views.post("/links/<name>/trace")
@needs("links.test")
def start_trace(name: str) -> AnyResponse:
    settings_of(name)
    text = request.form.get("minutes", "")
    minutes = int(text) if text.isascii() and text.isdigit() and len(text) <= 2 else -1
    if minutes not in (0, *TRACE_MINUTES):
        raise Error("invalid", "a trace runs for 1, 5, 15 or 60 minutes")
    desk().peers.trace(name, minutes, who())
    if not minutes:
        return redirect(url_for("link.page", name=name, done="untraced"), 303)
    return redirect(url_for("link.trace", name=name), 303)


@views.get("/links/<name>/trace")
@needs("links.test")
def trace(name: str) -> str:
    return render_template("trace.html", **_picture(name), **traced(name), minutes=TRACE_MINUTES)


@views.get("/links/<name>/trace/now")
@needs("links.test")
def trace_now(name: str) -> str:
    return render_template("_trace.html", **_picture(name), **traced(name))


def traced(name: str) -> dict[str, Any]:
    """The newest PDUs first."""
    try:
        traced = desk().peers.trace_read(name, 0)
    except Error as error:
        if error.code != "peer_unavailable":
            raise
        traced = {}
    return {"until_ms": traced.get("until_ms", 0), "pdus": list(reversed(traced.get("pdus", [])))}

"""Signing in and out: the only pages that somebody without a session is shown."""

from __future__ import annotations

import contextlib
from typing import Final

from flask import Blueprint, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.errors import Error

from . import guard
from .desk import desk, who
from .guard import needs

views = Blueprint("sign", __name__)

_STALE: Final = "This page was open for too long. Please try again."
_WRONG: Final = "The user name or the password is wrong."


def _form(status: int, problem: str = "", name: str = "", notice: str = "") -> AnyResponse:
    door = guard.cookie("door")
    if len(door) != 43:
        door = guard.new_door()
    g.csrf_secret = door
    target = guard.safe_next(request.values.get("next"))
    page = render_template("sign_in.html", problem=problem, name=name, notice_text=notice, target=target)
    response = make_response(page, status)
    guard.set_cookie(response, "door", door)
    return response


@views.get("/sign-in")
def form() -> AnyResponse:
    token = guard.cookie("session")
    if token and desk().access.session(token, desk().clock(), touch=False) is not None:
        return redirect(guard.safe_next(request.args.get("next")), 303)
    notice = ""
    if request.args.get("ended"):
        notice = "Your session has ended. Please sign in again."
    elif request.args.get("out"):
        notice = "You are signed out."
    elif request.args.get("changed"):
        notice = "The password is changed. Please sign in with the new one."
    return _form(200, notice=notice)


@views.post("/sign-in")
def enter() -> AnyResponse:
    name = request.form.get("name", "").strip()[:64]
    if not guard.csrf_right(guard.cookie("door")):
        return _form(400, _STALE, name)
    at_ms = desk().clock()
    access, peers = desk().access, desk().peers
    remote = request.remote_addr or ""
    known = access.user(name)
    # A name nobody has may be a password typed into the wrong field: it is not recorded.
    actor = f"console:{known.name if known else 'unknown'}"
    try:
        person = access.sign_in(name, request.form.get("password", ""), remote, at_ms)
    except Error as error:
        if error.code != "rate_limited":
            raise
        peers.record(actor, "console.login", "console:session", "refused", reason="throttled")
        wait_s = int(error.detail["wait_s"])
        response = _form(429, f"Too many failed attempts. Try again in {wait_s} seconds.", name)
        response.headers["Retry-After"] = str(wait_s)
        return response
    if person is None:
        peers.record(actor, "console.login", "console:session", "refused", reason="wrong name or password")
        return _form(401, _WRONG, name)
    peers.record(actor, "console.login", "console:session", role=person.role)
    token = access.start_session(person, at_ms)
    response = redirect(guard.safe_next(request.form.get("next")), 303)
    guard.set_cookie(response, "session", token)
    guard.drop_cookie(response, "door")
    return response


@views.post("/sign-out")
@needs("account.write")
def leave() -> AnyResponse:
    """Ends the session whatever the audit log says: a door may always be shut."""
    desk().access.end_session(guard.cookie("session"))
    response = redirect(url_for("sign.form", out=1), 303)
    guard.drop_cookie(response, "session")
    with contextlib.suppress(Error):
        desk().peers.record(who(), "console.logout", "console:session")
    return response

"""In which language somebody reads the console: chosen before a session, for this browser, or within one, for the account wherever it signs in."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from appliance.errors import Error

from . import guard
from .desk import desk
from .languages import COOKIE, COOKIE_S, LANGUAGES

views = Blueprint("language", __name__)


@views.post("/language")
def choose() -> AnyResponse:
    """Public, as the sign-in page is; asked for by one of this console's own pages, which carry a session's or a sign-in form's token."""
    if not guard.csrf_right(guard.cookie("session")) and not guard.csrf_right(guard.cookie("door")):
        abort(400, "csrf")
    tag = request.form.get("language", "")
    if tag not in LANGUAGES:
        raise Error("invalid", "the console has no such language")
    token = guard.cookie("session")
    session = desk().access.session(token, desk().clock(), touch=False) if token else None
    if session is not None:
        desk().access.set_language(session.person, tag)
    response = redirect(guard.safe_next(request.form.get("next")), 303)
    guard.set_cookie(response, COOKIE, tag, COOKIE_S)
    return response

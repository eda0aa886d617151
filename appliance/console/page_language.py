"""In which language somebody reads the console: chosen before a session as well as within one, kept in a cookie of the browser and nowhere else."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from appliance.errors import Error

from . import guard
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
    response = redirect(guard.safe_next(request.form.get("next")), 303)
    guard.set_cookie(response, COOKIE, tag, COOKIE_S)
    return response

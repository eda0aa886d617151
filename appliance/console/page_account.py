"""One's own account: role, session, password."""

from __future__ import annotations

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import PERMISSIONS, ROLES
from appliance.errors import Error

from . import guard, identity
from .desk import desk, who
from .guard import needs
from .languages import say
from .saying import said

views = Blueprint("account", __name__)


def _form(problem: str = "", status: int = 200) -> tuple[str, int]:
    role = g.person.role
    allowed = sorted(p for p, roles in PERMISSIONS.items() if role in roles)
    page = render_template(
        "account.html",
        problem=problem,
        session=g.session,
        role_means=ROLES[role],
        allowed=allowed,
        has=desk().access.factors(g.person),
    )
    return page, status


@views.get("/account")
@needs("account.write")
def page() -> tuple[str, int]:
    return _form()


@views.post("/account/password")
@needs("account.write")
def password() -> AnyResponse | tuple[str, int]:
    """Needs the present password, checked with the same throttle as a sign-in; ends the session."""
    access, at_ms = desk().access, desk().clock()
    new = request.form.get("new", "")
    if new != request.form.get("again", ""):
        return _form(say("The two new passwords are not the same."), 422)
    try:
        person = identity.by_password(g.person.name, request.form.get("current", ""))
        if person is None:
            desk().peers.record(who(), "console.user_changed", f"user:{g.person.name}", "refused", change="password")
            return _form(say("The present password is wrong."), 422)
        access.check_new_password(person.name, new)
        desk().peers.record(who(), "console.user_changed", f"user:{person.name}", change="password")
        access.set_password(person.name, new, at_ms)
    except Error as error:
        if error.code not in ("invalid", "rate_limited"):
            raise
        return _form(said(error), 422)
    response = redirect(url_for("sign.form", changed=1), 303)
    guard.drop_cookie(response, "session")
    return response

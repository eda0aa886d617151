"""Tokens of the admin API: list, make (the secret is shown once), revoke. A person makes them; a token makes none."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import PERMISSIONS, PROVEN, ROLES, AdminToken, may
from appliance.errors import Error
from appliance.limits import ADMIN_TOKEN_DAYS_MAX

from . import token_acts
from .acts import do_or_begin
from .asked import Done
from .calling import CALLS
from .desk import desk
from .guard import needs
from .saying import said

views = Blueprint("tokens", __name__)


def _list(problem: str = "", made: AdminToken | None = None, secret: str = "", status: int = 200) -> tuple[str, int]:
    at_ms = desk().clock()
    every = [(each, each.revoked_ms is not None or each.expires_ms <= at_ms) for each in desk().access.admin_tokens()]
    asked = {each.permission for each in CALLS}
    mine = [p for p in sorted(PERMISSIONS) if may(g.person.role, p) and p in asked]
    below = [r for r in ROLES if all(g.person.role in roles for roles in PERMISSIONS.values() if r in roles)]
    filled = {"valid": [t for t, over in every if not over], "over": [t for t, over in every if over], "roles": below}
    filled |= {"permissions": mine, "again": PROVEN, "days_max": ADMIN_TOKEN_DAYS_MAX}
    given = request.form if status == 422 else {}
    page = render_template("tokens.html", problem=problem, made=made, secret=secret, entered=given, **filled)
    return page, status


@views.get("/tokens")
@needs("tokens.read")
def page() -> tuple[str, int]:
    return _list()


@views.post("/tokens")
@needs("tokens.write")
def create() -> AnyResponse | tuple[str, int]:
    """The secret is shown once: to who asked, after another person's word where the setting wants one."""
    form = request.form
    name, role, days = form.get("name", "").strip(), form.get("role", ""), form.get("days", "90").strip()
    new: dict[str, Any] = {"role": role, "permissions": sorted(set(form.getlist("permission")))}
    new["networks"] = form.get("networks", "").replace(",", " ").split()
    try:
        if not (days.isascii() and days.isdigit() and len(days) < 5):
            raise Error("invalid", f"a token is good for 1 to {ADMIN_TOKEN_DAYS_MAX} days")
        new["days"] = int(days)
        given = (tuple(new["permissions"]), tuple(new["networks"]), new["days"])
        desk().access.check_new_admin_token(g.person, name, role, *given)
        found = do_or_begin("token.create", name, {}, new)
    except Error as error:
        if error.code not in ("invalid", "forbidden"):
            raise
        return _list(said(error), status=422)
    if not isinstance(found, Done):
        return found
    assert isinstance(found.made, AdminToken)
    return _list(made=found.made, secret=found.token)


def shown_once(made: AdminToken, secret: str) -> str:
    """For who asked and was approved."""
    return _list(made=made, secret=secret)[0]


@views.post("/tokens/<name>/revoke")
@needs("tokens.write", proven=False)
def revoke(name: str) -> AnyResponse:
    """At once: a door may always be shut."""
    token = desk().access.admin_token(name)
    if token is None:
        raise Error("not_found", "there is no such token")
    token_acts.revoke(token)
    return redirect(url_for("tokens.page"), 303)

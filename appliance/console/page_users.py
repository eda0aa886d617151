"""People of the console: list, create, remove. Administrators only, and nobody removes themselves: one administrator stays."""

from __future__ import annotations

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import ROLES
from appliance.errors import Error

from .desk import desk, who
from .guard import needs

views = Blueprint("users", __name__)


def _list(problem: str = "", status: int = 200) -> tuple[str, int]:
    given = {k: request.form.get(k, "") for k in ("name", "role")} if status == 422 else {}
    done = request.args.get("done", "")
    page = render_template(
        "users.html", people=desk().access.users(), roles=ROLES, problem=problem, entered=given, done=done
    )
    return page, status


@views.get("/users")
@needs("users.read")
def page() -> tuple[str, int]:
    return _list()


@views.post("/users")
@needs("users.write")
def create() -> AnyResponse | tuple[str, int]:
    access = desk().access
    name, role = request.form.get("name", "").strip(), request.form.get("role", "")
    password = request.form.get("password", "")
    try:
        access.check_new_user(name, password, role)
        desk().peers.record(who(), "console.user_created", f"user:{name}", role=role)
        access.create_user(name, password, role, desk().clock())
    except Error as error:
        if error.code != "invalid":
            raise
        return _list(error.message[:1].upper() + error.message[1:] + ".", 422)
    return redirect(url_for("users.page", done="created"), 303)


@views.post("/users/<name>/remove")
@needs("users.write")
def remove(name: str) -> AnyResponse | tuple[str, int]:
    person = desk().access.user(name)
    if person is None:
        raise Error("not_found", "there is no such user")
    if person.id == g.person.id:
        return _list("Nobody removes themselves: ask another administrator.", 422)
    desk().peers.record(who(), "console.user_removed", f"user:{person.name}", role=person.role)
    desk().access.remove_user(person.name)
    return redirect(url_for("users.page", done="removed"), 303)

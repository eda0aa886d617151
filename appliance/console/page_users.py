"""People of the console: list, create, change, sign out, remove. Nobody changes or removes themselves here: one who may stays."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import ROLES, check_role
from appliance.errors import Error

from .acts import answered, do_or_begin, other
from .desk import desk, who
from .guard import needs
from .languages import N_
from .saying import said

views = Blueprint("users", __name__)

SAID: Final = {
    "created": N_("The user may sign in now. Let them change the password on their account page."),
    "removed": N_("The user is removed and signed out."),
    "role": N_("The user has the new role from the next sign-in on, and is signed out."),
    "ended": N_("The session is ended."),
    "forgotten": N_("The second factors are forgotten. The next sign-in enrols a new one."),
}


def _list(problem: str = "", status: int = 200) -> tuple[str, int]:
    access = desk().access
    given = {k: request.form.get(k, "") for k in ("name", "role")} if status == 422 else {}
    sessions = {s.person.id: s for s in access.sessions(desk().clock())}
    people = [(p, access.factors(p), sessions.get(p.id)) for p in access.users()]
    filled = {"people": people, "roles": ROLES, "entered": given, "done": request.args.get("done", ""), "said": SAID}
    return render_template("users.html", problem=problem, **filled), status


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
        return answered(do_or_begin("user.create", name, {}, {"role": role}, access.hashed_password(password)))
    except Error as error:
        if error.code != "invalid":
            raise
        return _list(said(error), 422)


@views.post("/users/<name>/role")
@needs("users.write")
def role(name: str) -> AnyResponse:
    person, new = other(name), request.form.get("role", "")
    check_role(new)
    return answered(do_or_begin("user.role", person.name, {"role": person.role}, {"role": new}))


@views.post("/users/<name>/end-session")
@needs("users.write")
def end_session(name: str) -> AnyResponse:
    person = other(name)
    desk().peers.record(who(), "console.session_ended", f"user:{person.name}")
    desk().access.end_sessions_of(person)
    return redirect(url_for("users.page", done="ended"), 303)


@views.post("/users/<name>/forget-factors")
@needs("users.write")
def forget(name: str) -> AnyResponse:
    person = other(name)
    has = desk().access.factors(person)
    old = {"security keys": len(has.keys), "telephone": has.totp, "recovery codes": has.recovery}
    return answered(do_or_begin("user.forget", person.name, old, dict.fromkeys(old, 0) | {"telephone": False}))


@views.post("/users/<name>/remove")
@needs("users.write")
def remove(name: str) -> AnyResponse:
    person = other(name)
    return answered(do_or_begin("user.remove", person.name, {"name": person.name, "role": person.role}, {}))

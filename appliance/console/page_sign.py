"""Signing in and out: the only pages that somebody without a session is shown. A security key alone, or the password and then a second factor."""

from __future__ import annotations

import contextlib
import logging
from typing import Any, Final

from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import SEALED, SECURITY_KEY, Person, address_of
from appliance.errors import Error

from . import guard, identity, security_key
from .desk import desk, who
from .guard import needs
from .languages import N_, ngettext, say

views = Blueprint("sign", __name__)
log = logging.getLogger(__name__)

SECOND: Final = "second factor"
ALONE: Final = "security key alone"
_STALE: Final = N_("This page was open for too long. Please try again.")
_WRONG: Final = N_("The user name or the password is wrong.")
_WRONG_FACTOR: Final = N_("That was not right.")


def door_of() -> str:
    door = guard.cookie("door")
    return door if len(door) == 43 else guard.new_door()


def form_page(status: int, problem: str = "", name: str = "", notice: str = "") -> AnyResponse:
    g.csrf_secret = door = door_of()
    target = guard.safe_next(request.values.get("next"))
    filled: dict[str, Any] = {"name": name, "notice_text": notice, "target": target, "party": security_key.party()}
    filled["with_bank"] = bool(desk().settings["oidc.issuer"])
    response = make_response(render_template("sign_in.html", problem=problem, **filled), status)
    guard.set_cookie(response, "door", door)
    return response


@views.get("/sign-in")
def form() -> AnyResponse:
    token = guard.cookie("session")
    if token and desk().access.session(token, desk().clock(), touch=False) is not None:
        return redirect(guard.safe_next(request.args.get("next")), 303)
    notice = ""
    if request.args.get("ended"):
        notice = say("Your session has ended. Please sign in again.")
    elif request.args.get("out"):
        notice = say("You are signed out.")
    elif request.args.get("changed"):
        notice = say("The password is changed. Please sign in with the new one.")
    return form_page(200, notice=notice)


@views.post("/sign-in")
def enter() -> AnyResponse:
    name = request.form.get("name", "").strip()[:64]
    if not guard.csrf_right(guard.cookie("door")):
        return form_page(400, say(_STALE), name)
    known = desk().access.user(name)
    try:
        person = identity.by_password(name, request.form.get("password", ""))
    except Error as error:
        return throttled(error, known, lambda words: form_page(429, words, name))
    if person is None:
        refused(known, "wrong name or password")
        return form_page(401, say(_WRONG), name)
    return begun(person, "envelope" if person.glass else person.source or "password")


def begun(person: Person, factor: str) -> AnyResponse:
    """Who has shown one factor: in, or on to the second."""
    if person.glass or not desk().access.factors(person).any:
        return _let_in(person, factor)
    desk().access.begin_dialogue(guard.cookie("door"), SECOND, person, desk().clock())
    return redirect(url_for("sign.second", next=guard.safe_next(request.form.get("next"))), 303)


# --- the second factor --------------------------------------------------------------------------------------


def _half() -> Person | None:
    """Who has shown the password and nothing more, in this browser, a moment ago."""
    asked = desk().access.dialogue(guard.cookie("door"), SECOND, desk().clock())
    return desk().access.user_of_id(asked[0]) if asked and asked[0] else None


def _second(person: Person, status: int, problem: str = "") -> AnyResponse:
    g.csrf_secret = guard.cookie("door")
    has = desk().access.factors(person)
    filled = {"has": has, "party": security_key.party(), "target": guard.safe_next(request.values.get("next"))}
    return make_response(render_template("sign_in_second.html", problem=problem, **filled), status)


@views.get("/sign-in/second")
def second() -> AnyResponse:
    person = _half()
    return _second(person, 200) if person else redirect(url_for("sign.form"), 303)


@views.post("/sign-in/second")
def second_enter() -> AnyResponse:
    person = _half()
    if person is None or not guard.csrf_right(guard.cookie("door")):
        return form_page(400, say(_STALE))
    half = person
    try:
        factor = identity.shown(person, guard.cookie("door"), SECURITY_KEY)
    except Error as error:
        return throttled(error, person, lambda words: _second(half, 429, words))
    if not factor:
        refused(person, "wrong second factor")
        return _second(person, 401, say(_WRONG_FACTOR))
    desk().access.dialogue(guard.cookie("door"), SECOND, desk().clock(), take=True)
    return _let_in(person, factor)


@views.post("/sign-in/options")
def options() -> Response:
    """What the browser asks a security key with: as a second factor, or alone."""
    if not guard.csrf_right(guard.cookie("door")):
        return make_response("", 400)
    half = _half() if request.args.get("second") else None
    purpose = SECURITY_KEY if half else ALONE
    asked = identity.bound_options(guard.cookie("door"), purpose, half)
    return make_response(asked, 200, {"Content-Type": "application/json"})


@views.post("/sign-in/key")
def key() -> AnyResponse:
    """A security key alone: it has asked for its PIN or a finger, which is the second factor."""
    if not guard.csrf_right(guard.cookie("door")):
        return form_page(400, say(_STALE))
    try:
        person = identity.by_security_key(guard.cookie("door"), ALONE, request.form.get("answer", ""))
    except Error as error:
        return throttled(error, None, lambda words: form_page(429, words))
    if person is None or person.glass:
        refused(None, "wrong security key")
        return form_page(401, say(_WRONG_FACTOR))
    return _let_in(person, SECURITY_KEY)


# --- what follows -------------------------------------------------------------------------------------------


def _actor(known: Person | None) -> str:
    # A name nobody has may be a password typed into the wrong field: it is not recorded.
    return f"console:{known.name if known else 'unknown'}"


def refused(known: Person | None, reason: str) -> None:
    desk().peers.record(_actor(known), "console.login", "console:session", "refused", reason=reason)


def throttled(error: Error, known: Person | None, page: guard.Page) -> AnyResponse:
    if error.code != "rate_limited":
        raise error
    refused(known, "throttled")
    wait_s = int(error.detail["wait_s"])
    response = page(
        ngettext(
            "Too many failed attempts. Try again in %(n)s second.",
            "Too many failed attempts. Try again in %(n)s seconds.",
            wait_s,
        )
    )
    response.headers["Retry-After"] = str(wait_s)
    return response


def _let_in(person: Person, factor: str) -> AnyResponse:
    """Recorded, then a new session."""
    peers, access, at_ms = desk().peers, desk().access, desk().clock()
    if person.glass == SEALED:
        peers.record(_actor(person), "console.glass_opened", f"user:{person.name}")
        if not access.open_glass(person, at_ms):
            return form_page(401, say(_WRONG))
        log.warning("console: the break-glass account was opened; `casemate user seal` closes it")
    peers.record(_actor(person), "console.login", "console:session", role=person.role, factor=factor)
    token = access.start_session(person, at_ms, factor, address_of(identity.remote()))
    response = redirect(guard.safe_next(request.values.get("next")), 303)
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

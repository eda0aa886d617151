"""Approvals: what somebody wants to change and another has to say yes to. The difference, the reason, who decided; the way around it in an emergency.

Who asked never approves. An emergency is done at once by who may, and stays on every page of those who decide until another has looked at it.
"""

from __future__ import annotations

from typing import Final

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import AdminToken, Change, may, stands
from appliance.errors import Error

from . import approving
from .acts import ACTS, Done
from .desk import desk, who
from .guard import needs
from .saying import said

views = Blueprint("changes", __name__)

TONES: Final = {
    "begun": "info",
    "asked": "warn",
    "approved": "info",
    "refused": "bad",
    "expired": "quiet",
    "used": "good",
}


def waiting() -> int:
    """For the banner: how many wait for the person who looks; 0 for who may not decide."""
    person = getattr(g, "person", None)
    if person is None or not may(person.role, "changes.decide"):
        return 0
    return desk().access.waiting_changes(who(), desk().clock())


@views.get("/approvals")
@needs("changes.read")
def page() -> str:
    at_ms = desk().clock()
    rows = [(c, stands(c, at_ms), ACTS[c.act].says) for c in desk().access.changes()]
    return render_template("changes.html", rows=rows, tones=TONES)


def _one(change: Change, problem: str = "", status: int = 200) -> tuple[str, int]:
    filled = {
        "change": change,
        "state": stands(change, desk().clock()),
        "tones": TONES,
        "act": ACTS[change.act],
        "own": change.asked_by == who(),
        "entered": request.form,
    }
    return render_template("change.html", problem=problem, **filled), status


@views.get("/approvals/<int:number>")
@needs("changes.read")
def one(number: int) -> tuple[str, int]:
    return _one(approving.found(number))


@views.post("/approvals/<int:number>/ask")
@needs("changes.ask")
def ask(number: int) -> AnyResponse | tuple[str, int]:
    try:
        approving.ask(number, request.form.get("reason", ""))
    except Error as error:
        if error.code != "invalid":
            raise
        return _one(approving.found(number), said(error), 422)
    return redirect(url_for("changes.one", number=number), 303)


@views.post("/approvals/<int:number>/now")
@needs("changes.emergency")
def now(number: int) -> AnyResponse | str | tuple[str, int]:
    """Done without the second person; another has to look at it afterwards."""
    try:
        return _ended(approving.now(number, request.form.get("reason", "")))
    except Error as error:
        if error.code != "invalid":
            raise
        return _one(approving.found(number), said(error), 422)


@views.post("/approvals/<int:number>/approve")
@needs("changes.decide")
def approve(number: int) -> AnyResponse | str:
    approving.approve(number)
    return redirect(url_for("changes.one", number=number), 303)


@views.post("/approvals/<int:number>/refuse")
@needs("changes.decide")
def refuse(number: int) -> AnyResponse:
    approving.refuse(number)
    return redirect(url_for("changes.page"), 303)


@views.post("/approvals/<int:number>/withdraw")
@needs("changes.ask")
def withdraw(number: int) -> AnyResponse:
    approving.withdraw(number)
    return redirect(url_for("changes.page"), 303)


@views.post("/approvals/<int:number>/use")
@needs("changes.ask", proven=True)
def use(number: int) -> AnyResponse | str:
    """Who asked does what was approved: where something is shown once, to the one who needs it."""
    return _ended(approving.use(number))


@views.post("/approvals/<int:number>/review")
@needs("changes.decide")
def review(number: int) -> AnyResponse:
    approving.review(number)
    return redirect(url_for("changes.one", number=number), 303)


def _ended(done: Done) -> AnyResponse | str:
    if done.made is None:
        return redirect(url_for(done.page, done=done.done), 303)
    from . import page_api_keys, page_tokens

    shown = page_tokens.shown_once if isinstance(done.made, AdminToken) else page_api_keys.shown_once
    return shown(done.made, done.token)  # type: ignore[arg-type]  # each shows its own kind

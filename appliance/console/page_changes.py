"""Approvals: what somebody wants to change and another has to say yes to. The difference, the reason, who decided; the way around it in an emergency.

Who asked never approves. An emergency is done at once by who may, and stays on every page of those who decide until another has looked at it.
"""

from __future__ import annotations

from typing import Final

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import Change, may, stands
from appliance.errors import Error
from appliance.keys import approvals

from .acts import ACTS, Asked, Done, check_asker
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


def _found(number: int) -> Change:
    """What was only begun is nobody else's business."""
    change = desk().access.change(number)
    if change.state == "begun" and change.asked_by != who():
        raise Error("not_found", "there is no such change")
    return change


@views.get("/approvals/<int:number>")
@needs("changes.read")
def one(number: int) -> tuple[str, int]:
    return _one(_found(number))


@views.post("/approvals/<int:number>/ask")
@needs("changes.ask")
def ask(number: int) -> AnyResponse | tuple[str, int]:
    change = _found(number)
    check_asker(change.act, change.asked_by)
    try:
        with desk().access.writing():
            desk().access.ask_for_change(number, request.form.get("reason", ""), who(), desk().clock())
            desk().peers.record(who(), "approval.asked", f"change:{number}", act=change.act, on_index=number)
    except Error as error:
        if error.code != "invalid":
            raise
        return _one(change, said(error), 422)
    return redirect(url_for("changes.one", number=number), 303)


@views.post("/approvals/<int:number>/now")
@needs("changes.emergency")
def now(number: int) -> AnyResponse | str | tuple[str, int]:
    """Done without the second person; another has to look at it afterwards."""
    change = _found(number)
    check_asker(change.act, who())
    held = desk().access.held_by_change(number)
    try:
        with desk().access.writing():
            done = desk().access.ask_for_change(number, request.form.get("reason", ""), who(), desk().clock(), True)
            desk().peers.record(who(), "approval.emergency", f"change:{number}", act=change.act, on_index=number)
            return _ended(ACTS[change.act].do(Asked(done.target, done.old, done.new, held, done.asked_by)))
    except Error as error:
        if error.code != "invalid":
            raise
        return _one(change, said(error), 422)


@views.post("/approvals/<int:number>/approve")
@needs("changes.decide")
def approve(number: int) -> AnyResponse | str:
    """In one transaction: approved, done. What cannot be done is not approved either."""
    access, change = desk().access, _found(number)
    act = ACTS[change.act]
    check_asker(change.act, change.asked_by)
    try:
        with access.writing():
            access.decide_change(number, approvals.YES, who(), desk().clock())
            desk().peers.record(who(), "approval.decided", f"change:{number}", act=change.act, state="approved")
            if act.at_once:
                held = access.held_by_change(number)
                access.decide_change(number, approvals.USE, change.asked_by, desk().clock())
                desk().peers.record(who(), "approval.used", f"change:{number}", act=change.act)
                act.do(Asked(change.target, change.old, change.new, held, change.asked_by, who()))
    except Error as error:
        if error.code == "forbidden":
            desk().peers.record(
                who(), "approval.decided", f"change:{number}", "refused", act=change.act, state=change.state
            )
        raise
    return redirect(url_for("changes.one", number=number), 303)


@views.post("/approvals/<int:number>/refuse")
@needs("changes.decide")
def refuse(number: int) -> AnyResponse:
    return _said_no(_found(number))


@views.post("/approvals/<int:number>/withdraw")
@needs("changes.ask")
def withdraw(number: int) -> AnyResponse:
    change = _found(number)
    if change.asked_by != who():
        raise Error("forbidden", "this is for who began it")
    return _said_no(change)


def _said_no(change: Change) -> AnyResponse:
    with desk().access.writing():
        desk().access.decide_change(change.id, approvals.NO, who(), desk().clock())
        desk().peers.record(who(), "approval.decided", f"change:{change.id}", act=change.act, state="refused")
    return redirect(url_for("changes.page"), 303)


@views.post("/approvals/<int:number>/use")
@needs("changes.ask", proven=True)
def use(number: int) -> AnyResponse | str:
    """Who asked does what was approved: where something is shown once, to the one who needs it."""
    access, change = desk().access, _found(number)
    check_asker(change.act, who())
    with access.writing():
        held = access.held_by_change(number)
        access.decide_change(number, approvals.USE, who(), desk().clock())
        desk().peers.record(who(), "approval.used", f"change:{number}", act=change.act)
        return _ended(ACTS[change.act].do(Asked(change.target, change.old, change.new, held, who(), change.decided_by)))


@views.post("/approvals/<int:number>/review")
@needs("changes.decide")
def review(number: int) -> AnyResponse:
    change = _found(number)
    with desk().access.writing():
        desk().access.review_change(number, who(), desk().clock())
        desk().peers.record(who(), "approval.reviewed", f"change:{number}", act=change.act)
    return redirect(url_for("changes.one", number=number), 303)


def _ended(done: Done) -> AnyResponse | str:
    if done.made is None:
        return redirect(url_for(done.page, done=done.done), 303)
    from . import page_api_keys

    return page_api_keys.shown_once(done.made, done.token)

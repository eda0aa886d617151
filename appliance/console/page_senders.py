"""Senders: which are registered where, in what state; an administrator notes what was asked for, confirms and ends."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.clock import rfc3339
from appliance.errors import Error
from appliance.senders import RULES, Details, Registration, check_details, day_ms

from .acts import answered, do_or_begin, senders
from .desk import desk, who
from .guard import needs
from .saying import said

views = Blueprint("senders", __name__)

TONES = {"requested": "warn", "confirmed": "good", "expired": "quiet"}


def _list(problem: str = "", status: int = 200) -> Any:
    at_ms = desk().clock()
    filled = {
        "rows": [(r, r.state_at(at_ms)) for r in senders().all()],
        "mandatory": desk().settings["senders.mandatory"],
        "rules": RULES,
        "tones": TONES,
        "done": request.args.get("done", ""),
        "problem": problem,
        "entered": request.form if status == 422 else {},
        "today": rfc3339(at_ms)[:10],
    }
    return render_template("senders.html", **filled), status


@views.get("/senders")
@needs("senders.read")
def page() -> Any:
    return _list()


def _details() -> Details:
    """What a form says of a registration. Raises Error `invalid`."""
    form = request.form
    given = Details(
        evidence=form.get("evidence", "").strip()[:200],
        entity_id=_id("entity_id"),
        campaign_id=_id("campaign_id"),
    )
    check_details(given)
    return given


def _id(name: str) -> str:
    text = request.form.get(name, "").strip()
    if len(text) > 40 or not (
        (text.isascii() and text.replace(".", "").replace("-", "").replace("_", "").isalnum()) or not text
    ):
        raise Error("invalid", f"`{name}` has up to 40 letters, digits, dots and dashes")
    return text


def _said(error: Error) -> Any:
    if error.code not in ("invalid", "sender_invalid"):
        raise error
    return _list(said(error), 422)


@views.post("/senders")
@needs("senders.write")
def add() -> Any:
    sender, country = request.form.get("sender", "").strip(), request.form.get("country", "")
    try:
        details = _details()
        country, kind = senders().check_request(sender, country, details)
    except Error as error:
        return _said(error)
    desk().peers.record(who(), "sender.requested", "sender:new", country=country, kind=kind)
    senders().request(sender, country, details, who(), desk().clock())
    return redirect(url_for("senders.page", done="requested"), 303)


@views.post("/senders/<int:number>/confirm")
@needs("senders.write")
def confirm(number: int) -> Any:
    found = _found(number)
    try:
        details = _details()
        text = request.form.get("from", "").strip() or rfc3339(desk().clock())[:10]
        from_ms = day_ms(text, "from")
        until = request.form.get("until", "").strip()
        until_ms = day_ms(until, "until") if until else 0
        senders().check_confirm(number, details, from_ms, until_ms)
    except Error as error:
        return _said(error)
    new = {"state": "confirmed", "from": text, "until": until, "from_ms": from_ms, "until_ms": until_ms}
    named = {"evidence": details.evidence, "entity_id": details.entity_id, "campaign_id": details.campaign_id}
    return answered(do_or_begin("sender.confirm", str(number), shown(found), shown(found) | new | named))


@views.post("/senders/<int:number>/expire")
@needs("senders.write")
def expire(number: int) -> AnyResponse:
    found = _found(number)
    return answered(do_or_begin("sender.expire", str(number), shown(found), shown(found) | {"state": "expired"}))


def shown(found: Registration) -> dict[str, Any]:
    return {"sender": found.sender, "country": found.country, "state": found.state_at(desk().clock())}


def _found(number: int) -> Registration:
    found = senders().one(number)
    if found is None:
        raise Error("not_found", "there is no such registration")
    return found

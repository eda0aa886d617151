"""Consent: how many are suppressed, what a number's customer asked for, and messages that a person has to read and decide on.

Texts and numbers stay sealed: what is asked about a number is on the record without it, a text is read at /v1/inbound by its id.
"""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.consent import Book
from appliance.errors import Error
from appliance.message import id_text
from appliance.numbering import normalise

from .desk import desk, who
from .guard import needs
from .saying import said

views = Blueprint("consent", __name__)

ROWS: Final = 50
OUTCOMES: Final = ("stop", "none")


def _page(found: dict[str, Any] | None = None, problem: str = "", status: int = 200) -> Any:
    book = Book(desk().settings.home / "consent.db")
    try:
        filled = {"counts": book.counts(), "rows": book.reviews(limit=ROWS)}
    finally:
        book.close()
    done = request.args.get("done", "")
    page = render_template("consent.html", **filled, found=found, problem=problem, done=done, id_text=id_text)
    return page, status


@views.get("/consent")
@needs("consent.read")
def page() -> Any:
    return _page()


@views.post("/consent/lookup")
@needs("consent.look_up")
def look_up() -> Any:
    """The number comes in the form's body and stays out of addresses and logs."""
    try:
        return _page(looked_up(request.form.get("number", "")))
    except Error as error:
        if error.code != "number_invalid":
            raise
        return _page(problem=said(error), status=422)


def looked_up(text: str) -> dict[str, Any]:
    """What the customer of a number asked for. Recorded first, without the number. Raises Error `number_invalid`."""
    number = normalise(text)[0]
    subject = desk().peers.blind_index(number)
    desk().peers.record(who(), "consent.looked_up", "consent:number")
    book = Book(desk().settings.home / "consent.db")
    try:
        return {"held": book.suppressed_in(subject), "history": book.history(subject)}
    finally:
        book.close()


@views.post("/consent/reviews/<int:number>")
@needs("consent.decide")
def decide(number: int) -> AnyResponse:
    outcome = request.form.get("outcome", "")
    decided(number, outcome)
    return redirect(url_for("consent.page", done=outcome), 303)


def decided(number: int, outcome: str) -> None:
    """A person's word on what a customer wrote. Raises Error `invalid`, `not_found`."""
    if outcome not in OUTCOMES:
        raise Error("invalid", "a decision is to leave the customer alone or to leave all as it is")
    book = Book(desk().settings.home / "consent.db")
    try:
        if book.review(number) is None:
            raise Error("not_found", "there is no such open entry")
        desk().peers.record(who(), "consent.reviewed", f"review:{number}", act=outcome)
        review = book.close_review(number, outcome, desk().clock(), who())
    finally:
        book.close()
    if outcome == "stop":
        desk().peers.left_alone(review.subject, [review.programme], who())

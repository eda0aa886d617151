"""Messages: search, and one message with its timeline. Numbers and texts stay sealed, but for who reveals one with a reason."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance import limits
from appliance.errors import Error
from appliance.message import CLASSES, NOTIFY_WEBHOOK, STATUSES, Content, id_octets
from appliance.numbering import normalise
from appliance.store import Found
from appliance.text import decode

from . import guard
from .course import HOW, Known, course
from .desk import desk, who
from .guard import needs
from .languages import say
from .saying import said

views = Blueprint("messages", __name__)

ROWS: Final = 50
SEARCH_S_MAX: Final = (
    0.2  # of one answer; a search for what is rare goes on by itself, and the page says how far it has looked
)
REASON_CHARACTERS_MAX: Final = 200
TRACED_MS: Final = (
    limits.TRACE_MINUTES_MAX * 60 + limits.TRACE_KEPT_S
) * 1_000  # what left before is in no trace any more


def _chosen(name: str, table: tuple[str, ...]) -> int | None:
    word = request.args.get(name, "")
    return table.index(word) if word in table else None


def _time_ms(name: str) -> int | None:
    text = request.values.get(name, "").strip()
    if not text:
        return None
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Error("invalid", "a time is written like 2026-11-22T18:30") from None


def criteria(limit: int) -> dict[str, Any]:
    """What the address asks a search for. Raises Error `invalid`."""
    return {
        "status": _chosen("status", STATUSES),
        "class_": _chosen("class", CLASSES),
        "link": request.args.get("link") or None,
        "from_ms": _time_ms("from"),
        "to_ms": _time_ms("to"),
        "limit": limit,
        "cursor": request.args.get("cursor") or None,
    }


def _links() -> list[str]:
    return [link.name for link in desk().settings.links]


def _callers() -> dict[int, str]:
    return {key.id: key.name for key in desk().access.api_keys()}


@views.get("/messages")
@needs("messages.read")
def page() -> AnyResponse | str:
    wanted = request.args.get("id", "").strip().lower()
    problem = ""
    if wanted:
        if id_octets(wanted) is not None:
            return redirect(url_for("messages.one", message_id=wanted), 303)
        problem = say("That is not a message id: it looks like 01939f6a-7c1e-7b2a-9d54-3f1c2b4a5d6e.")
    rows: list[Any] = []
    cursor = None
    try:
        if not problem:
            rows, cursor = desk().peers.search(**criteria(ROWS), patience_s=SEARCH_S_MAX)
    except Error as error:
        if error.code != "invalid":
            raise
        problem = said(error)
    given: dict[str, Any] = {
        k: v for k, v in request.args.items() if k in ("status", "class", "link", "from", "to") and v
    }
    older = url_for("messages.page", **given, cursor=cursor) if cursor else None
    template = "_message_rows.html" if guard.is_htmx() else "messages.html"
    reached_ms = desk().peers.reached_ms(cursor) if cursor and not rows else None
    filled = {"rows": rows, "older": older, "given": given, "callers": _callers(), "reached_ms": reached_ms}
    return render_template(template, links=_links(), problem=problem, wanted=wanted, by_number=False, **filled)


@views.post("/messages/by-number")
@needs("messages.search_by_number")
def by_number() -> str:
    """The number comes in the body, never in an address; the act is recorded before anything is looked up.

    Later pages carry the blind index, so that no page ever holds the number.
    """
    index_text = request.form.get("index", "")
    cursor = request.form.get("cursor") or None
    problem, index = "", b""
    rows: list[Any] = []
    try:
        if index_text:
            index = bytes.fromhex(index_text) if len(index_text) == 32 else abort(400)
        else:
            number, _ = normalise(request.form.get("number", "").strip())
        desk().peers.record(who(), "message.searched_by_number", "message:any", page=2 if cursor else 1)
        if not index:
            index = desk().peers.blind_index(number)
        rows, cursor = desk().peers.search(number_index=index, limit=ROWS, cursor=cursor)
    except ValueError:
        abort(400)
    except Error as error:
        if error.code != "number_invalid":
            raise
        problem = said(error)
        cursor = None
    more = {"index": index.hex(), "cursor": cursor} if cursor else None
    filled = {"rows": rows, "older": None, "more": more, "given": {}, "callers": _callers()}
    return render_template("messages.html", links=_links(), problem=problem, wanted="", by_number=True, **filled)


@views.post("/messages/by-reference")
@needs("messages.search_by_number")
def by_reference() -> tuple[str, int]:
    """The bank's reference comes in the body, for it may be a customer's; the act is recorded before anything is opened."""
    reference = request.form.get("reference", "").strip()
    cursor = request.form.get("cursor") or None
    given = {name: request.form.get(name, "") for name in ("from", "to")}
    problem, rows, more, looked = "", list[Any](), None, 0
    try:
        span = _time_ms("from"), _time_ms("to")
        if not 1 <= len(reference) <= limits.REFERENCE_CHARACTERS_MAX:
            raise Error("invalid", "a reference is 1 to 128 characters")
        desk().peers.record(who(), "message.searched_by_reference", "message:any", page=2 if cursor else 1)
        rows, cursor, looked = desk().peers.by_reference(reference, *span, cursor, SEARCH_S_MAX)
        more = {"reference": reference, "cursor": cursor, **given} if cursor else None
    except Error as error:
        if error.code != "invalid":
            raise
        problem = said(error)
    filled = {
        "rows": rows,
        "older": None,
        "more": more,
        "given": {k: v for k, v in given.items() if v},
        "callers": _callers(),
    }
    shown = {"by_number": True, "by_reference": not problem, "looked": looked}
    page = render_template("messages.html", links=_links(), problem=problem, wanted="", **filled, **shown)
    return page, 422 if problem else 200


@views.get("/messages/<message_id>")
@needs("messages.read")
def one(message_id: str) -> str | tuple[str, int]:
    octets = id_octets(message_id)
    found = desk().peers.message(octets) if octets else None
    if found is None:
        sentence = say("No message has this id, or its day is past its retention and was erased.")
        return render_template(
            "refusal.html", status=404, heading=say("No such message"), sentence=sentence, hint=""
        ), 404
    return _message(found)


def _message(found: Found, problem: str = "", opened: tuple[str | None, Content | None] | None = None) -> str:
    code = CLASSES[found.class_] == "otp" and found.expires_ms > desk().clock()
    number, content = opened or (None, None)
    sealed = content is not None and code  # its text is shown to nobody
    callers = _callers()
    known = Known(
        callers.get(found.caller, str(found.caller)),
        {link.name: link for link in desk().settings.links},
        desk().routes.active(),
        number,
        None if sealed else content,
        _traced(found),
        _untold(found),
    )
    text = decode(content.encoding, content.payload) if content is not None and not sealed else None
    reference = content.reference if content is not None else None
    filled = {
        "status": STATUSES[found.status],
        "callers": callers,
        "code": code,
        "steps": course(found, known),
        "how": HOW,
    }
    shown = opened and {"number": number, "text": text, "reference": reference}
    return render_template("message.html", m=found, problem=problem, opened=shown, **filled)


def _traced(found: Found) -> list[dict[str, Any]]:
    """What traces of its links hold of it; an engine that does not answer, or links that are gone, have none."""
    ids: dict[str, list[str]] = {}
    for part in found.parts:
        if part.link and part.operator_id and (part.submitted_ms or 0) > desk().clock() - TRACED_MS:
            ids.setdefault(part.link, []).append(part.operator_id)
    out: list[dict[str, Any]] = []
    for link, wanted in ids.items():
        with suppress(Error):
            out += desk().peers.traced(link, wanted)
    return out


def _untold(found: Found) -> list[list[Any]] | None:
    """What the courier has still to tell of it; None when it does not answer."""
    if not found.notify & NOTIFY_WEBHOOK:
        return []
    try:
        return desk().peers.untold(found.id)
    except Error:
        return None


@views.post("/messages/<message_id>/reveal")
@needs("messages.reveal")
def reveal(message_id: str) -> str | tuple[str, int]:
    """Number and text in clear, once, for a reason that is on the record before anything is opened. A code that still works is shown to nobody."""
    octets = id_octets(message_id)
    found = desk().peers.message(octets) if octets else None
    if found is None:
        raise Error("not_found", "no message has this id")
    why = request.form.get("why", "").strip()
    if not 1 <= len(why) <= REASON_CHARACTERS_MAX or re.search(r"\d[\d .-]{5,}", why):
        return _message(
            found, say("Say why in up to 200 characters, without a telephone number: it stands in the audit log.")
        ), 422
    desk().peers.record(who(), "message.viewed", f"message:{message_id.lower()}", why=why)
    return _message(found, opened=desk().peers.opened(found))

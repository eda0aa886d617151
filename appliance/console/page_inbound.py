"""What customers wrote: when, and to which recipient. Numbers and texts stay sealed, but for who reveals one with a reason."""

from __future__ import annotations

import re
from typing import Any, Final

from flask import Blueprint, render_template, request, url_for

from appliance.errors import Error
from appliance.message import id_octets
from appliance.store import Heard

from .desk import desk, who
from .guard import needs
from .languages import say
from .page_messages import REASON_CHARACTERS_MAX
from .saying import said

views = Blueprint("inbound", __name__)

ROWS: Final = 50


@views.get("/inbound")
@needs("inbound.read")
def page() -> str | tuple[str, int]:
    problem: object = ""
    rows, cursor = list[Heard](), None
    try:
        rows, cursor = desk().peers.heard(ROWS, request.args.get("cursor") or None)
    except Error as error:
        if error.code != "invalid":
            raise
        problem = said(error)
    older = url_for("inbound.page", cursor=cursor) if cursor else None
    filled = {"rows": rows, "older": older, "problem": problem}
    return render_template("inbound.html", **filled), 422 if problem else 200


def _one(message_id: str) -> Heard:
    """Raises Error `not_found`."""
    octets = id_octets(message_id.lower())
    found = desk().peers.heard_one(octets) if octets else None
    if found is None:
        raise Error("not_found", "no customer's message has this id, or its day was erased")
    return found


@views.get("/inbound/<message_id>")
@needs("inbound.read")
def one(message_id: str) -> str:
    return _page(_one(message_id))


def _page(found: Heard, problem: object = "", opened: tuple[str | None, str | None] | None = None) -> str:
    filled: dict[str, Any] = {"m": found, "problem": problem, "opened": opened, "most": REASON_CHARACTERS_MAX}
    return render_template("inbound_one.html", **filled)


@views.post("/inbound/<message_id>/reveal")
@needs("messages.reveal")
def reveal(message_id: str) -> str | tuple[str, int]:
    """Number and text in clear, once, for a reason that is on the record before anything is opened."""
    found, why = _one(message_id), request.form.get("why", "").strip()
    if not 1 <= len(why) <= REASON_CHARACTERS_MAX or re.search(r"\d[\d .-]{5,}", why):
        problem = say("Say why in up to 200 characters, without a telephone number: it stands in the audit log.")
        return _page(found, problem), 422
    desk().peers.record(who(), "message.viewed", f"message:{message_id.lower()}", why=why)
    return _page(found, opened=desk().peers.heard_in_clear(found))

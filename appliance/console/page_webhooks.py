"""Webhooks: what waits to be told to the bank, to which host, how often it was tried; and telling it at once, which is an act on the audit log.

No address is shown, only the host: an address may carry a token.
"""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.errors import Error
from appliance.message import CHANGE, RECEIVED, STATUSES, WORKFLOW, id_text

from .desk import desk, who
from .guard import needs
from .languages import N_, say
from .terms import term

views = Blueprint("webhooks", __name__)

ROWS: Final = 50
#: Outcomes that the courier counts -> what they mean.
TALLIES: Final = {
    "told": N_("taken by the bank"),
    "again": N_("attempts that failed and were tried again"),
    "given_up": N_("given up after a day"),
    "stopped": N_("refused by the bank for good"),
    "refused": N_("to an address that is not allowed, or whose key is gone"),
    "forgotten": N_("erased before they were told"),
    "workflow": N_("handed to a workflow"),
}


def rows_of(host: str, before: int | None) -> list[dict[str, Any]]:
    callers = {key.id: key.name for key in desk().access.api_keys()}
    out = []
    for n, id_, status, at_ms, received_ms, attempts, next_ms, to, caller in desk().peers.deliveries(
        host, before, ROWS
    ):
        ours = 0 <= status < len(STATUSES)
        said = {RECEIVED: say("a customer's message"), WORKFLOW: say("a workflow"), CHANGE: say("a change")}.get(
            status, ""
        )
        out.append(
            {
                "n": n, "what": term("status", STATUSES[status]) if ours else said, "message": id_text(id_) if ours else "", "at_ms": at_ms,
                "received_ms": received_ms, "attempts": attempts, "next_ms": next_ms, "host": to or say("not sorted yet"),
                "caller": callers.get(caller, str(caller)),
            }
        )  # fmt: skip
    return out


@views.get("/webhooks")
@needs("webhooks.read")
def page() -> str:
    host, text = request.args.get("host", "")[:261], request.args.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
    state: dict[str, Any] | None = None
    rows: list[dict[str, Any]] = []
    try:
        state, rows = desk().peers.courier_state(), rows_of(host, before)
    except Error as error:
        if error.code != "peer_unavailable":
            raise
    older = url_for("webhooks.page", host=host or None, before=rows[-1]["n"]) if len(rows) == ROWS else None
    told = request.args.get("done", "")
    filled = {
        "host": host,
        "older": older,
        "tallies": TALLIES,
        "done": told if told.isascii() and told.isdigit() and len(told) < 10 else "",
    }
    return render_template("webhooks.html", courier=state, rows=rows, now_ms=desk().clock(), **filled)


@views.post("/webhooks/hasten")
@needs("webhooks.retry")
def hasten() -> AnyResponse:
    host = request.form.get("host", "")
    return redirect(url_for("webhooks.page", host=host, done=hastened(host)), 303)


def hastened(host: str) -> int:
    """Recorded, then everything that waits for the host is due; how many messages. Raises Error `not_found`."""
    known = {each["host"] for each in desk().peers.courier_state()["hosts"]}
    if host not in known:
        raise Error("not_found", "nothing was ever told to this host")
    desk().peers.record(who(), "webhook.hastened", f"webhook:{host}")
    return desk().peers.hasten(host)

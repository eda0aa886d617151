"""Calls of the admin API about what went through: messages without number and text, those in doubt, what customers wrote, usage, the state of the box."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import request

from appliance.errors import Error
from appliance.message import CLASSES, STATUSES, id_octets, id_text
from appliance.store import Found

from . import page_held, page_messages, page_overview, page_usage
from .calling import at, call, changed
from .desk import desk, who
from .page_system import installed

ROWS = 50
SEARCH = ("status", "class", "link", "from", "to", "cursor")


class Act(msgspec.Struct, forbid_unknown_fields=True):
    """`resend`: send it again; `close`: leave it."""

    act: str


def _message(found: Found) -> dict[str, Any]:
    return {
        "id": id_text(found.id),
        "status": STATUSES[found.status],
        "class": CLASSES[found.class_],
        "segments": found.segments,
        "sender": found.sender,
        "country_code": found.calling_code,
        "link": found.link or None,
        "api_key": found.caller,
        "error": found.error,
        "accepted_at": at(found.accepted_ms),
        "changed_at": at(found.changed_ms),
    }


@call("GET", "/messages", "messages.read", query=SEARCH)
def search_messages() -> dict[str, Any]:
    """Messages, newest first, without number and text; `next` is the cursor of the next page"""
    rows, cursor = desk().peers.search(**page_messages.criteria(ROWS))
    return {"messages": [_message(each) for each in rows], "next": cursor}


@call("GET", "/messages/{message_id}", "messages.read")
def read_message(message_id: str) -> dict[str, Any]:
    """One message with its events in order"""
    octets = id_octets(message_id.lower())
    found = desk().peers.message(octets) if octets else None
    if found is None:
        raise Error("not_found", "no message has this id, or its day was erased")
    events = [{"at": at(ms), "event": event, "detail": detail} for ms, event, detail in found.events]
    return {"message": _message(found) | {"events": events}}


@call("GET", "/in-doubt", "messages.read", query=("cursor",))
def list_in_doubt() -> dict[str, Any]:
    """Messages of which nobody knows whether they left, and that wait for a person"""
    rows, cursor = desk().peers.held(limit=ROWS, cursor=request.args.get("cursor") or None)
    return {"messages": [_message(each) for each in rows], "next": cursor}


@call("POST", "/in-doubt/{message_id}", "messages.decide", Act)
def decide_in_doubt(message_id: str, given: Act) -> dict[str, Any]:
    """Decide on a message in doubt"""
    octets = id_octets(message_id.lower())
    if octets is None:
        raise Error("not_found", "there is no such message")
    if given.act not in page_held.ACTS:
        raise Error("invalid", "a decision is to send the message again or to close it", field="act")
    desk().peers.decide(octets, given.act, who())
    return changed()


@call("GET", "/inbound", "inbound.read", query=("cursor",))
def list_inbound() -> dict[str, Any]:
    """What customers wrote, newest first, without number and text"""
    rows, cursor = desk().peers.heard(ROWS, request.args.get("cursor") or None)
    told = [{"id": id_text(m.id), "at": at(m.at_ms), "recipient": m.recipient} for m in rows]
    return {"inbound": told, "next": cursor}


@call("GET", "/usage", "usage.read", query=("first", "last", "by"))
def read_usage() -> dict[str, Any]:
    """Messages and segments by day, API key, class, link and country: `by` as often as wanted"""
    first, last, cuts = page_usage.asked()
    table = page_usage.table(first, last, cuts)
    return {"columns": table.columns, "rows": table.rows}


@call("GET", "/overview", "overview.read")
def read_overview() -> dict[str, Any]:
    """Today's messages by status, queues, links, and how the parts of the box are"""
    told = page_overview.picture()
    health = [msgspec.to_builtins(row, enc_hook=str) for row in told["health"]]
    return {"today": told["today"], "queues": told["queues"], "links": told["links"], "health": health}


@call("GET", "/system", "box.look")
def read_system() -> dict[str, Any]:
    """Release, serial number and processes of the box"""
    return installed() | {"processes": desk().peers.processes()}

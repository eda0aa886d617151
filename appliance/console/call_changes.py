"""Calls of the admin API about changes that two people decide: list, show, approve, refuse, withdraw, use, look at afterwards.

A token is its maker's hand: it never approves what its maker, or another token of the same maker, asked for.
"""

from __future__ import annotations

from typing import Any

from flask import request

from appliance.access import stands
from appliance.errors import Error

from . import approving
from .asked import Done
from .call_people import secret_of
from .calling import call, change_view, changed, unchanged
from .desk import desk


@call("GET", "/changes", "changes.read", query=("state",))
def list_changes() -> dict[str, Any]:
    """What was asked for, newest first; `state`: asked, approved, refused, expired or used"""
    wanted, at_ms = request.args.get("state", ""), desk().clock()
    found = [c for c in desk().access.changes() if not wanted or stands(c, at_ms) == wanted]
    return {"changes": [change_view(each) for each in found]}


@call("GET", "/changes/{number}", "changes.read")
def read_change(number: int) -> dict[str, Any]:
    """One change, with the difference"""
    return {"change": change_view(approving.found(number))}


@call("POST", "/changes/{number}/approve", "changes.decide")
def approve_change(number: int) -> dict[str, Any]:
    """Approve what another party asked for: it is done in the same transaction"""
    return changed(change=change_view(approving.approve(number)))


@call("POST", "/changes/{number}/refuse", "changes.decide")
def refuse_change(number: int) -> dict[str, Any]:
    """Refuse it"""
    return changed(change=change_view(approving.refuse(number)))


@call("POST", "/changes/{number}/withdraw", "changes.ask")
def withdraw_change(number: int) -> dict[str, Any]:
    """Withdraw what the same party asked for; what is no longer open is withdrawn already"""
    change = approving.found(number)
    if change.state == "refused":
        return unchanged(change=change_view(change))
    return changed(change=change_view(approving.withdraw(number)))


@call("POST", "/changes/{number}/use", "apikeys.write")
def use_change(number: int) -> dict[str, Any]:
    """Do what was approved and shows something once: an API key, with its `secret`"""
    if approving.found(number).act != "apikey.create":
        raise Error("forbidden", "a program uses no such approval", "a person does it at the console")
    done: Done = approving.use(number)
    return secret_of(done)


@call("POST", "/changes/{number}/review", "changes.decide")
def review_change(number: int) -> dict[str, Any]:
    """Say that what was done alone in an emergency was looked at"""
    return changed(change=change_view(approving.review(number)))

"""What is said to a change that two people make: asked for, done alone, approved, refused, withdrawn, used, looked at afterwards. For pages and programs.

The word and what it does are one transaction: what cannot be recorded or done is not said either.
"""

from __future__ import annotations

import logging

from flask import url_for

from appliance.access import Change
from appliance.errors import Error
from appliance.keys import approvals
from appliance.message import new_ids

from .acts import ACTS, Asked, Done, check_asker
from .desk import desk, party, who

log = logging.getLogger(__name__)


def found(number: int) -> Change:
    """What was only begun is nobody else's business. Raises Error `not_found`."""
    change = desk().access.change(number)
    if change.state == "begun" and change.asked_by != party():
        raise Error("not_found", "there is no such change")
    return change


def told(number: int, event: str) -> None:
    """Whoever the settings name hears of it. After the fact: what is done is not undone because the courier does not answer."""
    it = desk()
    url = it.settings["console.changes_webhook"]
    change = it.access.change(number)
    if not url:
        return
    (id_,) = new_ids(1, it.clock())
    what = {
        "event": event, "number": number, "act": change.act, "on": change.target, "state": change.state, "by": who(),
        "asked_by": change.asked_by, "decided_by": change.decided_by or None, "page": url_for("changes.one", number=number),
    }  # fmt: skip
    try:
        it.peers.tell(id_, it.settings["console.changes_api_key"], url, what)
    except Error as error:
        log.warning("console: nobody is told of change %d: %s", number, error.code)


def ask(number: int, reason: str) -> Change:
    """With its reason it is a request. Raises Error `invalid`, `forbidden`, `key_state`."""
    change = found(number)
    check_asker(change)
    with desk().access.writing():
        asked = desk().access.ask_for_change(number, reason, party(), desk().clock())
        desk().peers.record(who(), "approval.asked", f"change:{number}", act=change.act, on_index=number)
    told(number, "asked")
    return asked


def now(number: int, reason: str) -> Done:
    """Done without the second person; another has to look at it afterwards. Raises Error."""
    change = found(number)
    check_asker(change)
    held = desk().access.held_by_change(number)
    with desk().access.writing():
        alone = desk().access.ask_for_change(number, reason, party(), desk().clock(), True)
        desk().peers.record(who(), "approval.emergency", f"change:{number}", act=change.act, on_index=number)
        done = ACTS[change.act].do(Asked(alone.target, alone.old, alone.new, held, alone.author))
    told(number, "done_alone")
    return done


def approve(number: int) -> Change:
    """In one transaction: approved, done. What cannot be done is not approved either. Raises Error."""
    access, change = desk().access, found(number)
    act = ACTS[change.act]
    check_asker(change)
    try:
        with access.writing():
            decided = access.decide_change(number, approvals.YES, party(), desk().clock())
            desk().peers.record(who(), "approval.decided", f"change:{number}", act=change.act, state="approved")
            if act.at_once:
                held = access.held_by_change(number)
                decided = access.decide_change(number, approvals.USE, change.asked_by, desk().clock())
                desk().peers.record(who(), "approval.used", f"change:{number}", act=change.act)
                act.do(Asked(change.target, change.old, change.new, held, change.author, who()))
    except Error as error:
        if error.code == "forbidden":
            desk().peers.record(
                who(), "approval.decided", f"change:{number}", "refused", act=change.act, state=change.state
            )
        raise
    told(number, "approved")
    return decided


def refuse(number: int) -> Change:
    """Raises Error."""
    change = found(number)
    with desk().access.writing():
        refused = desk().access.decide_change(change.id, approvals.NO, party(), desk().clock())
        desk().peers.record(who(), "approval.decided", f"change:{change.id}", act=change.act, state="refused")
    told(number, "refused")
    return refused


def withdraw(number: int) -> Change:
    """For who asked. Raises Error `forbidden`."""
    if found(number).asked_by != party():
        raise Error("forbidden", "this is for who began it")
    return refuse(number)


def use(number: int) -> Done:
    """Who asked does what was approved: where something is shown once, to the one who needs it. Raises Error."""
    access, change = desk().access, found(number)
    check_asker(change)
    with access.writing():
        held = access.held_by_change(number)
        access.decide_change(number, approvals.USE, party(), desk().clock())
        desk().peers.record(who(), "approval.used", f"change:{number}", act=change.act)
        done = ACTS[change.act].do(Asked(change.target, change.old, change.new, held, who(), change.decided_by))
    told(number, "used")
    return done


def review(number: int) -> Change:
    """An emergency was looked at by another. Raises Error."""
    change = found(number)
    with desk().access.writing():
        seen = desk().access.review_change(number, party(), desk().clock())
        desk().peers.record(who(), "approval.reviewed", f"change:{number}", act=change.act)
    told(number, "looked_at")
    return seen

"""Calls of the admin API about who may write to whom: senders and their registrations, what customers asked for, prefixes that get no codes."""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.clock import rfc3339
from appliance.consent import Book
from appliance.errors import Error
from appliance.senders import Details, Registration, check_details, day_ms

from . import page_consent, page_verifications
from .acts import senders
from .asked import Done
from .calling import at, call, changed, do_or_ask, unchanged
from .desk import desk, who
from .page_senders import shown

STATES = ("requested", "confirmed", "expired")


class SenderWanted(msgspec.Struct, forbid_unknown_fields=True):
    """A registration as it shall be. Days are UTC; `until` empty: until it is said."""

    state: str = "requested"
    evidence: str = ""
    entity_id: str = ""
    campaign_id: str = ""
    from_day: str = msgspec.field(default="", name="from")
    until: str = ""
    reason: str = ""


class Number(msgspec.Struct, forbid_unknown_fields=True):
    """A telephone number. It stays out of addresses, logs and the audit log."""

    number: str


class Outcome(msgspec.Struct, forbid_unknown_fields=True):
    """`stop`: the customer is left alone; `none`: all stays as it is."""

    outcome: str


class Blocked(msgspec.Struct, forbid_unknown_fields=True):
    """For how long no codes go there."""

    hours: int


# --- senders ----------------------------------------------------------------------------------------------


def _sender(found: Registration) -> dict[str, Any]:
    return {
        "number": found.id,
        "sender": found.sender,
        "country": found.country,
        "kind": found.kind,
        "state": found.state_at(desk().clock()),
        "requested_at": at(found.requested_ms),
        "from": rfc3339(found.valid_from_ms)[:10] if found.valid_from_ms else None,
        "until": rfc3339(found.expires_ms)[:10] if found.expires_ms else None,
        "details": found.details,
        "changed_by": found.who,
    }


@call("GET", "/senders", "senders.read")
def list_senders() -> dict[str, Any]:
    """Senders and where they are registered"""
    return {"senders": [_sender(each) for each in senders().all()]}


@call("PUT", "/senders/{country}/{sender}", "senders.write", SenderWanted)
def put_sender(country: str, sender: str, given: SenderWanted) -> dict[str, Any]:
    """Note that a registration was asked for, confirm it, or end it"""
    if given.state not in STATES:
        raise Error("invalid", "a registration is requested, confirmed or expired", field="state")
    details = Details(evidence=given.evidence, entity_id=given.entity_id, campaign_id=given.campaign_id)
    check_details(details)
    book, known = senders(), senders().of(sender, country)
    if known is not None and known.state_at(desk().clock()) == given.state and _says(known, given):
        return unchanged(sender=_sender(known))
    if known is None or given.state == "requested":
        code, kind = book.check_request(sender, country, details)
        desk().peers.record(who(), "sender.requested", "sender:new", country=code, kind=kind)
        known = book.request(sender, country, details, who(), desk().clock())
    if given.state == "requested":
        return changed(sender=_sender(known))
    found = _confirm(known, details, given) if given.state == "confirmed" else _expire(known, given)
    if not isinstance(found, Done):
        return found
    after = book.one(known.id)
    assert after is not None
    return changed(sender=_sender(after))


def _says(known: Registration, given: SenderWanted) -> bool:
    """Whether all that is given stands in it already."""
    told = _sender(known)
    same = all(
        not getattr(given, n) or getattr(given, n) == getattr(known.details, n)
        for n in ("evidence", "entity_id", "campaign_id")
    )
    days = (not given.from_day or given.from_day == told["from"]) and (not given.until or given.until == told["until"])
    return same and days


def _confirm(known: Registration, details: Details, given: SenderWanted) -> dict[str, Any] | Done:
    text = given.from_day or rfc3339(desk().clock())[:10]
    from_ms, until_ms = day_ms(text, "from"), day_ms(given.until, "until") if given.until else 0
    senders().check_confirm(known.id, details, from_ms, until_ms)
    new = {"state": "confirmed", "from": text, "until": given.until, "from_ms": from_ms, "until_ms": until_ms}
    named = {"evidence": details.evidence, "entity_id": details.entity_id, "campaign_id": details.campaign_id}
    return do_or_ask("sender.confirm", str(known.id), shown(known), shown(known) | new | named, "", given.reason)


def _expire(known: Registration, given: SenderWanted) -> dict[str, Any] | Done:
    new = shown(known) | {"state": "expired"}
    return do_or_ask("sender.expire", str(known.id), shown(known), new, "", given.reason)


# --- consent ----------------------------------------------------------------------------------------------


@call("GET", "/consent", "consent.read")
def read_consent() -> dict[str, Any]:
    """How many numbers are suppressed in each programme, and what waits for a person"""
    book = Book(desk().settings.home / "consent.db")
    try:
        counts, rows = book.counts(), book.reviews(limit=page_consent.ROWS)
    finally:
        book.close()
    waits = [{"number": r.n, "at": at(r.at_ms), "programme": r.programme, "word": r.word} for r in rows]
    return {"suppressed": counts, "reviews": waits}


@call("POST", "/consent/lookup", "consent.look_up", Number)
def look_up_consent(given: Number) -> dict[str, Any]:
    """What the customer of a number asked for; that somebody looked is recorded, the number is not"""
    found = page_consent.looked_up(given.number)
    history = [
        {"at": at(d.at_ms), "programme": d.programme, "action": d.action, "source": d.source, "who": d.who}
        for d in found["history"]
    ]
    return {"suppressed_in": found["held"], "history": history}


@call("POST", "/consent/reviews/{number}", "consent.decide", Outcome)
def decide_consent(number: int, given: Outcome) -> dict[str, Any]:
    """Decide on a customer's message that may be a wish to be left alone"""
    page_consent.decided(number, given.outcome)
    return changed()


# --- verifications ----------------------------------------------------------------------------------------


@call("GET", "/verifications", "verifications.read")
def read_verifications() -> dict[str, Any]:
    """What became of codes by purpose and prefix in a week, and prefixes that get none"""
    return {name: msgspec.to_builtins(value) for name, value in page_verifications.counted().items()}


@call("PUT", "/verifications/blocks/{prefix}", "verifications.block", Blocked)
def block_prefix(prefix: str, given: Blocked) -> dict[str, Any]:
    """Send no codes to numbers with this beginning; one that is blocked already stays so until its end"""
    if any(each.prefix == prefix for each in page_verifications.counted()["blocks"]):
        return unchanged()
    page_verifications.blocked(prefix, given.hours)
    return changed()


@call("DELETE", "/verifications/blocks/{prefix}", "verifications.block")
def open_prefix(prefix: str) -> dict[str, Any]:
    """Let codes go there again"""
    if all(each.prefix != prefix for each in page_verifications.counted()["blocks"]):
        return unchanged()
    page_verifications.opened(prefix)
    return changed()

"""What is done at the console that two people may have to do: one table of acts, each recorded before it happens. For pages and for programs with a token.

Marked by `console.two_people`, an act is only begun here: its page asks for the reason, another person approves, and then it is done in one transaction with
the request's own state.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from flask import current_app, g, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import KINDS, Change, Person, flat, may
from appliance.errors import Error
from appliance.senders import Details, SenderBook

from . import token_acts, traffic_acts
from .asked import Asked, Done
from .desk import desk, party, who
from .languages import N_


class Act(NamedTuple):
    """`kind` is what the setting marks, `permission` what the asker needs; `at_once`: done as soon as it is approved, else by who asked."""

    kind: str
    permission: str
    says: str
    do: Callable[[Asked], Done]
    at_once: bool = True


def senders() -> SenderBook:
    """One for the application: it has a connection for each thread."""
    known: SenderBook | None = current_app.extensions.get("casemate-senders")
    if known is None:
        known = current_app.extensions["casemate-senders"] = SenderBook(desk().settings)
    return known


def _create_user(a: Asked) -> Done:
    role = str(a.new["role"])
    desk().access.check_new_name(a.target, role)
    desk().peers.record(a.by, "console.user_created", f"user:{a.target}", role=role)
    desk().access.add_user(a.target, role, a.held, desk().clock())
    return Done("users.page", "created")


def _change_role(a: Asked) -> Done:
    role = str(a.new["role"])
    desk().peers.record(a.by, "console.user_changed", f"user:{a.target}", change="role", role=role)
    desk().access.set_role(a.target, role)
    return Done("users.page", "role")


def _remove_user(a: Asked) -> Done:
    desk().peers.record(a.by, "console.user_removed", f"user:{a.target}", role=str(a.old["role"]))
    desk().access.remove_user(a.target)
    return Done("users.page", "removed")


def _forget_factors(a: Asked) -> Done:
    person = desk().access.user(a.target)
    if person is None:
        raise Error("not_found", "there is no such user")
    desk().peers.record(a.by, "console.factor_removed", f"user:{person.name}", factor="all")
    desk().access.forget_factors(person)
    return Done("users.page", "forgotten")


def _create_api_key(a: Asked) -> Done:
    """What cannot be recorded is undone before its token was seen by anybody."""
    access = desk().access
    key, token = access.create_api_key(str(a.new["name"]), a.new["rate"], desk().clock())
    try:
        desk().peers.record(a.by, "apikey.created", f"apikey:{key.id}", name=key.name)
    except BaseException:
        access.revoke_api_key(key.id, desk().clock())
        raise
    return Done("api_keys.page", "", key, token)


def _revoke_api_key(a: Asked) -> Done:
    key = desk().access.api_key(int(a.target))
    if key is None:
        raise Error("not_found", "there is no such API key")
    if key.revoked_ms is None:
        desk().peers.record(a.by, "apikey.revoked", f"apikey:{key.id}", name=key.name)
        desk().access.revoke_api_key(key.id, desk().clock())
    return Done("api_keys.page", "revoked")


def _confirm_sender(a: Asked) -> Done:
    number, new = int(a.target), a.new
    details = Details(
        evidence=new.get("evidence", ""), entity_id=new.get("entity_id", ""), campaign_id=new.get("campaign_id", "")
    )
    found = senders().check_confirm(number, details, new["from_ms"], new["until_ms"])
    desk().peers.record(
        a.by, "sender.confirmed", f"sender:{number}",
        country=found.country, kind=found.kind, from_ms=new["from_ms"], until_ms=new["until_ms"],
    )  # fmt: skip
    senders().confirm(number, details, new["from_ms"], new["until_ms"], a.by, desk().clock())
    return Done("senders.page", "confirmed")


def _expire_sender(a: Asked) -> Done:
    found = senders().one(int(a.target))
    if found is None:
        raise Error("not_found", "there is no such registration")
    desk().peers.record(a.by, "sender.expired", f"sender:{a.target}", country=found.country, kind=found.kind)
    senders().expire(int(a.target), Details(), a.by, desk().clock())
    return Done("senders.page", "expired")


def _change_settings(a: Asked) -> Done:
    access = desk().access
    access.check_document(a.held)
    desk().peers.record(a.by, "settings.approved", "settings:box", digest=a.target)
    access.add_settings(a.held, a.by, a.approved_by, desk().clock())
    return Done("settings.page", "approved")


ACTS: Final[dict[str, Act]] = {
    "user.create": Act("users", "users.write", N_("Make a user"), _create_user),
    "user.role": Act("users", "users.write", N_("Give a user another role"), _change_role),
    "user.remove": Act("users", "users.write", N_("Remove a user"), _remove_user),
    "user.forget": Act("users", "users.write", N_("Forget a user's second factors"), _forget_factors),
    "apikey.create": Act("apikeys", "apikeys.write", N_("Make an API key"), _create_api_key, at_once=False),
    "apikey.revoke": Act("apikeys", "apikeys.write", N_("Revoke an API key"), _revoke_api_key),
    "sender.confirm": Act("senders", "senders.write", N_("Confirm a registration"), _confirm_sender),
    "sender.expire": Act("senders", "senders.write", N_("End a registration"), _expire_sender),
    "settings.change": Act("settings", "settings.write", N_("Change the settings"), _change_settings),
    "routes.activate": Act("routes", "routes.write", N_("Activate other routes"), traffic_acts.activate_routes),
    "template.save": Act("templates", "templates.write", N_("Save a template"), traffic_acts.save_template),
    "template.remove": Act(
        "templates", "templates.write", N_("Take a template out of use"), traffic_acts.remove_template
    ),
    "token.create": Act("tokens", "tokens.write", N_("Make an admin token"), token_acts.create, at_once=False),
}

assert {act.kind for act in ACTS.values()} == KINDS.keys()


def do_or_begin(act: str, target: str, old: dict[str, Any], new: dict[str, Any], held: str = "") -> AnyResponse | Done:
    """Done at once, or begun: then the answer leads to the page that asks why."""
    it = desk()
    if not takes_two(act):
        return ACTS[act].do(Asked(target, old, new, held, who()))
    number = it.access.begin_change(act, target, old, new, party(), it.clock(), held)
    return redirect(url_for("changes.one", number=number), 303)


def takes_two(act: str) -> bool:
    return ACTS[act].kind in desk().settings["console.two_people"]


def answered(found: AnyResponse | Done) -> AnyResponse:
    """For acts whose end is a page with a word of what was done."""
    return redirect(url_for(found.page, done=found.done), 303) if isinstance(found, Done) else found


def check_asker(change: Change) -> None:
    """Whether who asked may still do this. Raises Error `forbidden`."""
    person = desk().access.user(change.asked_by.partition(":")[2])
    if person is None or person.disabled_ms is not None or not may(person.role, ACTS[change.act].permission):
        raise Error("forbidden", "who asked may no longer do this")
    if change.via and desk().access.admin_token(change.via) is None:
        raise Error("forbidden", "the token that asked is revoked", "ask again")


# --- what pages and programs find out the same way before they ask --------------------------------------------


def other(name: str) -> Person:
    """A person who is not who asks. Raises Error `not_found`, `forbidden`."""
    person = desk().access.user(name)
    if person is None:
        raise Error("not_found", "there is no such user")
    if person.id == g.person.id:
        raise Error("forbidden", "nobody changes or removes themselves", "ask another who may")
    return person


def of_settings(document: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is different between the newest settings and these, before and after. Raises Error `settings_invalid`, `invalid`."""
    access = desk().access
    new = flat(access.check_document(document))
    old = flat(tomllib.loads(access.settings_present()))
    differs = [n for n in [*old, *(n for n in new if n not in old)] if old.get(n) != new.get(n)]
    return {n: old[n] for n in differs if n in old}, {n: new[n] for n in differs if n in new}

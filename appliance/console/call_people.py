"""Calls of the admin API about people and what opens the box to programs: roles, users, sessions, tokens, API keys, accounts of the SMPP door."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec
from flask import g

from appliance.access import (
    NEVER_BY_TOKEN,
    PERMISSIONS,
    PROVEN,
    ROLES,
    AdminToken,
    ApiKey,
    DoorAccount,
    Person,
    change_told,
)
from appliance.access import check_role as known_role
from appliance.errors import Error

from . import page_door, token_acts
from .acts import other
from .asked import Done
from .bearer import allowed
from .calling import at, call, changed, do_or_ask, unchanged
from .desk import desk, who


class Why(msgspec.Struct, forbid_unknown_fields=True):
    """Why it is asked for: needed where two people decide it."""

    reason: str = ""


class UserWanted(msgspec.Struct, forbid_unknown_fields=True):
    """A person of the console as it shall be. The password counts where the person is made; it is not set again."""

    role: str
    password: str = ""
    reason: str = ""


class ApiKeyWanted(msgspec.Struct, forbid_unknown_fields=True):
    """An API key as it shall be. `rate_per_s` null: the setting limits.requests_per_s; 0: no limit."""

    rate_per_s: int | None = None
    reason: str = ""


class DoorAccountWanted(msgspec.Struct, forbid_unknown_fields=True):
    """An account of the SMPP door as it shall be; what is left out stays as it is, or begins at its default. `api_key` is the key's name."""

    api_key: str
    networks: list[str] | msgspec.UnsetType = msgspec.UNSET
    binds_max: int | msgspec.UnsetType = msgspec.UNSET
    window: int | msgspec.UnsetType = msgspec.UNSET
    rate_per_s: int | msgspec.UnsetType | None = msgspec.UNSET
    class_: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="class")
    alphabet: str | msgspec.UnsetType = msgspec.UNSET
    sender: str | msgspec.UnsetType = msgspec.UNSET
    inbound: list[str] | msgspec.UnsetType = msgspec.UNSET
    receipt_text: bool | msgspec.UnsetType = msgspec.UNSET
    receipt_body: bool | msgspec.UnsetType = msgspec.UNSET
    long_password: bool = False


# --- roles, users, sessions -------------------------------------------------------------------------------


@call("GET", "/roles", "users.read")
def list_roles() -> dict[str, Any]:
    """The roles and what each may; what is proven anew by a person, and what a token never does"""
    each = {p: sorted(roles) for p, roles in sorted(PERMISSIONS.items())}
    return {"roles": ROLES, "permissions": each, "asks_again": sorted(PROVEN), "never_by_token": sorted(NEVER_BY_TOKEN)}


def _user(person: Person) -> dict[str, Any]:
    has = desk().access.factors(person)
    return {
        "name": person.name,
        "role": person.role,
        "source": person.source or "console",
        "created_at": at(person.created_ms),
        "password_at": at(person.password_ms),
        "disabled": person.disabled_ms is not None,
        "break_glass": person.glass or None,
        "factors": {"security_keys": len(has.keys), "telephone": has.totp, "recovery_codes": has.recovery},
    }


@call("GET", "/users", "users.read")
def list_users() -> dict[str, Any]:
    """All people of the console"""
    return {"users": [_user(each) for each in desk().access.users()]}


def _named(name: str) -> Person:
    person = desk().access.user(name)
    if person is None:
        raise Error("not_found", "there is no such user")
    return person


@call("GET", "/users/{name}", "users.read")
def read_user(name: str) -> dict[str, Any]:
    """One person"""
    return {"user": _user(_named(name))}


@call("PUT", "/users/{name}", "users.write", UserWanted)
def put_user(name: str, given: UserWanted) -> dict[str, Any]:
    """Make a person, or give one another role"""
    access = desk().access
    known_role(given.role)
    person = access.user(name)
    if person is None:
        access.check_new_user(name, given.password, given.role)
        new, held = {"role": given.role}, access.hashed_password(given.password)
        found = do_or_ask("user.create", name, {}, new, held, given.reason)
    elif person.role == given.role:
        return unchanged(user=_user(person))
    else:
        old, new = {"role": other(name).role}, {"role": given.role}
        found = do_or_ask("user.role", person.name, old, new, "", given.reason)
    return changed(user=_user(_named(name))) if isinstance(found, Done) else found


@call("DELETE", "/users/{name}", "users.write", Why)
def remove_user(name: str, given: Why) -> dict[str, Any]:
    """Remove a person; one who is not there is removed already"""
    if desk().access.user(name) is None:
        return unchanged()
    person = other(name)
    old = {"name": person.name, "role": person.role}
    found = do_or_ask("user.remove", person.name, old, {}, "", given.reason)
    return changed() if isinstance(found, Done) else found


@call("DELETE", "/users/{name}/factors", "users.write", Why)
def forget_factors(name: str, given: Why) -> dict[str, Any]:
    """Forget a person's second factors"""
    person = other(name)
    has = desk().access.factors(person)
    if not has.any and not has.recovery:
        return unchanged()
    old = {"security keys": len(has.keys), "telephone": has.totp, "recovery codes": has.recovery}
    new = dict.fromkeys(old, 0) | {"telephone": False}
    found = do_or_ask("user.forget", person.name, old, new, "", given.reason)
    return changed() if isinstance(found, Done) else found


@call("GET", "/sessions", "users.read")
def list_sessions() -> dict[str, Any]:
    """Sessions of people that are valid now"""
    found = desk().access.sessions(desk().clock())
    return {
        "sessions": [
            {
                "user": s.person.name,
                "role": s.person.role,
                "from": s.remote,
                "factor": s.factor,
                "started_at": at(s.started_ms),
                "seen_at": at(s.seen_ms),
                "ends_at": at(min(s.idle_ends_ms, s.ends_ms)),
            }
            for s in found
        ]
    }


@call("DELETE", "/sessions/{name}", "users.write")
def end_session(name: str) -> dict[str, Any]:
    """End a person's session"""
    person = other(name)
    if all(s.person.id != person.id for s in desk().access.sessions(desk().clock())):
        return unchanged()
    desk().peers.record(who(), "console.session_ended", f"user:{person.name}")
    desk().access.end_sessions_of(person)
    return changed()


# --- tokens -----------------------------------------------------------------------------------------------


def _token(token: AdminToken) -> dict[str, Any]:
    return {
        "name": token.name,
        "made_by": token.maker_name,
        "role": token.role,
        "permissions": token.permissions,
        "networks": token.networks,
        "created_at": at(token.created_ms),
        "expires_at": at(token.expires_ms),
        "revoked_at": at(token.revoked_ms),
        "used_at": at(token.used_ms),
    }


@call("GET", "/token", None)
def read_token() -> dict[str, Any]:
    """The token that asks, and every permission that it has now"""
    return {"token": _token(g.token), "allowed": sorted(p for p in PERMISSIONS if allowed(g.token, p))}


@call("DELETE", "/token", None)
def revoke_token() -> dict[str, Any]:
    """Revoke the token that asks"""
    token_acts.revoke(g.token)
    return changed()


@call("GET", "/tokens", "tokens.read")
def list_tokens() -> dict[str, Any]:
    """All tokens of the admin API, also those that are over"""
    return {"tokens": [_token(each) for each in desk().access.admin_tokens()]}


# --- API keys ---------------------------------------------------------------------------------------------


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "number": key.id,
        "name": key.name,
        "rate_per_s": key.rate_per_s,
        "created_at": at(key.created_ms),
        "revoked_at": at(key.revoked_ms),
    }


def _valid_key(name: str) -> ApiKey | None:
    folded = name.casefold()
    return next((k for k in desk().access.api_keys() if k.revoked_ms is None and k.name.casefold() == folded), None)


@call("GET", "/api-keys", "apikeys.read")
def list_api_keys() -> dict[str, Any]:
    """API keys of the bank's systems, also the revoked"""
    return {"api_keys": [_key(each) for each in desk().access.api_keys()]}


@call("PUT", "/api-keys/{name}", "apikeys.write", ApiKeyWanted)
def put_api_key(name: str, given: ApiKeyWanted) -> dict[str, Any]:
    """Make an API key; its `secret` is in this answer and never again. Where two people decide: in the answer of `use`"""
    known = _valid_key(name)
    if known is not None:
        if known.rate_per_s != given.rate_per_s:
            raise Error("invalid", "an API key's rate is set when it is made", "revoke it and make another")
        return unchanged(api_key=_key(known))
    desk().access.check_new_api_key(name, given.rate_per_s)
    found = do_or_ask("apikey.create", name, {}, {"name": name, "rate": given.rate_per_s}, "", given.reason)
    return secret_of(found) if isinstance(found, Done) else found


def secret_of(done: Done) -> dict[str, Any]:
    """What was made, with what is shown once."""
    assert isinstance(done.made, ApiKey)
    return changed(api_key=_key(done.made), secret=done.token)


@call("DELETE", "/api-keys/{name}", "apikeys.write", Why)
def revoke_api_key(name: str, given: Why) -> dict[str, Any]:
    """Revoke an API key"""
    key = _valid_key(name)
    if key is None:
        return unchanged()
    old, new = {"name": key.name, "revoked": False}, {"name": key.name, "revoked": True}
    found = do_or_ask("apikey.revoke", str(key.id), old, new, "", given.reason)
    return changed() if isinstance(found, Done) else found


# --- accounts of the SMPP door ------------------------------------------------------------------------------


def _account(account: DoorAccount) -> dict[str, Any]:
    told: dict[str, Any] = asdict(account)
    told["class"] = told.pop("class_")
    for name in ("created", "password", "revoked"):
        told[f"{name}_at"] = at(told.pop(f"{name}_ms"))
    told["api_key_number"] = told.pop("caller")
    told["number"] = told.pop("id")
    return told


def _valid_account(system_id: str) -> DoorAccount:
    found = desk().access.door_account(system_id)
    if found is None or found.revoked_ms is not None:
        raise Error("not_found", "there is no such door account")
    return found


@call("GET", "/door-accounts", "door.read")
def list_door_accounts() -> dict[str, Any]:
    """Accounts of the SMPP door, also the revoked"""
    return {"door_accounts": [_account(each) for each in desk().access.all_door_accounts()]}


@call("PUT", "/door-accounts/{system_id}", "door.write", DoorAccountWanted)
def put_door_account(system_id: str, given: DoorAccountWanted) -> dict[str, Any]:
    """Make an account of the SMPP door, its `password` is in this answer and never again; or change one"""
    access = desk().access
    key = _valid_key(given.api_key)
    if key is None:
        raise Error("invalid", "there is no valid API key of this name", field="api_key")
    wanted: dict[str, Any] = {}
    for name in given.__struct_fields__:
        value = getattr(given, name)
        if value is not msgspec.UNSET and name not in ("api_key", "long_password"):
            wanted[name] = tuple(value) if isinstance(value, list) else value
    known = access.door_account(system_id)
    if known is None:
        account, password = page_door.created(system_id, key.id, given.long_password, **wanted)
        return changed(door_account=_account(account), password=password)
    if known.revoked_ms is not None or known.caller != key.id:
        raise Error("invalid", "this system_id is taken", "by a revoked account, or by another API key's")
    made = access.check_door_change(system_id, **wanted)
    if made == known:
        return unchanged(door_account=_account(known))
    differs = {n: getattr(made, n) for n in wanted if getattr(made, n) != getattr(known, n)}
    desk().peers.record(who(), "door.account_changed", f"door:{system_id}", "ok", **change_told(differs))
    return changed(door_account=_account(access.change_door_account(system_id, **wanted)))


@call("POST", "/door-accounts/{system_id}/password", "door.write")
def another_door_password(system_id: str) -> dict[str, Any]:
    """Give an account another password, shown in this answer and never again"""
    account, password = page_door.another_password(_valid_account(system_id))
    return changed(door_account=_account(account), password=password)


@call("DELETE", "/door-accounts/{system_id}", "door.write")
def revoke_door_account(system_id: str) -> dict[str, Any]:
    """Revoke an account of the SMPP door"""
    found = desk().access.door_account(system_id)
    if found is None or found.revoked_ms is not None:
        return unchanged()
    page_door.revoked(found)
    return changed()

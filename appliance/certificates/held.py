"""Keys and secrets: what the HSM holds and wraps, what custodians hold, API keys and accounts by their age. Numbers and dates, never a key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from appliance.access import Access
from appliance.clock import DAY_MS, day_name
from appliance.settings import Settings

from .item import KEY, SECRET, Item, owner_of

_ITSELF: Final = "by the box itself"
_ROOT: Final = "`casemate ceremony run rotate-root`, or `casemate keys ask rotate-root`"
_NEVER: Final = "never: what was indexed and signed by it stays so; a compromise means a new box"
_CUSTODIANS: Final = "`casemate ceremony run replace-custodian`"
_API_KEY: Final = "`casemate apikey create`, give it to the system, then `casemate apikey revoke`"


def keys(settings: Settings, state: dict[str, Any], each: bool) -> Iterator[Item]:
    """From the keys process's `state`; nothing when it does not answer. Data keys are one row, or `each` its own."""
    if state:
        owners = settings["register.owners"]
        yield from _token(settings, state, owners)
        yield from _records(state, owners, each)
        yield from _custody(state.get("custody") or {}, owners)


def _token(settings: Settings, state: dict[str, Any], owners: list[str]) -> Iterator[Item]:
    where = f"token {state.get('token', '')} {state.get('serial', '')}".strip()
    owner = owner_of("hsm", owners)
    dates = {int(v): ms for v, ms in (state.get("root_dates") or {}).items()}
    for version, now in (state.get("roots") or {}).items():
        made, lives = dates.get(int(version), 0), now in ("active", "pre-active")
        until = made + settings["register.root_days"] * DAY_MS if made and lives else 0
        root = Item(f"hsm root v{version}", KEY, "wraps the tenant keys", owner, where, made, until, _ROOT, now)
        yield root._replace(told=lives)
    born = min(dates.values(), default=0)
    yield Item(
        "hsm mac key", KEY, "blind index, derived keys, records of keys", owner, where, born, 0, _NEVER, "active"
    )
    where = "derived from the MAC key in the token" if state.get("audit_key") == "derived" else where
    yield Item("hsm log key", KEY, "signs the audit log's checkpoints", owner, where, born, 0, _NEVER, "active")


def _records(state: dict[str, Any], owners: list[str], each: bool) -> Iterator[Item]:
    where, daily = "keys.db, wrapped", []
    for key in state.get("keys") or []:
        if key["purpose"] == "message" and not each:
            daily.append(key)
            continue
        tenant = key["purpose"] == "tenant"
        name = "tenant key" if tenant else "data key"
        purpose = (
            f"{'wraps the data keys of the year from' if tenant else 'seals the messages of'} {day_name(key['day'])}"
        )
        dates = (key["created_ms"], key["to_ms"])
        yield Item(
            f"{name} {key['key_id']}", KEY, purpose, owner_of(name, owners), where, *dates, _ITSELF, key["state"]
        )
    living = [key for key in daily if key["state"] != "destroyed"]
    if living:
        days = [key["day"] for key in living]
        span = " to ".join(day_name(day) for day in dict.fromkeys((min(days), max(days))))
        purpose = f"{len(living)} {'keys that seal' if len(living) > 1 else 'key that seals'} messages, {span}"
        made, until = min(k["created_ms"] for k in living), max(k["to_ms"] for k in living)
        yield Item("data keys", KEY, purpose, owner_of("data key", owners), where, made, until, _ITSELF)


def _custody(told: dict[str, Any], owners: list[str]) -> Iterator[Item]:
    if told.get("set"):
        purpose = f"restores the HSM's keys: {told['needed']} of {told['custodians']} shares"
        owner, made = owner_of("custodians", owners), told["made_ms"]
        yield Item(f"custodians' set {told['set']}", SECRET, purpose, owner, "the custodians", made, 0, _CUSTODIANS)


def secrets(settings: Settings, access: Access) -> Iterator[Item]:
    """API keys with the webhook secrets that belong to them, and accounts of the SMPP door, by the age of what opens them."""
    owners, days = settings["register.owners"], settings["register.secret_days"]
    for key in access.api_keys():
        if key.revoked_ms is None:
            until = key.created_ms + days * DAY_MS if days else 0
            name = f"api key {key.id}"
            yield Item(
                name,
                SECRET,
                f"opens the REST API to {key.name}",
                owner_of(name, owners),
                "access.db, hashed; the bank's system",
                key.created_ms,
                until,
                _API_KEY,
                "active",
                told=bool(days),
            )
            yield Item(
                f"webhook secret {key.id}",
                SECRET,
                f"signs the callbacks to {key.name}",
                owner_of("webhook", owners),
                "derived from the MAC key in the token",
                key.created_ms,
                0,
                "with its API key",
                "active",
            )
    for account in access.all_door_accounts():
        if account.revoked_ms is None:
            until = account.password_ms + days * DAY_MS if days else 0
            name = f"door account {account.system_id}"
            yield Item(
                name,
                SECRET,
                "opens the SMPP door",
                owner_of(name, owners),
                "access.db, hashed; the bank's system",
                account.password_ms,
                until,
                "`casemate door new-password`",
                "active",
                told=bool(days),
            )

"""Who could do what at this box, and who did: people, API keys, accounts of the SMPP door, beside what the audit log has of them."""

from __future__ import annotations

from typing import Any

from appliance.access import PERMISSIONS, ROLES, Access
from appliance.audit import REPORTS, written
from appliance.clock import DAY_MS, day_name, rfc3339

from .known import Known
from .operations import ENTRY_COLUMNS
from .sheet import Report, Table


def review(known: Known, access: Access, first: int, last: int) -> Report:
    """Raises Error `peer_unavailable`."""
    from_ms, to_ms = first * DAY_MS, (last + 1) * DAY_MS
    lines = written.report(known.call, "access", day_name(first), day_name(last + 1))
    did = [(requirement, *rest) for requirement, _, *rest in lines if rest[0]]
    tables = (
        Table("people", "People of the console, now", ("name", "role", "kept by", "second factors", "made", "last sign-in", "disabled"), _people(known, access)),
        Table("roles", "What each role may do", ("role", "people", "says", "permissions"), _roles(access)),
        Table("keys", "API keys, now", ("number", "name", "messages a second", "made", "revoked"), _keys(access)),
        Table("did", "What the audit log has", ("about", *ENTRY_COLUMNS), [_reordered(row) for row in did]),
    )  # fmt: skip
    title = f"Access review, {day_name(first)} to {day_name(last)}"
    names = [row.words for row in REPORTS["access"][1]]
    return Report("access", title, from_ms, to_ms, (f"Looked at: {', '.join(names)}.",), tables)


def _reordered(row: tuple[str, ...]) -> tuple[str, ...]:
    about, entry, at, who, event, on, outcome, detail = row
    return about, entry, at[:19].replace("T", " "), event, who, on, outcome, detail


def _people(known: Known, access: Access) -> list[tuple[Any, ...]]:
    rows = []
    for person in access.users():
        has = access.factors(person)
        factors = ", ".join(
            [f"{len(has.keys)} security keys"] * bool(has.keys)
            + ["telephone"] * bool(has.totp)
            + [f"{has.recovery} recovery codes"] * bool(has.recovery)
        )
        seen = known.call(
            "entries",
            {"what": "console.login", "who": f"console:{person.name}", "outcome": "ok", "limit": 1, "before": None},
        )
        last = seen["entries"][0]["entry"]["at"][:19].replace("T", " ") if seen["entries"] else "never"
        role = "the envelope's account" if person.glass else person.role
        rows.append(
            (
                person.name,
                role,
                person.source or "the console",
                factors or "none",
                _at(person.created_ms),
                last,
                _at(person.disabled_ms),
            )
        )
    return rows


def _roles(access: Access) -> list[tuple[Any, ...]]:
    people = access.users()
    return [
        (
            role,
            ", ".join(p.name for p in people if p.role == role and not p.glass) or "nobody",
            says,
            " ".join(sorted(name for name, roles in PERMISSIONS.items() if role in roles)),
        )
        for role, says in ROLES.items()
    ]


def _keys(access: Access) -> list[tuple[Any, ...]]:
    return [
        (
            str(k.id),
            k.name,
            "as the settings say" if k.rate_per_s is None else str(k.rate_per_s),
            _at(k.created_ms),
            _at(k.revoked_ms),
        )
        for k in access.api_keys()
    ]


def _at(at_ms: int | None) -> str:
    return rfc3339(at_ms)[:19].replace("T", " ") if at_ms else "-"

"""The life of a definition's version: saved by one person, activated when another agrees. Decisions are a table; the rows are the book's."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any, Final, NamedTuple

from appliance.errors import Error
from appliance.store import Connection

from .checking import Templates, check
from .definition import CHANNELS, Definition
from .trying import failures

DRAFT, ASKED, ACTIVE, REFUSED, RETIRED = STATES = ("draft", "asked", "active", "refused", "retired")

TABLE: Final[dict[tuple[str, str], str]] = {
    (DRAFT, "ask"): ASKED,
    (REFUSED, "ask"): ASKED,
    (RETIRED, "ask"): ASKED,
    (ASKED, "yes"): ACTIVE,
    (ASKED, "no"): REFUSED,
    (ACTIVE, "retire"): RETIRED,
    (ACTIVE, "replaced"): RETIRED,
}
SHIPPED: Final = "casemate"  # who saved what comes with the appliance

_COLUMNS: Final = (
    "name, version, body, saved_ms, who, state, asked_by, asked_ms, reason, decided_by, decided_ms"  # of Version
)


class Version(NamedTuple):
    """One version as it stands."""

    name: str
    version: int
    body: str
    saved_ms: int
    who: str
    state: str
    asked_by: str
    asked_ms: int
    reason: str
    decided_by: str
    decided_ms: int

    @property
    def digest(self) -> str:
        """SHA-256 of its text, hexadecimal: what the audit log names it by."""
        return hashlib.sha256(self.body.encode()).hexdigest()


def checked(text: str, templates: Templates, channels: Collection[str] = CHANNELS) -> Definition:
    """The definition, right and with its tests passed. Raises Error `workflow_invalid` with every problem."""
    definition, problems = check(text, templates, channels)
    if definition is not None:
        problems = failures(definition)
    if problems or definition is None:
        first = str(problems[0])
        more = f"; {len(problems) - 1} more" if len(problems) > 1 else ""
        raise Error("workflow_invalid", first + more, problems=[p._asdict() for p in problems[:100]])
    return definition


def save(conn: Connection, name: str, text: str, who: str, at_ms: int) -> Version:
    """A new version, a draft; the newest again when it says the same."""
    before = newest(conn, name)
    if before is not None and before.body == text:
        return before
    number = before.version + 1 if before is not None else 1
    row = (name, number, text, at_ms, who, DRAFT)
    conn.execute("INSERT INTO definition (name, version, body, saved_ms, who, state) VALUES (?, ?, ?, ?, ?, ?)", row)
    return one(conn, name, number)


def ask(conn: Connection, name: str, version: int, reason: str, who: str, at_ms: int) -> Version:
    """One person asks that a version be used. Raises Error `not_found`, `workflow_state` or `invalid`."""
    if not reason.strip():
        raise Error("invalid", "say why: the other person has to judge it", field="reason")
    _move(conn, name, version, "ask", asked_by=who, asked_ms=at_ms, reason=reason.strip()[:300])
    return one(conn, name, version)


def decide(conn: Connection, name: str, version: int, yes: bool, who: str, at_ms: int) -> Version:
    """Another person agrees, or does not. Raises Error `not_found`, `workflow_state` or `forbidden` for who asked or saved it."""
    found = one(conn, name, version)
    if found.state == ASKED and who in (found.asked_by, *([found.who] if yes else [])):
        raise Error("forbidden", "another person decides than who wrote it or asked for it", "four eyes")
    if yes and found.state == ASKED:
        conn.execute("UPDATE definition SET state = 'retired' WHERE name = ? AND state = 'active'", (name,))
    _move(conn, name, version, "yes" if yes else "no", decided_by=who, decided_ms=at_ms)
    return one(conn, name, version)


def retire(conn: Connection, name: str, who: str, at_ms: int) -> Version:
    """Takes a workflow out of use at once; runs go on. Raises Error `not_found`."""
    found = active(conn, name)
    if found is None:
        raise Error("not_found", "no version of this workflow is active", "see the list")
    _move(conn, name, found.version, "retire", decided_by=who, decided_ms=at_ms)
    return one(conn, name, found.version)


def one(conn: Connection, name: str, version: int) -> Version:
    """Raises Error `not_found`."""
    found = _rows(conn, "WHERE name = ? AND version = ?", name, version)
    if not found:
        raise Error("not_found", "there is no such version of this workflow", "see the list")
    return found[0]


def newest(conn: Connection, name: str) -> Version | None:
    found = _rows(conn, "WHERE name = ? ORDER BY version DESC LIMIT 1", name)
    return found[0] if found else None


def active(conn: Connection, name: str) -> Version | None:
    found = _rows(conn, "WHERE name = ? AND state = 'active'", name)
    return found[0] if found else None


def versions(conn: Connection, name: str) -> list[Version]:
    """Newest first."""
    return _rows(conn, "WHERE name = ? ORDER BY version DESC", name)


def listed(conn: Connection) -> list[Version]:
    """Of each workflow the active version, else the newest."""
    best: dict[str, Version] = {}
    for found in _rows(conn, "ORDER BY name, version"):
        if found.name not in best or best[found.name].state != ACTIVE or found.state == ACTIVE:
            best[found.name] = found
    return list(best.values())


def waiting(conn: Connection) -> list[Version]:
    """Those that another person has to decide about."""
    return _rows(conn, "WHERE state = 'asked' ORDER BY asked_ms")


def ship(conn: Connection, texts: dict[str, str], at_ms: int) -> int:
    """Brings in what comes with the appliance, active where a name is new, else as a draft beside what the bank uses; how many were new."""
    new = 0
    for name, text in texts.items():
        known = versions(conn, name)
        if any(v.body == text for v in known):
            continue
        made = save(conn, name, text, SHIPPED, at_ms)
        new += 1
        if not known:
            conn.execute(
                "UPDATE definition SET state = 'active', decided_by = ?, decided_ms = ? WHERE name = ? AND version = ?",
                (SHIPPED, at_ms, name, made.version),
            )
    return new


def _rows(conn: Connection, where: str, *given: Any) -> list[Version]:
    return [Version(*row) for row in conn.execute(f"SELECT {_COLUMNS} FROM definition {where}", given).fetchall()]  # noqa: S608


def _move(conn: Connection, name: str, version: int, heard: str, **put: Any) -> None:
    found = one(conn, name, version)
    to = TABLE.get((found.state, heard))
    if to is None:
        raise Error("workflow_state", f"this version is {found.state}", "see its versions")
    sets = ", ".join(f"{column} = ?" for column in ("state", *put))
    conn.execute(f"UPDATE definition SET {sets} WHERE name = ? AND version = ?", (to, *put.values(), name, version))  # noqa: S608

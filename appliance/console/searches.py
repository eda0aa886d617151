"""`searches.db`: filters of the audit log that officers come back to, each with a name. Shared by all who may read the log.

Trust: who can write the file can have an officer look for something else than its name says; the filter stands beside the name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from appliance.audit import impersonal
from appliance.clock import DAY_MS, rfc3339
from appliance.errors import Error
from appliance.limits import SEARCH_NAME_CHARACTERS_MAX, SEARCHES_MAX
from appliance.settings import Settings
from appliance.store import DeskStore

from .languages import N_, ngettext, say

MIGRATIONS: Final = Migrations("searches")
#: Field of the filter -> what it is called.
WORDS: Final = {"what": N_("event"), "who": N_("who"), "on": N_("about"), "outcome": N_("outcome")}
DAYS_MAX: Final = 3_660


@MIGRATIONS(name="0001_saved")
def _first(db: Database) -> None:
    db.execute(
        """CREATE TABLE saved (
            name TEXT PRIMARY KEY,
            sought TEXT NOT NULL, -- JSON: field of the filter -> what is looked for
            days INTEGER NOT NULL, -- back from the moment of the search; 0: all of the log
            who TEXT NOT NULL,
            at_ms INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID"""
    )


class Saved(NamedTuple):
    """One search."""

    name: str
    sought: dict[str, str]
    days: int
    who: str
    at_ms: int

    def asked(self, now_ms: int) -> dict[str, str]:
        """As the page's address has it."""
        since = {"since": rfc3339(now_ms - self.days * DAY_MS)[:19]} if self.days else {}
        return {**self.sought, **since}

    def told(self) -> str:
        """For people."""
        parts = [f"{say(WORDS[field])} {self.sought[field]}" for field in WORDS if field in self.sought]
        when = (
            ngettext("of the last %(n)s day", "of the last %(n)s days", self.days) if self.days else say("at any time")
        )
        return ", ".join([*parts, when])


class Searches(DeskStore):
    """Of one box."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.home / "searches.db", MIGRATIONS)

    def all(self) -> list[Saved]:
        rows = self.rows("SELECT name, sought, days, who, at_ms FROM saved ORDER BY name")
        return [Saved(name, json.loads(sought), days, who, at_ms) for name, sought, days, who, at_ms in rows]

    def save(self, name: str, sought: Mapping[str, str], days: int, who: str, at_ms: int) -> None:
        """In the place of one of the same name. Raises Error `invalid`, also for what looks like a telephone number: it would stay here."""
        name, kept = name.strip(), {field: sought[field] for field in WORDS if sought.get(field)}
        if not name or len(name) > SEARCH_NAME_CHARACTERS_MAX:
            raise Error("invalid", f"a search has a name of 1 to {SEARCH_NAME_CHARACTERS_MAX} characters")
        if not 0 <= days <= DAYS_MAX:
            raise Error("invalid", f"a search goes back 0 to {DAYS_MAX} days")
        if not kept and not days:
            raise Error("invalid", "a search without a filter is the whole log")
        if any(impersonal(text) != text for text in (name, *kept.values())):
            raise Error("invalid", "that looks like a telephone number, which is not kept")
        with self.writing() as conn:
            names = {row[0] for row in conn.execute("SELECT name FROM saved").fetchall()}
            if len(names | {name}) > SEARCHES_MAX:
                raise Error("invalid", f"there are {SEARCHES_MAX} searches already", "remove one")
            conn.execute(
                "INSERT OR REPLACE INTO saved (name, sought, days, who, at_ms) VALUES (?, ?, ?, ?, ?)",
                (name, json.dumps(kept, sort_keys=True), days, who, at_ms),
            )

    def remove(self, name: str) -> bool:
        with self.writing() as conn:
            return bool(conn.execute("DELETE FROM saved WHERE name = ?", (name,)).rowcount)

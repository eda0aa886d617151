"""Settings that would weaken the audit log take two people: another SIEM or none, a witness gone, entries kept for less long. Pure.

What two people have agreed to is remembered in the log's own store. A weaker settings file is not obeyed at the auditor's start: what
was before goes on until another person has approved the very values that the file holds now.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from appliance.settings import Settings

ACT: Final = "weaken-audit"
REMEMBERED: Final = "agreed"  # names of what the store remembers
TOLD: Final = "weaker"

_Weaker = Callable[[Any, Any], bool]


def _goes(before: list[str], now: list[str]) -> bool:
    return bool(set(before) - set(now))


def _shorter(before: int, now: int) -> bool:
    """0 keeps for ever."""
    return bool(now) and (not before or now < before)


#: Setting -> whether a value is weaker than the one before.
WEAKER: Final[dict[str, _Weaker]] = {
    "siem.target": lambda before, now: bool(before) and now != before,
    "audit.witnesses": _goes,
    "audit.witness_urls": _goes,
    "audit.keep_days": _shorter,
    "audit.export_approval": lambda before, now: bool(before) and not now,
}
#: What the connection to a SIEM that goes on needs beside its name.
SIEM: Final = ("siem.format", "siem.tls_ca", "siem.tls_certificate", "siem.tls_key", "siem.tls_name", "siem.octets_max")


class Change(NamedTuple):
    """One setting that is weaker than what was agreed to."""

    name: str
    before: Any
    now: Any


class Guard:
    """`settings` are those in force, `changes` what waits for two people; `wanted` is what the file says."""

    def __init__(self, settings: Settings) -> None:
        self.wanted = self.settings = settings
        self.changes: list[Change] = []

    def begin(self, remembered: str | None) -> None:
        """With what was agreed to before; None: nothing was, and the file is believed."""
        agreed = json.loads(remembered) if remembered else {}
        self.changes = [
            Change(name, agreed[name], self.wanted[name])
            for name, weaker in WEAKER.items()
            if name in agreed and weaker(agreed[name], self.wanted[name])
        ]
        kept = {change.name: _both(change) for change in self.changes}
        if "siem.target" in kept:
            kept |= {name: agreed[name] for name in SIEM if name in agreed}
        self.settings = self.wanted.having(kept)

    def agreed(self) -> str:
        """What is in force, to be remembered: stronger settings need nobody's approval."""
        return json.dumps({name: self.settings[name] for name in (*WEAKER, *SIEM)}, sort_keys=True)

    def number(self) -> int:
        """Names the change in a request for approval: of other values it is another. 0 when nothing waits."""
        if not self.changes:
            return 0
        digest = hashlib.sha256(json.dumps(self.changes, sort_keys=True).encode()).digest()
        return int.from_bytes(digest[:4]) >> 1 or 1

    def accept(self) -> str:
        """Two people have decided: what the file says is agreed to, from the next start of the auditor on. What to remember."""
        self.changes = []
        return json.dumps({name: self.wanted[name] for name in (*WEAKER, *SIEM)}, sort_keys=True)

    def names(self) -> str:
        """For the record."""
        return " ".join(change.name for change in self.changes)

    def state(self) -> dict[str, Any]:
        return {"weaker": [change._asdict() for change in self.changes], "weaker_number": self.number()}


def _both(change: Change) -> Any:
    """What stays in force: the old value; of a list all that was, and what came."""
    if isinstance(change.before, list):
        return [*change.before, *(each for each in change.now if each not in change.before)]
    return change.before

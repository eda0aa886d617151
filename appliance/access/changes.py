"""Changes that two people make: what was and what shall be, why, until when; approved by another, done at once, seen by all, on the way back.

Decisions are pure and the states are those of every approval (`keys.approvals`), with two more: a change that nobody has given a reason for is only begun,
and one that was done without the second person waits to be looked at by one.

Trust: as all of `access.db`. What a request holds to be applied and not to be compared (a password's hash, a whole document) is shown on no page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from appliance.errors import Error
from appliance.keys import approvals
from appliance.limits import APPROVAL_MS_MAX

from .place import Place

#: What can be marked for two people (setting `console.two_people`) -> what it is.
KINDS: Final[dict[str, str]] = {
    "apikeys": "API keys of the bank's systems are made or revoked",
    "routes": "another version of the routes becomes the active one",
    "senders": "a registration of a sender is confirmed or ended",
    "settings": "another version of the settings: links, routes, retention and all else",
    "templates": "a template is saved or taken out of use",
    "tokens": "tokens of the admin API are made",
    "users": "people of the console are made, given another role or removed, their second factors forgotten",
}

BEGUN: Final = "begun"
ASKED, APPROVED, REFUSED, EXPIRED, USED = (
    approvals.ASKED,
    approvals.APPROVED,
    approvals.REFUSED,
    approvals.EXPIRED,
    approvals.USED,
)
ASK: Final = "ask"
NOW: Final = "now"

TABLE: Final[dict[tuple[str, str], str]] = {
    (BEGUN, ASK): ASKED,
    (BEGUN, NOW): USED,
    (BEGUN, approvals.LATE): EXPIRED,
    (BEGUN, approvals.NO): REFUSED,
    **approvals.TABLE,
}

REASON_CHARACTERS_MAX: Final = 500
_COLUMNS: Final = "id, act, target, old, new, reason, asked_by, asked_ms, decided_by, decided_ms, state, emergency, reviewed_by, reviewed_ms, via"


@dataclass(frozen=True, slots=True)
class Change:
    """One request as stored. `old` and `new` are what people compare; names are those of the console. Times are Unix milliseconds."""

    id: int
    act: str
    target: str
    old: dict[str, Any]
    new: dict[str, Any]
    reason: str
    asked_by: str
    asked_ms: int
    decided_by: str
    decided_ms: int
    state: str
    emergency: bool = False
    reviewed_by: str = ""
    reviewed_ms: int = 0
    via: str = ""  # the admin token that asked for its maker, who is `asked_by`

    @property
    def author(self) -> str:
        """Who asked, as the audit log names it."""
        return f"token:{self.via}" if self.via else self.asked_by

    @property
    def until_ms(self) -> int:
        return self.asked_ms + APPROVAL_MS_MAX

    @property
    def unreviewed(self) -> bool:
        return self.emergency and not self.reviewed_by

    def difference(self) -> list[tuple[str, str, str]]:
        """Name, old and new of everything that is not the same."""
        names = [*self.old, *(n for n in self.new if n not in self.old)]
        rows = [(n, _words(self.old.get(n)), _words(self.new.get(n))) for n in names]
        return [row for row in rows if row[1] != row[2]]


def stands(change: Change, at_ms: int) -> str:
    """Its state at a time: what was not decided and used in time is expired."""
    return TABLE.get((change.state, approvals.LATE), change.state) if at_ms >= change.until_ms else change.state


def heard(change: Change, word: str, who: str, at_ms: int) -> str:
    """The state after a word. Raises Error `forbidden` for who asked and would approve, `key_state` when it is no longer open."""
    state = stands(change, at_ms)
    if word == approvals.YES and who == change.asked_by:
        raise Error("forbidden", "who asked cannot approve", "another person has to")
    if word in (ASK, NOW, approvals.USE) and who != change.asked_by:
        raise Error("forbidden", "this is for who began it")
    if (state, word) not in TABLE:
        raise Error("key_state", f"change {change.id} is {state}")
    return TABLE[state, word]


class Changes(Place):
    """The part of `Access` that keeps them."""

    def begin_change(
        self,
        act: str,
        target: str,
        old: dict[str, Any],
        new: dict[str, Any],
        who: str,
        at_ms: int,
        held: str = "",
        via: str = "",
    ) -> int:
        """A change without a reason yet; its number. `via`: the token that asks for who made it."""
        with self.writing() as conn:
            cursor = conn.execute(
                "INSERT INTO change (act, target, old, new, held, asked_by, asked_ms, state, via) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (act, target, json.dumps(old), json.dumps(new), held, who, at_ms, BEGUN, via),
            )
        return int(cursor.lastrowid)

    def open_change(self, act: str, target: str, new: dict[str, Any], who: str, at_ms: int) -> Change | None:
        """The same, asked for by the same party and not ended yet: asking again is no second request."""
        sql = f"SELECT {_COLUMNS} FROM change WHERE act = ? AND target = ? AND asked_by = ? AND state IN (?, ?) AND asked_ms > ?"  # noqa: S608 # our own column names
        since_ms = at_ms - APPROVAL_MS_MAX
        for row in self.rows(sql + " ORDER BY id DESC", act, target, who, ASKED, APPROVED, since_ms):
            if (found := _change(row)).new == new:
                return found
        return None

    def change(self, number: int) -> Change:
        """Raises Error `not_found`."""
        row = self.row(f"SELECT {_COLUMNS} FROM change WHERE id = ?", number)  # noqa: S608 # our own column names
        if row is None:
            raise Error("not_found", "there is no such change")
        return _change(row)

    def changes(self, limit: int = 200) -> list[Change]:
        """Newest first; those that were only begun are not among them."""
        sql = f"SELECT {_COLUMNS} FROM change WHERE state != ? ORDER BY id DESC LIMIT ?"  # noqa: S608 # our own column names
        return [_change(row) for row in self.rows(sql, BEGUN, limit)]

    def waiting_changes(self, who: str, at_ms: int) -> int:
        """How many wait for a word of somebody other than who asked: to be approved, or to be looked at afterwards."""
        sql = "SELECT count(*) FROM change WHERE asked_by != ? AND ((state = ? AND asked_ms > ?) OR (emergency AND reviewed_by = ''))"
        (found,) = self.row(sql, who, ASKED, at_ms - APPROVAL_MS_MAX) or (0,)
        return int(found)

    def held_by_change(self, number: int) -> str:
        (found,) = self.row("SELECT held FROM change WHERE id = ?", number) or ("",)
        return str(found)

    def ask_for_change(self, number: int, reason: str, who: str, at_ms: int, emergency: bool = False) -> Change:
        """With its reason it is a request; in an emergency it is done and waits to be looked at. Raises Error."""
        reason = reason.strip()
        if not 1 <= len(reason) <= REASON_CHARACTERS_MAX:
            raise Error(
                "invalid", f"say why, in up to {REASON_CHARACTERS_MAX} characters: the other person has to judge it"
            )
        found = self.change(number)
        state = heard(found, NOW if emergency else ASK, who, at_ms)
        with self.writing() as conn:
            sql = "UPDATE change SET reason = ?, asked_ms = ?, state = ?, emergency = ? WHERE id = ? AND state = ?"
            _one(conn.execute(sql, (reason, at_ms, state, int(emergency), number, found.state)), number)
        return self.change(number)

    def decide_change(self, number: int, word: str, who: str, at_ms: int) -> Change:
        """After YES, NO or USE. Two people at once: one of them is told that it is no longer open. Raises Error."""
        found = self.change(number)
        state = heard(found, word, who, at_ms)
        with self.writing() as conn:
            if word == approvals.USE:
                done = conn.execute(
                    "UPDATE change SET state = ?, held = '' WHERE id = ? AND state = ?", (state, number, found.state)
                )
            else:
                sql = "UPDATE change SET state = ?, decided_by = ?, decided_ms = ? WHERE id = ? AND state = ?"
                done = conn.execute(sql, (state, who, at_ms, number, found.state))
            _one(done, number)
        return self.change(number)

    def review_change(self, number: int, who: str, at_ms: int) -> Change:
        """An emergency was looked at by another. Raises Error."""
        found = self.change(number)
        if not found.unreviewed:
            raise Error("key_state", f"change {number} needs no second look")
        if who == found.asked_by:
            raise Error("forbidden", "who did it cannot review it", "another person has to")
        with self.writing() as conn:
            conn.execute(
                "UPDATE change SET reviewed_by = ?, reviewed_ms = ? WHERE id = ? AND reviewed_by = ''",
                (who, at_ms, number),
            )
        return self.change(number)


def _one(cursor: Any, number: int) -> None:
    if cursor.rowcount != 1:
        raise Error("key_state", f"change {number} was decided by somebody else just now")


def _change(row: tuple[Any, ...]) -> Change:
    number, act, target, old, new, *rest = row
    reason, asked_by, asked_ms, decided_by, decided_ms, state, emergency, reviewed_by, reviewed_ms, via = rest
    return Change(
        number, act, target, json.loads(old), json.loads(new), reason, asked_by, asked_ms, decided_by, decided_ms, state,
        bool(emergency), reviewed_by, reviewed_ms, via,
    )  # fmt: skip


def _words(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)

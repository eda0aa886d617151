"""Sessions of the console: one a person, ended idle, absolutely, by signing out, by another's word. The cookie is kept only as SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from appliance.settings import Settings

from .attempts import Attempts
from .person import COLUMNS, OPENED, Person

SEEN_EVERY_MS: Final = 10_000  # how exactly the last request of a session is kept
GLASS_MS_MAX: Final = 3_600_000  # of the one session of the break-glass account
_FROM: Final = (
    f"s.started_ms, s.seen_ms, s.factor, s.proven_ms, s.remote, {COLUMNS} FROM session s JOIN person ON id = s.person"
)


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is valid now: who, since when, when it ends by itself; what the person showed last, when, from where it was begun."""

    person: Person
    started_ms: int
    seen_ms: int
    idle_ends_ms: int
    ends_ms: int
    factor: str = "password"
    proven_ms: int = 0
    remote: str = ""


class Sessions(Attempts):
    """The sessions' part of `Access`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.idle_ms = int(settings["console.idle_minutes"]) * 60_000
        self.absolute_ms = int(settings["console.absolute_hours"]) * 3_600_000

    def start_session(self, person: Person, at_ms: int, factor: str = "password", remote: str = "") -> str:
        """The cookie's value: 43 url-safe characters. Ends the person's other session."""
        token = secrets.token_urlsafe(32)
        with self.writing() as conn:
            conn.execute(
                "INSERT OR REPLACE INTO session (person, hash, started_ms, seen_ms, factor, proven_ms, remote) VALUES (?,?,?,?,?,?,?)",
                (person.id, cookie_hash(token), at_ms, at_ms, factor, at_ms, remote),
            )
        return token

    def session(self, token: str, at_ms: int, touch: bool = True) -> Session | None:
        """The session, or None when it is unknown or over. `touch` False (a page that polls) does not keep it alive."""
        row = self.row(
            f"SELECT {_FROM} WHERE s.hash = ? AND disabled_ms IS NULL", cookie_hash(token)
        )  # our own column names
        if row is None:
            return None
        found = self._session(row)
        if not found.seen_ms - 60_000 <= at_ms < min(found.idle_ends_ms, found.ends_ms):
            self.end_session(token)
            return None
        if touch and at_ms - found.seen_ms >= SEEN_EVERY_MS:
            with self.writing() as conn:
                conn.execute("UPDATE session SET seen_ms = ? WHERE hash = ?", (at_ms, cookie_hash(token)))
        return self._session((row[0], max(found.seen_ms, at_ms), *row[2:])) if touch else found

    def sessions(self, at_ms: int) -> list[Session]:
        """All that are valid now."""
        found = [
            self._session(row) for row in self.rows(f"SELECT {_FROM} WHERE disabled_ms IS NULL ORDER BY name")
        ]  # our own column names
        return [s for s in found if at_ms < min(s.idle_ends_ms, s.ends_ms)]

    def proven(self, token: str, factor: str, at_ms: int) -> None:
        """The person showed again who it is."""
        with self.writing() as conn:
            conn.execute(
                "UPDATE session SET proven_ms = ?, factor = ? WHERE hash = ?", (at_ms, factor, cookie_hash(token))
            )

    def end_session(self, token: str) -> None:
        with self.writing() as conn:
            conn.execute("DELETE FROM session WHERE hash = ?", (cookie_hash(token),))

    def end_sessions_of(self, person: Person) -> bool:
        """Whether there was one."""
        with self.writing() as conn:
            return bool(conn.execute("DELETE FROM session WHERE person = ?", (person.id,)).rowcount)

    def _session(self, row: tuple[object, ...]) -> Session:
        started_ms, seen_ms, factor, proven_ms, remote, *columns = row
        person = Person(*columns)  # type: ignore[arg-type]  # as the columns are typed
        assert isinstance(started_ms, int) and isinstance(seen_ms, int) and isinstance(proven_ms, int)
        longest_ms = min(self.absolute_ms, GLASS_MS_MAX) if person.glass == OPENED else self.absolute_ms
        return Session(
            person,
            started_ms,
            seen_ms,
            seen_ms + self.idle_ms,
            started_ms + longest_ms,
            str(factor),
            proven_ms,
            str(remote),
        )


def cookie_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()

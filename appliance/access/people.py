"""People of the console and their sessions. Passwords are argon2id, a session's cookie is kept only as SHA-256."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

from appliance.clock import now_ms
from appliance.errors import Error
from appliance.settings import Settings

from . import throttle
from .attempts import Attempts
from .passwords import Passwords, check_rules
from .roles import ROLES

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
SEEN_EVERY_MS: Final = 10_000  # how exactly the last request of a session is kept


@dataclass(frozen=True, slots=True)
class Person:
    """One person of the console. Times are Unix milliseconds."""

    id: int
    name: str
    role: str
    created_ms: int
    password_ms: int
    disabled_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is valid now: who, since when, and when it ends by itself."""

    person: Person
    started_ms: int
    seen_ms: int
    idle_ends_ms: int
    ends_ms: int


class People(Attempts):
    """The people's part of `Access`."""

    def __init__(self, settings: Settings, passwords: Passwords | None = None) -> None:
        super().__init__(settings)
        self._passwords = passwords or Passwords()
        self.idle_ms = int(settings["console.idle_minutes"]) * 60_000
        self.absolute_ms = int(settings["console.absolute_hours"]) * 3_600_000

    # --- people -------------------------------------------------------------------------------------------

    def create_user(self, name: str, password: str, role: str = "administrator", at_ms: int | None = None) -> Person:
        """Raises Error `invalid` with the rule that is broken. Slow: hashes a password."""
        self.check_new_user(name, password, role)
        hashed = self._passwords.hashed(password)
        created_ms = now_ms() if at_ms is None else at_ms
        with self.writing() as conn:
            if conn.execute("SELECT 1 FROM person WHERE name = ?", (name,)).fetchone():
                raise Error("invalid", "this user name is taken")
            cursor = conn.execute(
                "INSERT INTO person (name, role, password, created_ms, password_ms) VALUES (?, ?, ?, ?, ?)",
                (name, role, hashed, created_ms, created_ms),
            )
        return Person(int(cursor.lastrowid), name, role, created_ms, created_ms)

    def check_new_user(self, name: str, password: str, role: str = "administrator") -> None:
        """Raises Error `invalid` when this user cannot be made now."""
        if not NAME.fullmatch(name):
            raise Error("invalid", "a user name is 1 to 32 letters, digits, dots, dashes or underscores")
        if role not in ROLES:
            raise Error("invalid", f"there is no role {role!r}", f"roles: {', '.join(ROLES)}")
        if self.user(name) is not None:
            raise Error("invalid", "this user name is taken")
        check_rules(password, name)

    def users(self) -> list[Person]:
        return [
            Person(*row)
            for row in self.rows(
                "SELECT id, name, role, created_ms, password_ms, disabled_ms FROM person ORDER BY name"
            )
        ]

    def user(self, name: str) -> Person | None:
        row = self.row("SELECT id, name, role, created_ms, password_ms, disabled_ms FROM person WHERE name = ?", name)
        return Person(*row) if row else None

    def check_password(self, name: str, password: str) -> Person | None:
        """The person, or None for a wrong name or password, a disabled person included. Not throttled. Slow."""
        row = self.row(
            "SELECT password, id, name, role, created_ms, password_ms FROM person WHERE name = ? AND disabled_ms IS NULL",
            name,
        )
        if not self._passwords.matches(row[0] if row else None, password) or row is None:
            return None
        if self._passwords.outdated(row[0]):
            again = self._passwords.hashed(password)
            with self.writing() as conn:
                conn.execute("UPDATE person SET password = ? WHERE id = ? AND password = ?", (again, row[1], row[0]))
        return Person(*row[1:])

    def check_new_password(self, name: str, password: str) -> None:
        """Raises Error `invalid` with the rule that is broken."""
        check_rules(password, name)

    def set_password(self, name: str, password: str, at_ms: int | None = None) -> Person:
        """Sets a new password and ends the person's session. Raises Error `invalid` or `not_found`. Slow."""
        check_rules(password, name)
        person = self.user(name)
        if person is None:
            raise Error("not_found", "there is no such user")
        hashed = self._passwords.hashed(password)
        changed_ms = now_ms() if at_ms is None else at_ms
        with self.writing() as conn:
            conn.execute(
                "UPDATE person SET password = ?, password_ms = ? WHERE id = ?", (hashed, changed_ms, person.id)
            )
            conn.execute("DELETE FROM session WHERE person = ?", (person.id,))
        return Person(person.id, person.name, person.role, person.created_ms, changed_ms, person.disabled_ms)

    def remove_user(self, name: str) -> Person:
        """The person who was; the session ends with it. Raises Error `not_found`."""
        person = self.user(name)
        if person is None:
            raise Error("not_found", "there is no such user")
        with self.writing() as conn:
            conn.execute("DELETE FROM session WHERE person = ?", (person.id,))
            conn.execute("DELETE FROM person WHERE id = ?", (person.id,))
        return person

    # --- signing in ---------------------------------------------------------------------------------------

    def sign_in(self, name: str, password: str, remote: str, at_ms: int) -> Person | None:
        """The person, or None for a wrong name or password.

        Raises Error `rate_limited` with detail `wait_s` when it is too early to try again; the password is then not
        looked at. The attempt is counted as failed before the slow check, so that many at once gain nothing. Slow.
        """
        keys = throttle.subjects(name, throttle.address_of(remote))
        counts = self.begin_attempt(keys, at_ms)
        person = self.check_password(name, password)
        if person is not None:
            self.end_attempt(keys, counts, at_ms)
        return person

    # --- sessions -----------------------------------------------------------------------------------------

    def start_session(self, person: Person, at_ms: int) -> str:
        """The cookie's value: 43 url-safe characters. Ends the person's other session."""
        token = secrets.token_urlsafe(32)
        with self.writing() as conn:
            conn.execute(
                "INSERT OR REPLACE INTO session (person, hash, started_ms, seen_ms) VALUES (?, ?, ?, ?)",
                (person.id, _hash(token), at_ms, at_ms),
            )
        return token

    def session(self, token: str, at_ms: int, touch: bool = True) -> Session | None:
        """The session, or None when it is unknown or over. `touch` False (a page that polls) does not keep it alive."""
        row = self.row(
            "SELECT s.started_ms, s.seen_ms, id, name, role, created_ms, password_ms FROM session s"
            " JOIN person ON id = s.person WHERE s.hash = ? AND disabled_ms IS NULL",
            _hash(token),
        )
        if row is None:
            return None
        started_ms, seen_ms, *columns = row
        person = Person(*columns)
        if not seen_ms - 60_000 <= at_ms < min(seen_ms + self.idle_ms, started_ms + self.absolute_ms):
            self.end_session(token)
            return None
        if touch and at_ms - seen_ms >= SEEN_EVERY_MS:
            with self.writing() as conn:
                conn.execute("UPDATE session SET seen_ms = ? WHERE hash = ?", (at_ms, _hash(token)))
        if touch:
            seen_ms = max(seen_ms, at_ms)
        return Session(person, started_ms, seen_ms, seen_ms + self.idle_ms, started_ms + self.absolute_ms)

    def end_session(self, token: str) -> None:
        with self.writing() as conn:
            conn.execute("DELETE FROM session WHERE hash = ?", (_hash(token),))

    def end_sessions_of(self, person: Person) -> None:
        with self.writing() as conn:
            conn.execute("DELETE FROM session WHERE person = ?", (person.id,))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()

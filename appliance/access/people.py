"""People of the console: made, changed, removed, and how they sign in. Passwords are argon2id."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import Final

from appliance.clock import now_ms
from appliance.errors import Error
from appliance.settings import Settings

from . import throttle
from .factors import ALPHABET, Factors
from .passwords import Passwords, check_rules
from .person import COLUMNS, DIRECTORY, GLASS, OPENED, SEALED, Person
from .roles import ROLES

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
GLASS_CHARACTERS: Final = 24  # of the password in the envelope: 120 bits


class People(Factors):
    """The people's part of `Access`."""

    def __init__(self, settings: Settings, passwords: Passwords | None = None) -> None:
        super().__init__(settings)
        self._passwords = passwords or Passwords()

    # --- people -------------------------------------------------------------------------------------------

    def create_user(self, name: str, password: str, role: str = "administrator", at_ms: int | None = None) -> Person:
        """Raises Error `invalid` with the rule that is broken. Slow: hashes a password."""
        self.check_new_user(name, password, role)
        return self.add_user(name, role, self.hashed_password(password), now_ms() if at_ms is None else at_ms)

    def hashed_password(self, password: str) -> str:
        """As it is stored. Slow."""
        return self._passwords.hashed(password)

    def add_user(self, name: str, role: str, hashed: str, created_ms: int) -> Person:
        """With a password that was hashed before. Raises Error `invalid`."""
        self.check_new_name(name, role)
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
        self.check_new_name(name, role)
        check_rules(password, name)

    def check_new_name(self, name: str, role: str) -> None:
        """The same without the password."""
        if not NAME.fullmatch(name):
            raise Error("invalid", "a user name is 1 to 32 letters, digits, dots, dashes or underscores")
        check_role(role)
        if name.casefold() == GLASS:
            raise Error("invalid", "this name is the break-glass account's", "`casemate user seal` makes it")
        if self.user(name) is not None:
            raise Error("invalid", "this user name is taken")

    def users(self) -> list[Person]:
        return [Person(*row) for row in self.rows(f"SELECT {COLUMNS} FROM person ORDER BY name")]  # noqa: S608 # our own column names

    def user(self, name: str) -> Person | None:
        row = self.row(f"SELECT {COLUMNS} FROM person WHERE name = ?", name)  # noqa: S608 # our own column names
        return Person(*row) if row else None

    def user_of_id(self, number: int) -> Person | None:
        row = self.row(f"SELECT {COLUMNS} FROM person WHERE id = ?", number)  # noqa: S608 # our own column names
        return Person(*row) if row else None

    def check_password(self, name: str, password: str) -> Person | None:
        """The person, or None for a wrong name or password, a disabled person included. Not throttled. Slow."""
        row = self.row(
            f"SELECT password, {COLUMNS} FROM person WHERE name = ? AND disabled_ms IS NULL AND glass != ?",  # noqa: S608 # our own column names
            name,
            OPENED,
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
        if person.source:
            raise Error("invalid", "the directory keeps this password", "change it there")
        hashed = self._passwords.hashed(password)
        changed_ms = now_ms() if at_ms is None else at_ms
        with self.writing() as conn:
            conn.execute(
                "UPDATE person SET password = ?, password_ms = ? WHERE id = ?", (hashed, changed_ms, person.id)
            )
            conn.execute("DELETE FROM session WHERE person = ?", (person.id,))
        return Person(person.id, person.name, person.role, person.created_ms, changed_ms, person.disabled_ms)

    def set_language(self, person: Person, tag: str) -> None:
        """What the person reads the console in from now on, wherever it signs in."""
        with self.writing() as conn:
            conn.execute("UPDATE person SET language = ? WHERE id = ?", (tag, person.id))

    def set_role(self, name: str, role: str) -> Person:
        """The person as it is now; the session ends, so that nothing goes on with the old role. Raises Error `invalid`, `not_found`."""
        check_role(role)
        person = self.user(name)
        if person is None:
            raise Error("not_found", "there is no such user")
        if person.glass or person.source:
            raise Error("invalid", "the role of this account is not given here", "the directory's groups give it")
        with self.writing() as conn:
            conn.execute("UPDATE person SET role = ? WHERE id = ?", (role, person.id))
            conn.execute("DELETE FROM session WHERE person = ?", (person.id,))
        return replace(person, role=role)

    def from_directory(self, name: str, role: str, at_ms: int, source: str = DIRECTORY) -> Person:
        """Somebody whom the bank's directory or sign-on knows, with the role it gives. Raises Error `invalid` for a name that the console's own account has."""
        check_role(role)
        known = self.user(name)
        if known is None:
            if not NAME.fullmatch(name) or name.casefold() == GLASS:
                raise Error("invalid", "this name cannot be one of the console's")
            with self.writing() as conn:
                conn.execute(
                    "INSERT INTO person (name, role, password, created_ms, password_ms, source) VALUES (?, ?, '', ?, ?, ?)",
                    (name, role, at_ms, at_ms, source),
                )
        elif known.source != source:
            raise Error("invalid", "this name is one of the console's own")
        elif known.role != role:
            with self.writing() as conn:
                conn.execute("UPDATE person SET role = ? WHERE id = ?", (role, known.id))
                conn.execute("DELETE FROM session WHERE person = ?", (known.id,))
        found = self.user(name)
        assert found is not None
        return found

    # --- break-glass --------------------------------------------------------------------------------------

    def seal_glass(self, at_ms: int) -> str:
        """A new password for the envelope, shown once; the account opens once with it. What was opened before is closed. Slow."""
        password = "".join(secrets.choice(ALPHABET) for _ in range(GLASS_CHARACTERS))
        hashed = self._passwords.hashed(password)
        with self.writing() as conn:
            conn.execute("DELETE FROM session WHERE person IN (SELECT id FROM person WHERE name = ?)", (GLASS,))
            conn.execute(
                "INSERT INTO person (name, role, password, created_ms, password_ms, glass, glass_ms)"
                " VALUES (?, 'administrator', ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
                " password = excluded.password, password_ms = excluded.password_ms, glass = excluded.glass, glass_ms = excluded.glass_ms",
                (GLASS, hashed, at_ms, at_ms, SEALED, at_ms),
            )
        return password

    def open_glass(self, person: Person, at_ms: int) -> bool:
        """Whether it was sealed until now: two cannot both open it."""
        with self.writing() as conn:
            sql = "UPDATE person SET glass = ?, glass_ms = ? WHERE id = ? AND glass = ?"
            return bool(conn.execute(sql, (OPENED, at_ms, person.id, SEALED)).rowcount)

    def opened_glass(self) -> Person | None:
        """The break-glass account when it was used and not sealed since: what every officer is shown."""
        row = self.row(f"SELECT {COLUMNS} FROM person WHERE glass = ?", OPENED)  # noqa: S608 # our own column names
        return Person(*row) if row else None

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


def check_role(role: str) -> None:
    """Raises Error `invalid`."""
    if role not in ROLES:
        raise Error("invalid", f"there is no role {role!r}", f"roles: {', '.join(ROLES)}")

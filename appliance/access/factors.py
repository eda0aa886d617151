"""What a person shows besides the password: security keys (WebAuthn), codes of a telephone (TOTP), recovery codes; and the dialogues that ask for them.

What WebAuthn itself checks is the console's part; here is what is kept. Recovery codes are 80 random bits, so a plain SHA-256 is enough.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from appliance.errors import Error

from . import throttle
from .person import Person
from .sessions import Sessions
from .totp import SECRET_OCTETS, totp_step

RECOVERY_CODES: Final = 10
RECOVERY_CHARACTERS: Final = 16
ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: nothing that can be misread
SECURITY_KEYS_MAX: Final = 10  # of one person
DIALOGUE_MS: Final = 300_000
DIALOGUES_MAX: Final = 2_000  # the oldest go first

SECURITY_KEY: Final = "security key"
TOTP: Final = "code"
RECOVERY: Final = "recovery code"


@dataclass(frozen=True, slots=True)
class SecurityKey:
    """One authenticator of a person."""

    id: bytes
    person: int
    public: bytes
    signed: int
    name: str
    made_ms: int
    used_ms: int | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What a person has enrolled."""

    keys: tuple[SecurityKey, ...]
    totp: bool
    recovery: int  # codes that are left

    @property
    def any(self) -> bool:
        """Recovery codes alone are not a second factor: they replace one."""
        return bool(self.keys) or self.totp


class Factors(Sessions):
    """The second factors' part of `Access`."""

    def factors(self, person: Person) -> Kept:
        found = self.row("SELECT confirmed_ms FROM totp WHERE person = ?", person.id)
        (left,) = self.row("SELECT count(*) FROM recovery_code WHERE person = ?", person.id) or (0,)
        rows = self.rows(
            "SELECT id, person, public, signed, name, made_ms, used_ms FROM security_key WHERE person = ? ORDER BY made_ms",
            person.id,
        )
        keys = tuple(SecurityKey(bytes(r[0]), r[1], bytes(r[2]), *r[3:]) for r in rows)
        return Kept(keys, found is not None and found[0] is not None, left)

    def check_code(self, person: Person, code: str, remote: str, at_ms: int) -> str:
        """TOTP or RECOVERY as the code was, "" for a wrong one; each is taken once. Raises Error `rate_limited`."""
        keys = throttle.subjects(person.name, throttle.address_of(remote), "code ")
        counts = self.begin_attempt(keys, at_ms)
        was = TOTP if self._use_totp(person, code, at_ms) else RECOVERY if self._use_recovery(person, code) else ""
        if was:
            self.end_attempt(keys, counts, at_ms)
        return was

    # --- codes of a telephone -----------------------------------------------------------------------------

    def offer_totp(self, person: Person) -> bytes:
        """A secret to be shown; the same one until a right code was typed. Raises Error `invalid` when there is one in use."""
        with self.writing() as conn:
            row = conn.execute("SELECT secret, confirmed_ms FROM totp WHERE person = ?", (person.id,)).fetchone()
            if row is not None and row[1] is not None:
                raise Error("invalid", "a telephone is enrolled already", "remove it first")
            if row is not None:
                return bytes(row[0])
            secret = secrets.token_bytes(SECRET_OCTETS)
            conn.execute("INSERT INTO totp (person, secret) VALUES (?, ?)", (person.id, secret))
        return secret

    def confirm_totp(self, person: Person, code: str, at_ms: int) -> bool:
        """Whether the code is of the secret that was shown; from then on it is in use."""
        row = self.row("SELECT secret FROM totp WHERE person = ? AND confirmed_ms IS NULL", person.id)
        step = totp_step(bytes(row[0]), code, at_ms // 1000, 0) if row else 0
        if step:
            with self.writing() as conn:
                conn.execute(
                    "UPDATE totp SET confirmed_ms = ?, used_step = ? WHERE person = ?", (at_ms, step, person.id)
                )
        return bool(step)

    def remove_totp(self, person: Person) -> None:
        with self.writing() as conn:
            conn.execute("DELETE FROM totp WHERE person = ?", (person.id,))

    def _use_totp(self, person: Person, code: str, at_ms: int) -> bool:
        row = self.row("SELECT secret, used_step FROM totp WHERE person = ? AND confirmed_ms IS NOT NULL", person.id)
        step = totp_step(bytes(row[0]), code, at_ms // 1000, row[1]) if row else 0
        if not step:
            return False
        with self.writing() as conn:  # two sign-ins cannot both have it
            sql = "UPDATE totp SET used_step = ? WHERE person = ? AND used_step < ?"
            return bool(conn.execute(sql, (step, person.id, step)).rowcount)

    # --- recovery codes -----------------------------------------------------------------------------------

    def new_recovery_codes(self, person: Person) -> list[str]:
        """Shown once; those before open nothing any more."""
        codes = ["".join(secrets.choice(ALPHABET) for _ in range(RECOVERY_CHARACTERS)) for _ in range(RECOVERY_CODES)]
        with self.writing() as conn:
            conn.execute("DELETE FROM recovery_code WHERE person = ?", (person.id,))
            conn.executemany(
                "INSERT INTO recovery_code (hash, person) VALUES (?, ?)", [(_hash(c, person), person.id) for c in codes]
            )
        return ["-".join(c[n : n + 4] for n in range(0, RECOVERY_CHARACTERS, 4)) for c in codes]

    def _use_recovery(self, person: Person, code: str) -> bool:
        typed = "".join(code.upper().split()).replace("-", "").translate(str.maketrans("OIL", "011"))
        with self.writing() as conn:
            sql = "DELETE FROM recovery_code WHERE hash = ? AND person = ?"
            return bool(conn.execute(sql, (_hash(typed, person), person.id)).rowcount)

    # --- security keys ------------------------------------------------------------------------------------

    def add_security_key(
        self, person: Person, key_id: bytes, public: bytes, signed: int, name: str, at_ms: int
    ) -> None:
        """Raises Error `invalid`."""
        if not 1 <= len(name) <= 40 or not name.isprintable():
            raise Error("invalid", "a security key's name has 1 to 40 characters")
        with self.writing() as conn:
            (has,) = conn.execute("SELECT count(*) FROM security_key WHERE person = ?", (person.id,)).fetchone()
            if has >= SECURITY_KEYS_MAX:
                raise Error("invalid", f"a person has at most {SECURITY_KEYS_MAX} security keys", "remove one first")
            if conn.execute("SELECT 1 FROM security_key WHERE id = ?", (key_id,)).fetchone():
                raise Error("invalid", "this security key is enrolled already")
            conn.execute(
                "INSERT INTO security_key (id, person, public, signed, name, made_ms) VALUES (?, ?, ?, ?, ?, ?)",
                (key_id, person.id, public, signed, name, at_ms),
            )

    def security_key(self, key_id: bytes) -> SecurityKey | None:
        sql = "SELECT id, person, public, signed, name, made_ms, used_ms FROM security_key WHERE id = ?"
        r = self.row(sql, key_id)
        return SecurityKey(bytes(r[0]), r[1], bytes(r[2]), *r[3:]) if r else None

    def used_security_key(self, key_id: bytes, signed: int, at_ms: int) -> None:
        with self.writing() as conn:
            conn.execute("UPDATE security_key SET signed = ?, used_ms = ? WHERE id = ?", (signed, at_ms, key_id))

    def remove_security_key(self, person: Person, key_id: bytes) -> bool:
        with self.writing() as conn:
            sql = "DELETE FROM security_key WHERE id = ? AND person = ?"
            return bool(conn.execute(sql, (key_id, person.id)).rowcount)

    def forget_factors(self, person: Person) -> None:
        """For somebody who lost all of them; the session ends with it."""
        with self.writing() as conn:
            for table in ("totp", "security_key", "recovery_code", "session"):
                conn.execute(f"DELETE FROM {table} WHERE person = ?", (person.id,))  # noqa: S608 # our own column names

    # --- dialogues ----------------------------------------------------------------------------------------

    def begin_dialogue(
        self, bound: str, purpose: str, person: Person | None, at_ms: int, challenge: bytes = b""
    ) -> None:
        """Remembers for some minutes what was asked of the browser that has the cookie `bound`; one for each purpose."""
        with self.writing() as conn:
            conn.execute(
                "INSERT OR REPLACE INTO dialogue (hash, person, challenge, begun_ms) VALUES (?, ?, ?, ?)",
                (_dialogue(bound, purpose), person.id if person else None, challenge, at_ms),
            )
            conn.execute("DELETE FROM dialogue WHERE begun_ms < ?", (at_ms - DIALOGUE_MS,))
            sql = "DELETE FROM dialogue WHERE hash IN (SELECT hash FROM dialogue ORDER BY begun_ms DESC LIMIT -1 OFFSET ?)"
            conn.execute(sql, (DIALOGUES_MAX,))

    def dialogue(self, bound: str, purpose: str, at_ms: int, take: bool = False) -> tuple[int | None, bytes] | None:
        """Number of the person and the challenge, None when there is none or it is over. `take`: it is over then."""
        with self.writing() as conn:
            sql = "SELECT person, challenge FROM dialogue WHERE hash = ? AND begun_ms > ?"
            row = conn.execute(sql, (_dialogue(bound, purpose), at_ms - DIALOGUE_MS)).fetchone()
            if take:
                conn.execute("DELETE FROM dialogue WHERE hash = ?", (_dialogue(bound, purpose),))
        return (row[0], bytes(row[1])) if row else None


def _hash(code: str, person: Person) -> bytes:
    return hashlib.sha256(f"casemate recovery code|{person.id}|{code}".encode()).digest()


def _dialogue(bound: str, purpose: str) -> bytes:
    return hashlib.sha256(f"casemate dialogue|{purpose}|{bound}".encode()).digest()

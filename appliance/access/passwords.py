"""Passwords: the rules for a new one, and argon2id. Slow on purpose: never to be called on an event loop."""

from __future__ import annotations

import threading
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import Type

from appliance.errors import Error

CHARACTERS_MIN: Final = 14
CHARACTERS_MAX: Final = 128
DISTINCT_MIN: Final = 5  # `aaaaaaaaaaaaaa` is fourteen characters too
_ADVICE: Final = "four or five unrelated words are a good one"
_AT_ONCE: Final = 2  # hashes under way in one process: each takes 64 MiB


def check_rules(password: str, name: str) -> None:
    """Raises Error `invalid` with the rule that `password` breaks as the password of `name`."""
    if not CHARACTERS_MIN <= len(password) <= CHARACTERS_MAX:
        raise Error(
            "invalid",
            f"a password has {CHARACTERS_MIN} to {CHARACTERS_MAX} characters",
            _ADVICE,
        )
    if password.strip().casefold() == name.strip().casefold():
        raise Error("invalid", "a password is not the user name")
    if len(set(password)) < DISTINCT_MIN:
        raise Error("invalid", "the password repeats a few characters", _ADVICE)


class Passwords:
    """argon2id with 64 MiB, 3 passes, 1 lane (stronger than RFC 9106's second choice on one core)."""

    def __init__(self, memory_kib: int = 65_536, passes: int = 3) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1, type=Type.ID)
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        self._nobody = ""

    def hashed(self, password: str) -> str:
        """PHC form, with its own salt."""
        with self._room:
            return self._hasher.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the stored one. `stored` None (no such person) takes as long and is False."""
        if len(password) > CHARACTERS_MAX:
            return False
        if stored is None and not self._nobody:
            self._nobody = self.hashed("nobody has this password")
        with self._room:
            try:
                return self._hasher.verify(self._nobody if stored is None else stored, password) and stored is not None
            except (Argon2Error, InvalidHashError):
                return False

    def outdated(self, stored: str) -> bool:
        """Whether `stored` was made with other costs than today's."""
        return self._hasher.check_needs_rehash(stored)

"""API keys: made once, shown once, kept only as SHA-256; checked against a snapshot that never touches the disk."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from appliance.clock import now_ms
from appliance.errors import Error

from .place import Place

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")
_TOKEN: Final = re.compile(r"cm_([1-9][0-9]{0,17})_[A-Za-z0-9_-]{43}")
_NOBODY: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One API key without its token. `rate_per_s` None means the setting `limits.requests_per_s`, 0 means no limit."""

    id: int
    name: str
    rate_per_s: int | None
    created_ms: int
    revoked_ms: int | None = None


def well_formed(token: str) -> bool:
    """Whether this could be an API key's token at all."""
    return _TOKEN.fullmatch(token) is not None


class Verifier:
    """The valid keys at one moment. Immutable; take a new one when `fresh` says no."""

    __slots__ = ("_keys", "_place", "_stamp")

    def __init__(self, keys: Mapping[int, tuple[bytes, ApiKey]], place: Place, stamp: tuple[int, ...]) -> None:
        self._keys = MappingProxyType(dict(keys))
        self._place = place
        self._stamp = stamp

    def check(self, token: str) -> ApiKey | None:
        """The key that `token` opens, or None. Takes as long for a wrong token as for a right one."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        expected, key = self._keys.get(int(found[1]), (_NOBODY, None))
        return key if hmac.compare_digest(hash_of(token), expected) else None

    def fresh(self) -> bool:
        """Whether no key was made or revoked since; microseconds. To be asked on the thread that took this snapshot."""
        return self._stamp == self._place.stamp()

    def __len__(self) -> int:
        return len(self._keys)


def hash_of(token: str) -> bytes:
    """32 octets. A plain SHA-256 is enough: a token is 256 random bits, there is nothing to guess."""
    return hashlib.sha256(token.encode()).digest()


class ApiKeys(Place):
    """The API keys' part of `Access`."""

    def create_api_key(self, name: str, rate_per_s: int | None = None, at_ms: int | None = None) -> tuple[ApiKey, str]:
        """The new key and its token `cm_ID_SECRET`, which is never to be had again. Raises Error `invalid`."""
        created_ms = now_ms() if at_ms is None else at_ms
        with self.writing() as conn:
            self.check_new_api_key(name, rate_per_s)
            cursor = conn.execute(
                "INSERT INTO api_key (name, hash, rate_per_s, created_ms) VALUES (?, ?, ?, ?)",
                (name, _NOBODY, rate_per_s, created_ms),
            )
            number = int(cursor.lastrowid)
            token = f"cm_{number}_{secrets.token_urlsafe(32)}"
            conn.execute("UPDATE api_key SET hash = ? WHERE id = ?", (hash_of(token), number))
        return ApiKey(number, name, rate_per_s, created_ms), token

    def check_new_api_key(self, name: str, rate_per_s: int | None = None) -> None:
        """Raises Error `invalid` when a key of this name and rate cannot be made now."""
        if not NAME.fullmatch(name):
            raise Error("invalid", "an API key's name is 1 to 64 letters, digits, spaces, dots, dashes or underscores")
        if rate_per_s is not None and not 0 <= rate_per_s <= 1_000_000:
            raise Error("invalid", "the rate of an API key is 0 (no limit) to 1,000,000 messages a second")
        if self.row("SELECT 1 FROM api_key WHERE name = ? COLLATE NOCASE AND revoked_ms IS NULL", name):
            raise Error("invalid", "an API key of this name exists already", "choose another or revoke that one first")

    def api_keys(self) -> list[ApiKey]:
        """All of them, also the revoked, newest first."""
        return [
            ApiKey(*row)
            for row in self.rows("SELECT id, name, rate_per_s, created_ms, revoked_ms FROM api_key ORDER BY id DESC")
        ]

    def api_key(self, number: int) -> ApiKey | None:
        row = self.row("SELECT id, name, rate_per_s, created_ms, revoked_ms FROM api_key WHERE id = ?", number)
        return ApiKey(*row) if row else None

    def revoke_api_key(self, number: int, at_ms: int | None = None) -> ApiKey:
        """The key as it is now; again revoking changes nothing. Raises Error `not_found`."""
        with self.writing() as conn:
            conn.execute(
                "UPDATE api_key SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL",
                (now_ms() if at_ms is None else at_ms, number),
            )
        key = self.api_key(number)
        if key is None:
            raise Error("not_found", "there is no such API key")
        return key

    def verifier(self) -> Verifier:
        """A snapshot of the valid keys, to be replaced when its `fresh()` is false."""
        stamp = self.stamp()  # before reading: a change in between makes the snapshot stale, never wrongly fresh
        keys = {}
        for number, digest, *rest in self.rows(
            "SELECT id, hash, name, rate_per_s, created_ms FROM api_key WHERE revoked_ms IS NULL"
        ):
            keys[number] = (bytes(digest), ApiKey(number, *rest))
        return Verifier(keys, self, stamp)

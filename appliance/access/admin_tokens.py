"""Tokens of the admin API: made by a person for a program, shown once, kept only as SHA-256. A token never may more than its role, nor than its maker may now.

A token is its maker's hand: where two people decide, both are one party. It does nothing in which a person shows again who it is, unless that permission was
named when it was made; some acts it never does.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
import secrets
from dataclasses import dataclass
from typing import Any, Final

from appliance.clock import DAY_MS
from appliance.errors import Error
from appliance.limits import ADMIN_TOKEN_DAYS_MAX, ADMIN_TOKEN_NETWORKS_MAX, ADMIN_TOKENS_MAX

from .api_keys import hash_of
from .networks import admitted
from .people import check_role
from .person import Person
from .place import Place
from .roles import NEVER_BY_TOKEN, PERMISSIONS, PROVEN, may

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
SEEN_EVERY_MS: Final = 60_000  # how exactly the last use is kept
_TOKEN: Final = re.compile(r"cma_([1-9][0-9]{0,17})_[A-Za-z0-9_-]{43}")
_COLUMNS: Final = (
    "id, name, maker, maker_name, role, permissions, networks, created_ms, expires_ms, revoked_ms, used_ms, used_from"
)


@dataclass(frozen=True, slots=True)
class AdminToken:
    """One token without its secret. `permissions` empty: all of its role that ask nobody again who it is. Times are Unix milliseconds."""

    id: int
    name: str
    maker: int
    maker_name: str
    role: str
    permissions: tuple[str, ...]
    networks: tuple[str, ...]
    created_ms: int
    expires_ms: int
    revoked_ms: int | None = None
    used_ms: int | None = None
    used_from: str = ""

    def allows(self, permission: str) -> bool:
        """Whether the token's own scope has a permission; its maker's role is asked besides."""
        if permission in NEVER_BY_TOKEN or not may(self.role, permission):
            return False
        return permission in self.permissions if self.permissions else permission not in PROVEN

    def admits(self, address: str) -> bool:
        """Whether a program at this IP address may use it."""
        return admitted(address, self.networks)

    def ended(self, maker: Person | None, address: str, at_ms: int) -> str:
        """Why it opens nothing now, as the audit log says it; empty: it does."""
        if self.revoked_ms is not None:
            return "revoked"
        if at_ms >= self.expires_ms:
            return "expired"
        if maker is None or maker.disabled_ms is not None:
            return "its maker is gone"
        return "" if self.admits(address) else "from another network"


class AdminTokens(Place):
    """The part of `Access` that keeps them."""

    def check_new_admin_token(
        self, maker: Person, name: str, role: str, permissions: tuple[str, ...], networks: tuple[str, ...], days: int
    ) -> None:
        """Raises Error `invalid`, `forbidden` when this token cannot be made now by `maker`."""
        if not NAME.fullmatch(name):
            raise Error("invalid", "a token's name is 1 to 32 letters, digits, dots, dashes or underscores")
        check_role(role)
        if not 1 <= days <= ADMIN_TOKEN_DAYS_MAX:
            raise Error("invalid", f"a token is good for 1 to {ADMIN_TOKEN_DAYS_MAX} days")
        if maker.glass:
            raise Error("forbidden", "the break-glass account makes no tokens")
        beyond = [p for p, roles in PERMISSIONS.items() if role in roles and maker.role not in roles]
        if beyond:
            raise Error("forbidden", "a token may not do more than who makes it", f"your role has no {beyond[0]}")
        for permission in permissions:
            if permission not in PERMISSIONS or not may(role, permission):
                raise Error("invalid", f"the role {role} has no permission {permission!r}")
            if permission in NEVER_BY_TOKEN:
                raise Error("invalid", f"{permission} is never a token's", "a person does it at the console")
        _networks(networks)
        if self.admin_token(name) is not None:
            raise Error("invalid", "a token of this name exists already", "choose another or revoke that one first")
        (valid,) = self.row("SELECT count(*) FROM admin_token WHERE revoked_ms IS NULL") or (0,)
        if valid >= ADMIN_TOKENS_MAX:
            raise Error("invalid", f"there are {ADMIN_TOKENS_MAX} tokens already", "revoke those that nobody uses")

    def create_admin_token(
        self,
        maker: Person,
        name: str,
        role: str,
        permissions: tuple[str, ...],
        networks: tuple[str, ...],
        days: int,
        at_ms: int,
    ) -> tuple[AdminToken, str]:
        """The new token and its secret `cma_ID_SECRET`, which is never to be had again. Raises as `check_new_admin_token`."""
        with self.writing() as conn:
            self.check_new_admin_token(maker, name, role, permissions, networks, days)
            kept = (json.dumps(sorted(set(permissions))), json.dumps(_networks(networks)))
            fixed = (name, bytes(32), maker.id, maker.name, role, *kept, at_ms, at_ms + days * DAY_MS)
            cursor = conn.execute(
                "INSERT INTO admin_token (name, hash, maker, maker_name, role, permissions, networks, created_ms, expires_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                fixed,
            )
            number = int(cursor.lastrowid)
            secret = f"cma_{number}_{secrets.token_urlsafe(32)}"
            conn.execute("UPDATE admin_token SET hash = ? WHERE id = ?", (hash_of(secret), number))
        made = self.admin_token(name)
        assert made is not None
        return made, secret

    def admin_tokens(self) -> list[AdminToken]:
        """All of them, also those that are over, newest first."""
        sql = f"SELECT {_COLUMNS} FROM admin_token ORDER BY id DESC"  # noqa: S608 # our own column names
        return [_token(row) for row in self.rows(sql)]

    def admin_token(self, name: str) -> AdminToken | None:
        """The one of this name that is not revoked."""
        sql = f"SELECT {_COLUMNS} FROM admin_token WHERE name = ? AND revoked_ms IS NULL"  # noqa: S608 # our own column names
        row = self.row(sql, name)
        return _token(row) if row else None

    def admin_token_of(self, secret: str) -> AdminToken | None:
        """Whose secret this is, also of one that is over; None for nobody's."""
        found = _TOKEN.fullmatch(secret)
        if found is None:
            return None
        row = self.row(f"SELECT hash, {_COLUMNS} FROM admin_token WHERE id = ?", int(found[1]))  # noqa: S608 # our own column names
        right = hmac.compare_digest(hash_of(secret), bytes(row[0]) if row else bytes(32))
        return _token(row[1:]) if row and right else None

    def used_admin_token(self, token: AdminToken, address: str, at_ms: int) -> None:
        """When and from where it was used last, to the minute."""
        if token.used_from != address or at_ms - (token.used_ms or 0) >= SEEN_EVERY_MS:
            with self.writing() as conn:
                conn.execute(
                    "UPDATE admin_token SET used_ms = ?, used_from = ? WHERE id = ?", (at_ms, address, token.id)
                )

    def revoke_admin_token(self, name: str, at_ms: int) -> bool:
        """Whether there was one; what it asked for and was not approved yet, no longer stands."""
        with self.writing() as conn:
            sql = "UPDATE admin_token SET revoked_ms = ? WHERE name = ? AND revoked_ms IS NULL"
            return bool(conn.execute(sql, (at_ms, name)).rowcount)


def _networks(given: tuple[str, ...]) -> list[str]:
    """As they are kept. Raises Error `invalid`."""
    if len(given) > ADMIN_TOKEN_NETWORKS_MAX:
        raise Error("invalid", f"a token has at most {ADMIN_TOKEN_NETWORKS_MAX} networks")
    try:
        return [str(ipaddress.ip_network(text, strict=False)) for text in given]
    except ValueError:
        raise Error("invalid", "a network is written like 10.20.0.0/16 or 10.20.1.5") from None


def _token(row: tuple[Any, ...]) -> AdminToken:
    number, name, maker, maker_name, role, permissions, networks, *rest = row
    return AdminToken(
        number, name, maker, maker_name, role, tuple(json.loads(permissions)), tuple(json.loads(networks)), *rest
    )

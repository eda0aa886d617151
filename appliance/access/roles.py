"""Who may do what in the console: one table of permissions and the roles that have them."""

from __future__ import annotations

from typing import Final

ROLES: Final[dict[str, str]] = {
    "administrator": "runs the appliance: API keys, people, links, messages in doubt, and all that can be seen",
    "compliance": "reviews and exports: messages, search by number, the audit log",
    "viewer": "sees traffic, links and single messages",
}

PERMISSIONS: Final[dict[str, frozenset[str]]] = {
    "overview.read": frozenset({"administrator", "compliance", "viewer"}),
    "messages.read": frozenset({"administrator", "compliance", "viewer"}),
    "messages.search_by_number": frozenset({"administrator", "compliance"}),
    "links.read": frozenset({"administrator", "compliance", "viewer"}),
    "door.read": frozenset({"administrator"}),
    "door.write": frozenset({"administrator"}),
    "consent.read": frozenset({"administrator", "compliance"}),
    "consent.look_up": frozenset({"administrator", "compliance"}),
    "consent.decide": frozenset({"administrator", "compliance"}),
    "verifications.read": frozenset({"administrator", "compliance", "viewer"}),
    "verifications.block": frozenset({"administrator"}),
    "evidence.export": frozenset({"administrator", "compliance"}),
    "senders.read": frozenset({"administrator", "compliance"}),
    "senders.write": frozenset({"administrator"}),
    "links.write": frozenset({"administrator"}),
    "messages.decide": frozenset({"administrator"}),
    "templates.read": frozenset({"administrator", "compliance", "viewer"}),
    "routes.explain": frozenset({"administrator", "compliance"}),
    "register.read": frozenset({"administrator", "compliance"}),
    "register.ask": frozenset({"administrator"}),
    "audit.read": frozenset({"administrator", "compliance"}),
    "audit.verify": frozenset({"administrator", "compliance"}),
    "audit.export": frozenset({"administrator", "compliance"}),
    "box.look": frozenset({"administrator", "compliance"}),
    "box.network": frozenset({"administrator"}),
    "box.release": frozenset({"administrator"}),
    "box.reset": frozenset({"administrator"}),
    "box.restart": frozenset({"administrator"}),
    "firmware.ask": frozenset({"administrator"}),
    "firmware.approve": frozenset({"administrator", "compliance"}),
    "keys.ask": frozenset({"administrator", "compliance"}),
    "keys.decide": frozenset({"administrator", "compliance"}),
    "apikeys.read": frozenset({"administrator"}),
    "apikeys.write": frozenset({"administrator"}),
    "users.read": frozenset({"administrator"}),
    "users.write": frozenset({"administrator"}),
    "account.write": frozenset({"administrator", "compliance", "viewer"}),
}

assert all(roles <= ROLES.keys() for roles in PERMISSIONS.values())


def may(role: str, permission: str) -> bool:
    """Whether a role has a permission. An unknown role has none; an unknown permission is our own mistake."""
    assert permission in PERMISSIONS, permission
    return role in PERMISSIONS[permission]

"""Who may do what in the console: one table of permissions, the roles that have them, and which acts ask again who it is."""

from __future__ import annotations

from typing import Final

ROLES: Final[dict[str, str]] = {
    "administrator": "runs the appliance: API keys, people, links, messages in doubt, and all that can be seen",
    "operator": "on shift: traffic, links, messages by number, messages in doubt; drains and tests links",
    "security": "security officer: people, API keys, certificates, keys; approves what another asked for",
    "compliance": "compliance officer: reviews, reveals and exports: messages, search by number, the audit log",
    "field": "field engineer: health, links and their tests, network, releases; no message",
    "viewer": "sees traffic, links and single messages",
}

EVERYBODY: Final = frozenset(ROLES)

PERMISSIONS: Final[dict[str, frozenset[str]]] = {
    "overview.read": EVERYBODY,
    "messages.read": frozenset({"administrator", "operator", "compliance", "viewer"}),
    "messages.search_by_number": frozenset({"administrator", "operator", "compliance"}),
    "messages.reveal": frozenset({"compliance"}),
    "links.read": EVERYBODY,
    "door.read": frozenset({"administrator", "operator", "security"}),
    "door.write": frozenset({"administrator"}),
    "consent.read": frozenset({"administrator", "operator", "compliance"}),
    "consent.look_up": frozenset({"administrator", "operator", "compliance"}),
    "consent.decide": frozenset({"administrator", "compliance"}),
    "verifications.read": frozenset({"administrator", "operator", "compliance", "viewer"}),
    "verifications.block": frozenset({"administrator", "operator"}),
    "evidence.export": frozenset({"administrator", "compliance"}),
    "reports.make": frozenset({"administrator", "operator", "compliance"}),
    "usage.read": frozenset({"administrator", "operator", "compliance", "viewer"}),
    "inbound.read": frozenset({"administrator", "operator", "compliance"}),
    "webhooks.read": frozenset({"administrator", "operator"}),
    "webhooks.retry": frozenset({"administrator", "operator"}),
    "senders.read": frozenset({"administrator", "operator", "compliance"}),
    "senders.write": frozenset({"administrator"}),
    "links.write": frozenset({"administrator", "operator"}),
    "links.test": frozenset({"administrator", "operator", "field"}),
    "messages.decide": frozenset({"administrator", "operator"}),
    "templates.read": frozenset({"administrator", "operator", "compliance", "viewer"}),
    "workflows.read": frozenset({"administrator", "operator", "compliance", "viewer"}),
    "workflows.write": frozenset({"administrator", "operator"}),
    "workflows.decide": frozenset({"administrator", "compliance"}),
    "workflows.answer": frozenset({"administrator", "operator", "compliance"}),
    "templates.write": frozenset({"administrator"}),
    "routes.write": frozenset({"administrator"}),
    "routes.explain": frozenset({"administrator", "operator", "compliance"}),
    "register.read": frozenset({"administrator", "security", "compliance", "field"}),
    "register.ask": frozenset({"administrator", "security"}),
    "audit.read": frozenset({"administrator", "security", "compliance"}),
    "audit.verify": frozenset({"administrator", "security", "compliance"}),
    "audit.export": frozenset({"administrator", "security", "compliance"}),
    "box.look": frozenset({"administrator", "operator", "compliance", "field"}),
    "box.network": frozenset({"administrator", "field"}),
    "box.release": frozenset({"administrator", "field"}),
    "box.reset": frozenset({"administrator"}),
    "box.restart": frozenset({"administrator", "field"}),
    "firmware.read": frozenset({"administrator", "security", "compliance", "field"}),
    "box.ssh": frozenset({"administrator"}),
    "firmware.ask": frozenset({"administrator"}),
    "firmware.approve": frozenset({"administrator", "security", "compliance"}),
    "keys.ask": frozenset({"administrator", "security", "compliance"}),
    "keys.decide": frozenset({"administrator", "security", "compliance"}),
    "apikeys.read": frozenset({"administrator", "security"}),
    "apikeys.write": frozenset({"administrator", "security"}),
    "tokens.read": frozenset({"administrator", "security"}),
    "tokens.write": frozenset({"administrator", "security"}),
    "users.read": frozenset({"administrator", "security"}),
    "users.write": frozenset({"administrator", "security"}),
    "changes.read": frozenset({"administrator", "operator", "security", "compliance"}),
    "changes.ask": frozenset({"administrator", "operator", "security", "compliance"}),
    "changes.decide": frozenset({"administrator", "security", "compliance"}),
    "changes.emergency": frozenset({"administrator", "security"}),
    "settings.read": frozenset({"administrator", "operator", "security", "compliance", "field"}),
    "settings.write": frozenset({"administrator"}),
    "account.write": EVERYBODY,
}

#: Permissions of acts that ask again who it is, when that was shown some time ago (`console.prove_minutes`): keys, people, exports, secrets.
PROVEN: Final = frozenset(
    {
        "apikeys.write",
        "audit.export",
        "changes.decide",
        "changes.emergency",
        "door.write",
        "evidence.export",
        "firmware.approve",
        "keys.ask",
        "keys.decide",
        "messages.reveal",
        "register.ask",
        "settings.write",
        "tokens.write",
        "users.write",
        "workflows.decide",
    }
)

#: Permissions of acts that a program never does with an admin token: a person's eyes on clear text, a person's word for keys, releases and emergencies, a
#: person's own account, and making more tokens.
NEVER_BY_TOKEN: Final = frozenset(
    {
        "account.write",
        "changes.emergency",
        "firmware.approve",
        "keys.ask",
        "keys.decide",
        "messages.reveal",
        "tokens.write",
        "workflows.decide",
    }
)

assert all(roles <= ROLES.keys() for roles in PERMISSIONS.values())
assert PERMISSIONS.keys() >= PROVEN | NEVER_BY_TOKEN


def may(role: str, permission: str) -> bool:
    """Whether a role has a permission. An unknown role has none; an unknown permission is our own mistake."""
    assert permission in PERMISSIONS, permission
    return role in PERMISSIONS[permission]

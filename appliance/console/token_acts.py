"""Admin tokens made and revoked: what the table of acts does with them. Recorded before it counts."""

from __future__ import annotations

from appliance.access import AdminToken
from appliance.clock import rfc3339
from appliance.errors import Error

from .asked import Asked, Done
from .desk import desk, who


def create(a: Asked) -> Done:
    """For the person who asked. What cannot be recorded is undone before its secret was seen by anybody."""
    access, at_ms, new = desk().access, desk().clock(), a.new
    maker = access.user(a.by.partition(":")[2])
    if maker is None:
        raise Error("forbidden", "who asked may no longer do this")
    given = (tuple(new["permissions"]), tuple(new["networks"]), int(new["days"]))
    made, secret = access.create_admin_token(maker, a.target, str(new["role"]), *given, at_ms)
    try:
        networks = " ".join(made.networks) or "loopback"
        ends = rfc3339(made.expires_ms)[:10]
        desk().peers.record(a.by, "token.created", f"token:{made.name}", role=made.role, networks=networks, ends=ends)
    except BaseException:
        access.revoke_admin_token(made.name, at_ms)
        raise
    return Done("tokens.page", "", made, secret)


def revoke(token: AdminToken) -> None:
    """At once and by one person: a door may always be shut."""
    desk().peers.record(who(), "token.revoked", f"token:{token.name}")
    desk().access.revoke_admin_token(token.name, desk().clock())

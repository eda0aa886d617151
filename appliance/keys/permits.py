"""Who may ask the `keys` process for what, and for which purposes: three closed tables and the question they answer."""

from __future__ import annotations

import os
from typing import Final

from appliance.errors import Error

#: Purpose of a derived key -> what it is for. The key is HMAC-SHA256 under the HSM's MAC key over "casemate PURPOSE\\0SUBJECT".
PURPOSES: Final[dict[str, str]] = {
    "webhook secret": "signs the callbacks of one API key, subject: its id",
    "idempotency": "hides a caller's Idempotency-Key in the store, subject: the API key's id",
    "console session": "signs the console's form tokens, subject: the console's installation",
    "console form": "protects the console's forms against requests from elsewhere",
    "suppressed number": "seals the telephone numbers of customers who asked to be left alone",
    "cursor": "protects the pages of a search against being made up",
}

#: Purpose of a signature -> what is signed with the audit key. Nothing else is.
SIGNATURES: Final[dict[str, str]] = {"audit checkpoint": "the text of a C2SP checkpoint"}

#: Operation -> roles that may ask for it.
ROLES: Final[dict[str, frozenset[str]]] = {
    "ping": frozenset({"gateway", "engine", "courier", "console", "auditor", "watcher"}),
    "state": frozenset({"console", "watcher"}),
    "data_key": frozenset({"gateway", "engine", "console"}),
    "index_key": frozenset({"gateway", "engine"}),
    "blind_index": frozenset({"console", "gateway"}),
    "derive": frozenset({"gateway", "courier", "console", "engine"}),
    "held": frozenset({"engine", "console", "watcher"}),
    "requests": frozenset({"console", "watcher"}),
    "ask": frozenset({"console"}),
    "decide": frozenset({"console"}),
    "do": frozenset({"console"}),
    "hold": frozenset({"console"}),
    "sign": frozenset({"auditor"}),
    "public_key": frozenset({"auditor", "console", "watcher"}),
}
EVERY: Final = frozenset().union(*ROLES.values())


def roles_of(uid: int, own: int | None = None) -> frozenset[str]:
    """Roles of a peer by its uid. All processes of a box share one uid today, which, like root, has every role; others have none."""
    return EVERY if uid in (0, os.getuid() if own is None else own) else frozenset()


def permit(op: str, uid: int) -> None:
    """Raises Error `forbidden`."""
    if not ROLES[op] & roles_of(uid):
        raise Error("forbidden", f"this process may not ask the keys process to {op}")

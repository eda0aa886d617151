"""Who may ask the `keys` process for what, and for which purposes: three closed tables and the question they answer."""

from __future__ import annotations

import functools
import os
import pwd
from typing import Final

from appliance.errors import Error

#: Purpose of a derived key -> what it is for. The key is HMAC-SHA256 under the HSM's MAC key over "casemate PURPOSE\\0SUBJECT".
PURPOSES: Final[dict[str, str]] = {
    "webhook secret": "signs the callbacks of one API key, subject: its id",
    "idempotency": "hides a caller's Idempotency-Key in the store, subject: the API key's id",
    "console session": "signs the console's form tokens, subject: the console's installation",
    "console form": "protects the console's forms against requests from elsewhere",
    "suppressed number": "seals the telephone numbers of customers who asked to be left alone",
    "verification": "MACs one-time codes and the payments they are bound to, subject: none",
    "exemption": "hides payers and payees in the counters of exemptions, subject: none",
    "sealed file": "seals the private key of a certificate on disk, subject: what it is for",
    "cursor": "protects the pages of a search against being made up",
}

#: Purpose of a signature -> what is signed with the audit key. Nothing else is.
SIGNATURES: Final[dict[str, str]] = {
    "audit checkpoint": "the text of a C2SP checkpoint",
    "erasure certificate": "what was erased of one person, as JSON",
    "audit export": "the digest of an export's manifest, under a line of its own",
}
#: How what is signed begins, and nothing of another purpose: a checkpoint begins with its origin, which has neither brace nor space.
SIGNED_BEGINS: Final[dict[str, bytes]] = {
    "erasure certificate": b'{"casemate": "erasure certificate v1"',
    "audit export": b"casemate audit export v1\n",
}

#: Operation -> roles that may ask for it.
ROLES: Final[dict[str, frozenset[str]]] = {
    "ping": frozenset({"gateway", "engine", "courier", "console", "auditor", "watcher"}),
    "state": frozenset({"console", "watcher"}),
    "data_key": frozenset({"gateway", "engine", "courier", "console"}),
    "index_key": frozenset({"gateway", "engine"}),
    "blind_index": frozenset({"console", "gateway"}),
    "derive": frozenset({"gateway", "courier", "console", "engine", "auditor"}),
    "random": frozenset({"gateway", "console"}),
    "held": frozenset({"engine", "console", "watcher", "auditor"}),
    "states": frozenset({"gateway", "engine", "courier", "console"}),
    "erasure": frozenset({"engine", "console"}),
    "confirm_clock": frozenset({"console"}),
    "requests": frozenset({"console", "watcher"}),
    "compare": frozenset({"console", "watcher"}),
    "ask": frozenset({"console"}),
    "decide": frozenset({"console"}),
    "do": frozenset({"console"}),
    "use": frozenset({"auditor"}),
    "hold": frozenset({"console"}),
    **dict.fromkeys(
        (
            *(
                "seal",
                "unseal",
                "pin",
                "custody",
                "share_enter",
                "share_show",
                "shares_forget",
                "initialise",
                "prove",
                "commit",
            ),
            *("abort", "restore_read", "restore", "ceremony", "transcript"),
        ),
        frozenset({"ceremony"}),
    ),
    "sign": frozenset({"auditor", "console"}),
    "public_key": frozenset({"auditor", "console", "watcher"}),
}
EVERY: Final = frozenset().union(*ROLES.values())


#: User of a process on a box where each has its own -> its roles. People's commands run as `casemate-admin`.
USERS: Final[dict[str, frozenset[str]]] = {
    "casemate-auditor": frozenset({"auditor"}),
    "casemate-courier": frozenset({"courier"}),
    "casemate-engine": frozenset({"engine"}),
    "casemate-gateway": frozenset({"gateway"}),
    "casemate-door": frozenset({"gateway"}),
    "casemate-console": frozenset({"console"}),
    "casemate-admin": frozenset({"console", "watcher", "ceremony"}),
}


@functools.cache
def roles_of(uid: int, own: int | None = None) -> frozenset[str]:
    """Roles of a peer by its uid. Root and our own user have every role: on a box without users of their own all processes share it."""
    if uid in (0, os.getuid() if own is None else own):
        return EVERY
    try:
        return USERS.get(pwd.getpwuid(uid).pw_name, frozenset())
    except KeyError:
        return frozenset()


#: Purpose of a signature -> roles that may ask for it.
SIGNERS: Final[dict[str, frozenset[str]]] = {
    "audit checkpoint": frozenset({"auditor"}),
    "erasure certificate": frozenset({"console"}),
    "audit export": frozenset({"auditor"}),
}


def permit_signature(purpose: str, body: bytes, uid: int) -> None:
    """Raises Error `forbidden` for who may not have it, `invalid` for what is not of this purpose."""
    if not SIGNERS[purpose] & roles_of(uid):
        raise Error("forbidden", f"this process may not have an {purpose} signed")
    begins = SIGNED_BEGINS.get(purpose)
    if (begins is None and body.startswith((b"{", *SIGNED_BEGINS.values()))) or (
        begins is not None and not body.startswith(begins)
    ):
        raise Error("invalid", f"what is to be signed is no {purpose}")


#: Roles that may have keys of one purpose only, for one subject.
DERIVE_ONLY: Final[dict[str, tuple[str, str]]] = {"auditor": ("sealed file", "siem client")}


def permit_derivation(purpose: str, subject: str, uid: int) -> None:
    """Raises Error `forbidden`."""
    roles = roles_of(uid) & ROLES["derive"]
    if roles and all(role in DERIVE_ONLY and DERIVE_ONLY[role] != (purpose, subject) for role in roles):
        raise Error("forbidden", "this process may not have that key derived")


def permit(op: str, uid: int) -> None:
    """Raises Error `forbidden`."""
    if not ROLES[op] & roles_of(uid):
        raise Error("forbidden", f"this process may not ask the keys process to {op}")

"""What the words of programs are called by people: statuses, roles, states of links, changes and versions, a table each, translated where they are shown.

The words themselves stay what they are in addresses, forms, the API, exports and the audit log.
"""

from __future__ import annotations

from typing import Final

from appliance.access import DIRECTORY, OIDC, RECOVERY, ROLES, SECURITY_KEY, TOTP
from appliance.flows import PHASES
from appliance.message import STATUSES
from appliance.numbering import SENDER_KINDS

from .languages import chosen, termed


def _same(*words: str) -> dict[str, str]:
    return {word: word for word in words}


#: Kind -> word of a program -> what English readers are shown. The kind is the context of the translation: an adjective agrees with it.
TERMS: Final[dict[str, dict[str, str]]] = {
    "status": _same(*STATUSES),
    "role": {
        "administrator": "administrator",
        "operator": "operator on shift",
        "security": "security officer",
        "compliance": "compliance officer",
        "field": "field engineer",
        "viewer": "viewer",
    },
    "link": _same("up", "partly", "down", "draining", "drained"),
    "hsm": _same("serves", "stands by", "not in step", "not answering"),
    "bind": _same("connecting", "fresh", "binding", "bound", "resting", "unbinding", "leaving", "closed", "drained"),
    "process": _same("waiting", "starting", "ready", "unready", "killing", "pausing", "stopping", "stopped", "unknown"),
    "change": _same("begun", "asked", "approved", "refused", "expired", "used"),
    "version": _same("draft", "asked", "active", "refused", "retired"),
    "registration": _same("requested", "confirmed", "expired"),
    "sender": {kind: kind.replace("_", " ") for kind in SENDER_KINDS},
    "factor": {
        SECURITY_KEY: "security key",
        TOTP: "code of a telephone",
        RECOVERY: "recovery code",
        DIRECTORY: "the bank's directory",
        OIDC: "the bank's sign-on",
        "password": "password",
        "envelope": "the envelope's account",
    },
    "webhooks": {"given_up": "given up"} | _same("told", "stopped", "again", "refused"),
    "phase": _same(*PHASES),
    "decision": {"stop_all": "stop all"} | _same("stop", "start", "help"),
    "test": _same("passed", "failed"),
    "source": _same("keyword", "review", "api", "import", "person"),
}

assert TERMS["role"].keys() == ROLES.keys()


def term(kind: str, word: str | None) -> str:
    """What the person reads for a program's word; the word itself when the table does not know it, a dash for none."""
    said = TERMS[kind].get(word or "")
    if said is None:
        return word or "–"
    return termed(chosen(), kind, said)

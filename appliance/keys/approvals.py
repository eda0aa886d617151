"""Four eyes for what cannot be undone: asked by one person, approved by another, used once, in time. Decisions are pure, the rows are the register's.

Trust: like the key store it lies in. Who can write the file can approve for others; that the act happened, and for whom, is in the audit log.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from appliance.errors import Error
from appliance.limits import APPROVAL_MS_MAX

ASKED: Final = "asked"
APPROVED: Final = "approved"
REFUSED: Final = "refused"
EXPIRED: Final = "expired"
USED: Final = "used"

YES: Final = "yes"
NO: Final = "no"
LATE: Final = "late"
USE: Final = "use"

TABLE: Final[dict[tuple[str, str], str]] = {
    (ASKED, YES): APPROVED,
    (ASKED, NO): REFUSED,
    (ASKED, LATE): EXPIRED,
    (APPROVED, NO): REFUSED,
    (APPROVED, LATE): EXPIRED,
    (APPROVED, USE): USED,
}

#: Act -> (what it is, what it is done to). Nothing else is asked for, and none of these is done without two people.
ACTS: Final[dict[str, str]] = {
    "destroy-key": "destroys a key: what it sealed can no longer be read anywhere",
    "compromised-key": "declares a key compromised: it seals nothing more, and what it wraps is wrapped anew",
    "rotate-root": "makes a new root key in the HSM and wraps every tenant key by it",
    "destroy-root": "destroys a root that wraps nothing any more",
    "lift-hold": "lifts a legal hold",
    "erase-subject": "erases one person: content and number of every message to and from a number",
    "export-log": "exports the audit log, where the settings want two people for it",
    "weaken-audit": "lets a settings file weaken the audit log: another SIEM or none, a witness gone, entries kept for less long",
    "replicate": "passes the keys that the second HSM lacks to it",
    "back-up": "writes the HSM's keys out, wrapped, with the records of all keys",
    "replace-custodians": "makes new shares for the custodians; the old ones open nothing any more",
    "add-hsm": "brings the HSM's keys into another token",
}

#: Acts that another process does: it uses the approval up first.
ELSEWHERE: Final = frozenset({"export-log", "weaken-audit"})


class Approval(NamedTuple):
    """One request as stored. `on` is the number of a key, a root, a hold or an erasure, or of a change of settings; 0 for none."""

    approval_id: int
    act: str
    on: int
    reason: str
    asked_by: str
    asked_ms: int
    decided_by: str
    decided_ms: int
    state: str


def stands(approval: Approval, now_ms: int) -> str:
    """Its state at `now_ms`: what was not used in time is expired."""
    late = now_ms >= approval.asked_ms + APPROVAL_MS_MAX
    return TABLE.get((approval.state, LATE), approval.state) if late else approval.state


def asked(act: str, on: int, reason: str, who: str, now_ms: int) -> Approval:
    """A new request, without a number yet. Raises Error `invalid`."""
    if act not in ACTS:
        raise Error("invalid", f"{act!r} is nothing that two people decide", f"one of {', '.join(ACTS)}")
    if not reason.strip():
        raise Error("invalid", "say why: the other person has to judge it")
    return Approval(0, act, on, reason.strip(), who, now_ms, "", 0, ASKED)


def decided(approval: Approval, heard: str, who: str, now_ms: int) -> Approval:
    """After a person's YES or NO. Raises Error `forbidden` for the one who asked, `key_state` when it is no longer open."""
    state = stands(approval, now_ms)
    if heard == YES and who == approval.asked_by:
        raise Error("forbidden", "who asked cannot approve", "another person has to")
    if (state, heard) not in TABLE:
        raise Error("key_state", f"request {approval.approval_id} is {state}")
    return approval._replace(state=TABLE[state, heard], decided_by=who, decided_ms=now_ms)


def used(approval: Approval, act: str, on: int, now_ms: int) -> Approval:
    """After its use for `act` on `on`. Raises Error `forbidden` unless it is approved for exactly that, and in time."""
    state = stands(approval, now_ms)
    if (approval.act, approval.on) != (act, on):
        raise Error("forbidden", f"request {approval.approval_id} is for something else")
    if (state, USE) not in TABLE:
        raise Error(
            "forbidden", f"request {approval.approval_id} is {state}", "it has to be approved by another person"
        )
    return approval._replace(state=TABLE[state, USE])


def shown(approval: Approval, now_ms: int) -> dict[str, Any]:
    """For commands and the console."""
    return {**approval._asdict(), "state": stands(approval, now_ms), "until_ms": approval.asked_ms + APPROVAL_MS_MAX}

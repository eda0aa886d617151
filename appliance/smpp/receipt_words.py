"""What receipts say became of a message: the states, and every word heard in the field for one of them. Facts only.

Sources: SMPP 3.4 Issue 1.2 section 5.2.28 (message_state) and Appendix B (the eight words); the other words are those of
operators and of the gateways that had to learn them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .spec import (
    STATE_ACCEPTED,
    STATE_DELETED,
    STATE_DELIVERED,
    STATE_ENROUTE,
    STATE_EXPIRED,
    STATE_REJECTED,
    STATE_UNDELIVERABLE,
    STATE_UNKNOWN,
)

#: Our states are the specification's message_state and two more.
STATE_UNREADABLE: Final = 0  # a word or number nobody knows
STATE_FAILED: Final = 9


class State(NamedTuple):
    """What a state means for a message; `status` is a name of `message.STATUSES`: "sent" while nothing is settled."""

    word: str
    status: str
    final: bool
    reason: str


STATES: Final[dict[int, State]] = {
    STATE_UNREADABLE: State(
        "", "sent", False, "an unknown word settles nothing; the raw word is kept for a person to read"
    ),
    STATE_ENROUTE: State("ENROUTE", "sent", False, "on its way or waiting for the handset"),
    STATE_DELIVERED: State("DELIVRD", "delivered", True, "the handset has it"),
    STATE_EXPIRED: State("EXPIRED", "expired", True, "its validity ended at the operator"),
    STATE_DELETED: State(
        "DELETED", "failed", True, "removed at the operator; we never ask for that, so it is a failure, not our cancel"
    ),
    STATE_UNDELIVERABLE: State("UNDELIV", "undelivered", True, "the operator tried and gave up"),
    STATE_ACCEPTED: State(
        "ACCEPTD", "sent", False, "by the letter read by customer care, in the field a hop's 'got it': not a delivery"
    ),
    STATE_UNKNOWN: State(
        "UNKNOWN", "failed", True, "the operator lost track of it and will say no more (5.2.28: invalid state)"
    ),
    STATE_REJECTED: State("REJECTD", "rejected", True, "refused after it was accepted"),
    STATE_FAILED: State("FAILED", "failed", True, "not in the specification, but sent by operators"),
}

#: Every word heard in the field; the specification's eight are those of Appendix B.
WORDS: Final[dict[str, int]] = {
    **{state.word: number for number, state in STATES.items() if state.word},
    "DELIVERED": STATE_DELIVERED,
    "UNDELIVERABLE": STATE_UNDELIVERABLE,
    "UNDELIVERED": STATE_UNDELIVERABLE,
    "UNDELIVRD": STATE_UNDELIVERABLE,
    "EXPIRD": STATE_EXPIRED,
    "REJECTED": STATE_REJECTED,
    "ACCEPTED": STATE_ACCEPTED,
    "ACKED": STATE_ACCEPTED,
    "BUFFRED": STATE_ENROUTE,
    "BUFFERD": STATE_ENROUTE,
    "BUFFERED": STATE_ENROUTE,
    "SCHEDULED": STATE_ENROUTE,
    "SKIPPED": STATE_FAILED,
}

#: First field of the comma-separated form; an operator's other numbers are its own and go into `receipt_words`.
CSV_WORDS: Final[dict[str, int]] = {"00": STATE_DELIVERED}

#: The state that a link's `receipt_words` mean by a status of `message.STATUSES`.
STATE_OF_STATUS: Final[dict[str, int]] = {
    "sent": STATE_ENROUTE,
    "delivered": STATE_DELIVERED,
    "undelivered": STATE_UNDELIVERABLE,
    "expired": STATE_EXPIRED,
    "failed": STATE_FAILED,
    "rejected": STATE_REJECTED,
}

#: By the octet of message_state; 9 is SKIPPED in SMPP 5.0.
STATE_OF_OCTET: Final = {n: n for n in range(STATE_ENROUTE, STATE_REJECTED + 1)} | {9: STATE_FAILED}

assert all(STATES[state].status == status for status, state in STATE_OF_STATUS.items())

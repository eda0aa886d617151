"""The state table of one bind seen from the server's side, the codes it may end with, and the record of what was heard."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from .codec import Pdu
from .submission import Submission

# --- the state table --------------------------------------------------------------------------------------
#: Connected, not bound; the credential is being checked; usable; we say goodbye, first answering what is owed;
#: the other side did, and is owed answers; over.
OPEN, BINDING, BOUND, UNBINDING, LEAVING, CLOSED = SERVER_STATES = (
    "open",
    "binding",
    "bound",
    "unbinding",
    "leaving",
    "closed",
)

SERVER_TRANSITIONS: Final[dict[tuple[str, str], str]] = {
    (OPEN, "bind"): BINDING,
    (OPEN, "enquire_link"): OPEN,
    (OPEN, "unbind"): CLOSED,
    (OPEN, "bind time-out"): CLOSED,
    (BINDING, "bind accepted"): BOUND,
    (BINDING, "bind refused"): CLOSED,
    (BINDING, "bind time-out"): CLOSED,
    (BINDING, "enquire_link"): BINDING,
    (BINDING, "unbind"): CLOSED,
    (BOUND, "request"): BOUND,
    (BOUND, "answer"): BOUND,
    (BOUND, "enquire_link"): BOUND,
    (BOUND, "enquire time-out"): CLOSED,
    (BOUND, "we unbind"): UNBINDING,
    (BOUND, "unbind"): LEAVING,
    (UNBINDING, "answer"): UNBINDING,
    (UNBINDING, "enquire_link"): UNBINDING,
    (UNBINDING, "unbind"): LEAVING,
    (UNBINDING, "unbind answered"): CLOSED,
    (UNBINDING, "unbind time-out"): CLOSED,
    (LEAVING, "answer"): LEAVING,
    (LEAVING, "enquire_link"): LEAVING,
    (LEAVING, "settled"): CLOSED,
    (LEAVING, "settling time-out"): CLOSED,
    **{(state, "we close"): CLOSED for state in (OPEN, BINDING)},
    **{(state, "nonsense"): CLOSED for state in (OPEN, BINDING, BOUND, UNBINDING, LEAVING)},
    **{(state, "disconnected"): CLOSED for state in SERVER_STATES},
}

#: `Received.closed`: a code for programs, and what it means.
SERVER_CLOSES: Final[dict[str, str]] = {
    "bind_timeout": "no bind came in time, or its credential could not be checked in time",
    "bind_refused": "the bind was answered with an error",
    "enquire_timeout": "an enquire_link was not answered in time",
    "framing": "what came is not SMPP",
    "unbound_by_client": "the other side unbound and has all its answers, or waited long enough for them",
    "unbound": "we unbound and the other side agreed, or took too long to",
    "closed": "we closed before there was a bind",
}


class BindAsked(NamedTuple):
    """A bind that waits for `accept_bind` or `refuse_bind`. Texts as Latin-1; the password is never printed."""

    kind: str  # transmitter, receiver, transceiver
    system_id: str
    password: str
    system_type: str

    def __repr__(self) -> str:
        return f"BindAsked({self.kind!r})"


class Received(msgspec.Struct):
    """What one call brought. Each submission and each request waits for its `answer`."""

    bind: BindAsked | None = None
    submissions: list[Submission] = []  # submit_sm and data_sm
    requests: list[Pdu] = []  # submit_multi, query_sm, cancel_sm, replace_sm
    answers: list[tuple[int, int]] = []  # (sequence, status) of our deliver_sm
    late: list[int] = []  # sequences of deliver_sm whose answer did not come in time: no longer under way
    refused: list[int] = []  # statuses of requests that the session itself answered
    strangers: int = 0  # responses that nobody waits for
    closed: str = ""  # a key of SERVER_CLOSES, empty while the session lives

"""The state table of one bind, the codes it may end with, and the record of what was heard."""

from __future__ import annotations

from typing import Final

import msgspec

from .asking import Queried
from .codec import Pdu
from .fast import Deliver, text_of
from .spec import ESME_RALYBND, TLV_MS_AVAILABILITY_STATUS, status_name

# --- the state table --------------------------------------------------------------------------------------
#: Made; bind sent; usable; we said goodbye; the operator did and answers are still owed to us; over.
FRESH, BINDING, BOUND, UNBINDING, LEAVING, CLOSED = STATES = (
    "fresh",
    "binding",
    "bound",
    "unbinding",
    "leaving",
    "closed",
)

TRANSITIONS: Final[dict[tuple[str, str], str]] = {
    (FRESH, "connected"): BINDING,
    (BINDING, "bind accepted"): BOUND,
    (BINDING, "bind refused"): CLOSED,
    (BINDING, "bind time-out"): CLOSED,
    (BINDING, "outbind"): BINDING,
    (BINDING, "enquire_link"): BINDING,
    (BINDING, "unbind"): CLOSED,
    (BOUND, "answer"): BOUND,
    (BOUND, "deliver"): BOUND,
    (BOUND, "alert"): BOUND,
    (BOUND, "outbind"): BOUND,
    (BOUND, "enquire_link"): BOUND,
    (BOUND, "response time-out"): CLOSED,
    (BOUND, "enquire time-out"): CLOSED,
    (BOUND, "receipts silent"): CLOSED,
    (BOUND, "we unbind"): UNBINDING,
    (BOUND, "unbind"): LEAVING,
    (UNBINDING, "answer"): UNBINDING,
    (UNBINDING, "deliver"): UNBINDING,
    (UNBINDING, "alert"): UNBINDING,
    (UNBINDING, "enquire_link"): UNBINDING,
    (UNBINDING, "unbind"): CLOSED,
    (UNBINDING, "unbind answered"): CLOSED,
    (UNBINDING, "unbind time-out"): CLOSED,
    (LEAVING, "answer"): LEAVING,
    (LEAVING, "deliver"): LEAVING,
    (LEAVING, "alert"): LEAVING,
    (LEAVING, "enquire_link"): LEAVING,
    (LEAVING, "unbind"): LEAVING,
    (LEAVING, "settled"): CLOSED,
    (LEAVING, "response time-out"): CLOSED,
    **{(state, "nonsense"): CLOSED for state in (BINDING, BOUND, UNBINDING, LEAVING)},
    **{(state, "disconnected"): CLOSED for state in STATES},
}

#: `Heard.closed`: a code for programs, and what it means.
CLOSES: Final[dict[str, str]] = {
    "bind_refused": "the operator refused the bind; `bind_status` says why",
    "bind_timeout": "the operator did not answer the bind",
    "response_timeout": "a submit was not answered in time",
    "enquire_timeout": "an enquire_link was not answered in time",
    "receipts_silent": "submits are answered but nothing has been delivered for long: half dead",
    "framing": "what came is not SMPP",
    "unbound_by_operator": "the operator asked to unbind",
    "unbound": "we unbound and the operator agreed, or took too long to",
}


class Alert(msgspec.Struct):
    """An alert_notification (section 4.12): the handset `source` is there again; `availability` is -1 when not said."""

    source: str
    esme: str
    availability: int


def alert_of(pdu: Pdu) -> Alert:
    """The Alert in an alert_notification that `decode` has read."""
    said = pdu.tlvs.get(TLV_MS_AVAILABILITY_STATUS, b"")
    return Alert(text_of(pdu, "source_addr"), text_of(pdu, "esme_addr"), said[0] if said else -1)


class Heard(msgspec.Struct):
    """What one call brought. `closed` is a key of CLOSES, or empty while the session lives."""

    answers: list[tuple[int, int, str]]  # (sequence, status, message id) of submits in flight
    delivers: list[Deliver]  # acknowledge each by its sequence, after it is durable
    alerts: list[Alert]
    bound: bool = False  # became usable in this call
    bind_status: int = -1  # command_status of the bind's answer, when it came in this call
    closed: str = ""
    strangers: int = 0  # responses that nobody waits for
    refused: int = 0  # requests answered with an error by the session itself
    queried: list[Queried] = []  # answers to `query`
    cancelled: list[tuple[int, int]] = []  # answers to `cancel`: (sequence, status), NO_ANSWER when none came in time

    @property
    def why(self) -> str:
        """`bind_refused ESME_RINVPASWD`: the reason with its status."""
        return f"{self.closed} {status_name(self.bind_status)}" if self.closed == "bind_refused" else self.closed

    @property
    def already_bound(self) -> bool:
        """The operator still holds a bind of ours that is dead: it needs patience, not another try at once."""
        return self.bind_status == ESME_RALYBND

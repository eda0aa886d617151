"""The states of a run: what it may wait for, what may be heard, the table of both, and how a run is written down. Pure."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from .definition import Definition

# What a run waits for.
BEGIN, SENDING, TRAVELLING, REPLY, RECEIPT, PERSON, TIME, CODING, CODE, TELLING, ENDED = PHASES = (
    "begin",
    "sending",
    "travelling",
    "reply",
    "receipt",
    "person",
    "time",
    "coding",
    "code",
    "telling",
    "ended",
)
#: Phase -> what is to be done outside.
EFFECTS: Final = {SENDING: "send", CODING: "verify", TELLING: "webhook"}
#: Effects that a crash may do twice, as their state says.
AT_LEAST_ONCE: Final = frozenset({"webhook"})

# What is heard.
STARTED, TAKEN, REFUSED, DELIVERED, UNDELIVERED, REPLIED, STOPPED, ANSWERED, LATE, APPROVED, FAILED, EXPIRED, TOLD, UNTOLD = HEARD = (
    "started",
    "taken",
    "refused",
    "delivered",
    "undelivered",
    "replied",
    "stopped",
    "answered",
    "late",
    "approved",
    "failed",
    "expired",
    "told",
    "untold",
)  # fmt: skip

#: {(phase, heard): move}. What is not here changes nothing. A move is a way out of the state (`>`), or one of the machine's own.
TABLE: Final[dict[tuple[str, str], str]] = {
    (BEGIN, STARTED): "enter",
    (SENDING, TAKEN): "handed",
    (SENDING, REFUSED): "other way",
    (TRAVELLING, DELIVERED): ">next",
    (TRAVELLING, UNDELIVERED): "other way",
    (TRAVELLING, LATE): "other way",
    (REPLY, REPLIED): "reply",
    (REPLY, STOPPED): "stop",
    (REPLY, LATE): ">timeout",
    (RECEIPT, DELIVERED): "receipt",
    (RECEIPT, UNDELIVERED): "receipt",
    (RECEIPT, LATE): ">timeout",
    (PERSON, ANSWERED): "answer",
    (PERSON, LATE): ">timeout",
    (TIME, LATE): ">timeout",
    (CODING, TAKEN): "handed",
    (CODING, REFUSED): "other way",
    (CODING, APPROVED): ">approved",  # of the code before, while another is being made
    (CODING, FAILED): ">failed",
    (CODING, EXPIRED): ">expired",
    (CODE, APPROVED): ">approved",
    (CODE, FAILED): ">failed",
    (CODE, EXPIRED): ">expired",
    (CODE, DELIVERED): "code there",
    (CODE, UNDELIVERED): "other way",
    (CODE, LATE): "code late",
    (TELLING, TOLD): ">next",
    (TELLING, UNTOLD): "untold",
    (TELLING, LATE): "untold",
}

#: Outcomes that no definition has to name.
OVERDUE, CANCELLED, NOT_TAKEN, LEFT_ALONE, ERASED = "expired", "cancelled", "refused", "stopped", "erased"


class Sent(msgspec.Struct, array_like=True, frozen=True):
    """The newest message of a send or verify state."""

    step: int
    message: str = ""  # its id, once it is taken
    status: str = ""  # delivered, undelivered


class Run(msgspec.Struct, array_like=True, frozen=True):
    """How a run stands. Nothing of a customer is in it: variables, number and texts are beside it."""

    state: str
    phase: str = BEGIN
    step: int = 0  # counts up with every state entered and every effect: names what is done
    visits: dict[str, int] = {}
    way: int = 0
    since_ms: int = 0  # in this phase
    due_ms: int = 0  # 0: waits for no time
    ends_ms: int = 0
    until_ms: int = 0  # of a code
    asked_ms: int = 0  # when the newest message was handed on: what was written before is no answer to it
    sent: dict[str, Sent] = {}
    verification: str = ""
    outcome: str = ""
    why: str = ""  # a further way is taken: what was heard of the one before


class Heard(msgspec.Struct, array_like=True, frozen=True):
    """One thing that happened. `text`: a reply, a person's answer, a refusal's code; `message`: an id; `step`: of the effect it answers."""

    what: str
    text: str = ""
    message: str = ""
    step: int = 0
    until_ms: int = 0


class Trace(NamedTuple):
    """One line of a run's story: where it was, what was heard, where it went."""

    step: int
    state: str
    heard: str
    to: str


class Advanced(NamedTuple):
    """`effect` is empty, or what is to be done for step `run.step`."""

    run: Run
    variables: dict[str, Any]
    effect: str
    trace: tuple[Trace, ...]


def begun(flow: Definition, at_ms: int) -> Run:
    """A new run, which waits for `started`."""
    return Run(flow.start, since_ms=at_ms, due_ms=at_ms, ends_ms=at_ms + flow.life_s * 1000)


def started_with(flow: Definition, given: dict[str, Any]) -> dict[str, Any]:
    """The variables of a new run."""
    return dict(flow.defaults) | given


def late(run: Run, at_ms: int) -> Heard | None:
    """What time says to a run at `at_ms`, nothing before it is due."""
    due = run.phase != ENDED and bool(run.due_ms) and at_ms >= min(run.due_ms, run.ends_ms)
    return Heard(STARTED if run.phase == BEGIN else LATE) if due else None


def next_ms(run: Run) -> int:
    """When time has to be told to a run; 0: never."""
    if run.phase == ENDED:
        return 0
    return min(run.due_ms, run.ends_ms) if run.due_ms else run.ends_ms


def ended(run: Run, outcome: str, at_ms: int) -> Run:
    """The run as it is over, by whoever's will."""
    return msgspec.structs.replace(run, phase=ENDED, outcome=outcome, since_ms=at_ms, due_ms=0, step=run.step + 1)

"""Workflows: definitions that two people activate, runs that survive every crash, questions to customers, and what they told the bank."""

from .book import Book, Come, Row, Story
from .checking import Problem, check
from .definition import (
    NAME,
    VARIABLE,
    Branch,
    Definition,
    End,
    Happening,
    Send,
    Set,
    State,
    Verify,
    Wait,
    Webhook,
    exits,
    published,
)
from .forgetting import forget_subject, runs_of
from .orders import OWN_ADDRESS, Hands, Order, address_of
from .picture import drawn
from .resealing import reseal
from .runner import Codes, Runner
from .sealed import Kept, aad, opened, sealed
from .shipped import shipped
from .states import AT_LEAST_ONCE, CANCELLED, ENDED, PERSON, PHASES, Heard, Run, begun, started_with
from .texts import own_text
from .trying import Line, Outcome, Tried, Trying, check_params, run_tests
from .turn import Code, Given, Turning
from .turn import Outcome as StepOutcome
from .versions import (
    ACTIVE,
    ASKED,
    DRAFT,
    REFUSED,
    RETIRED,
    SHIPPED,
    Version,
    active,
    ask,
    checked,
    decide,
    listed,
    newest,
    one,
    retire,
    save,
    versions,
    waiting,
)
from .watch import FlowWatch, book_of

__all__ = [
    "ACTIVE", "ASKED", "AT_LEAST_ONCE", "CANCELLED", "DRAFT", "ENDED", "NAME", "OWN_ADDRESS", "PERSON", "PHASES", "REFUSED",
    "RETIRED", "SHIPPED", "VARIABLE", "Book", "Branch", "Code", "Codes", "Come", "Definition", "End", "FlowWatch",
    "Given", "Hands", "Happening", "Heard", "Kept", "Line", "Order", "Outcome", "Problem", "Row", "Run", "Runner",
    "Send", "Set", "State", "StepOutcome", "Story", "Tried", "Trying", "Turning", "Verify", "Version", "Wait",
    "Webhook", "aad", "active", "address_of", "ask", "begun", "book_of", "check", "check_params", "checked",
    "decide", "drawn", "exits", "forget_subject", "listed", "newest", "one", "opened", "own_text", "published",
    "reseal", "retire", "run_tests", "runs_of", "save", "sealed", "shipped", "started_with", "versions", "waiting",
]  # fmt: skip

"""What a workflow's definition may say: the types that read it, from which the published JSON Schema is made. Pure.

A definition is states by name. Each state does one thing and says where to go for everything that may come of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from appliance.limits import (
    CODE_DIGITS_MAX,
    CODE_DIGITS_MIN,
    CODE_LIFE_S_MAX,
    CODE_LIFE_S_MIN,
    FLOW_LIFE_S_MAX,
    FLOW_STATES_MAX,
    FLOW_TESTS_MAX,
    FLOW_VISITS_MAX,
    FLOW_WAIT_S_MAX,
    VALIDITY_S_MAX,
    VALIDITY_S_MIN,
)

#: Names of workflows, states, answers and outcomes: they stand on the audit log, where nothing may look like a number.
NAME: Final = r"^(?!(?:.*[0-9]){8})[a-z][a-z0-9._-]{0,47}$"
VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]{0,31}$"
CHANNELS: Final = ("sms",)  # where no settings are at hand
#: What a parameter is; as in templates.
KINDS: Final = ("string", "number", "money", "moment")

Name = Annotated[str, Meta(pattern=NAME)]
Variable = Annotated[str, Meta(pattern=VARIABLE)]
Seconds = Annotated[int, Meta(ge=1, le=FLOW_WAIT_S_MAX)]
Most = Annotated[
    int, Meta(ge=1, le=FLOW_VISITS_MAX, description="how often a run may come here; then it goes `beyond`")
]
Texts = Annotated[dict[str, str], Meta(min_length=1, description="ICU MessageFormat by locale")]
Url = Annotated[str, Meta(max_length=2_048, description="https, on a host of the setting webhook.hosts")]
Value = str | int | dict[str, str]


class Way(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One way to the customer: the next is taken when its receipt says undelivered, or when none came within `wait_s`."""

    channel: Annotated[
        str, Meta(description="`sms`, or the name of a [[channel]] of the settings, whose sender it then has")
    ] = "sms"
    sender: Annotated[str, Meta(min_length=1, max_length=16)] | None = None
    wait_s: Seconds = 60


class _State(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", omit_defaults=True, kw_only=True):
    note: Annotated[str, Meta(max_length=300, description="for people")] = ""
    most: Most | None = None
    beyond: Name | None = None


class Send(_State, tag="send"):
    """Sends a message: of a template, or of `texts`. `ways`: several are a fallback, in this order."""

    next: Name
    template: str | None = None
    texts: Texts | None = None
    class_: Literal["otp", "alert", "transaction", "bulk"] = msgspec.field(default="transaction", name="class")
    validity_s: Annotated[int, Meta(ge=VALIDITY_S_MIN, le=VALIDITY_S_MAX)] | None = None
    ways: Annotated[list[Way], Meta(min_length=1, max_length=4)] = msgspec.field(default_factory=lambda: [Way()])
    refused: Annotated[Name, Meta(description="where to go when it is not taken; without it the run ends")] | None = (
        None
    )


class Wait(_State, tag="wait"):
    """Waits for a reply, a receipt (`of` the message of a send state), a person of the bank, or only for time to pass.

    `on`: what comes -> where to go. Replies: `yes`, `no`, names of own `words`, and `other` for all else. Receipts: `delivered`,
    `undelivered`. Persons: answers in your words. `stop`: the customer asked to be left alone.
    """

    for_: Literal["reply", "receipt", "person", "time"] = msgspec.field(name="for")
    timeout_s: Seconds | None = None
    timeout: Name | None = None
    on: dict[str, Name] = {}
    of: Name | None = None
    words: Annotated[dict[Name, dict[str, list[str]]], Meta(description="answer -> locale -> words")] = {}
    keep: Annotated[Variable, Meta(description="the variable that the answer is kept in")] | None = None


class Case(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One condition on a variable: exactly one of the five. Money is compared by its amount."""

    next: Name
    var: Variable
    equals: str | None = None
    one_of: list[str] | None = None
    at_least: Annotated[str, Meta(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,8})?$")] | None = None
    below: Annotated[str, Meta(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,8})?$")] | None = None
    present: bool | None = None


class Branch(_State, tag="branch"):
    """Goes where the first case that holds says."""

    cases: Annotated[list[Case], Meta(min_length=1, max_length=32)]
    otherwise: Name


class Verify(_State, tag="verify"):
    """Sends a one-time code and waits until it is checked. `payment`: bound to the parameters `payee` and `amount`."""

    purpose: Annotated[str, Meta(pattern=NAME)]
    approved: Name
    failed: Name
    expired: Name
    payment: bool = False
    length: Annotated[int, Meta(ge=CODE_DIGITS_MIN, le=CODE_DIGITS_MAX)] | None = None
    life_s: Annotated[int, Meta(ge=CODE_LIFE_S_MIN, le=CODE_LIFE_S_MAX)] = 600
    ways: Annotated[list[Way], Meta(min_length=1, max_length=4)] = msgspec.field(default_factory=lambda: [Way()])
    refused: Name | None = None


class Webhook(_State, tag="webhook"):
    """Tells the bank, and waits until it said 2xx. At least once: a crash may repeat it, with the same `webhook-id`."""

    event: Name
    next: Name
    delivery: Literal["at-least-once"]
    values: Annotated[list[Variable], Meta(max_length=32, description="variables that are told")] = []
    url: Url | None = None
    timeout_s: Seconds = 86_400
    failed: Annotated[Name, Meta(description="where to go when it was not told in time; else `next`")] | None = None


class Set(_State, tag="set"):
    """Gives variables a value, or counts one up."""

    next: Name
    values: dict[Variable, Value] = {}
    count: Annotated[list[Variable], Meta(max_length=8)] = []


class End(_State, tag="end"):
    """The run is over."""

    outcome: Name


State = Send | Wait | Branch | Verify | Webhook | Set | End


class Happening(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One thing that happens in a test: exactly one of these. Messages are taken and webhooks told unless it says otherwise."""

    reply: str | None = None
    receipt: Literal["delivered", "undelivered"] | None = None
    checked: Literal["approved", "failed", "expired"] | None = None
    person: str | None = None
    passes_s: Annotated[int, Meta(ge=1, le=FLOW_LIFE_S_MAX)] | None = None
    refused: Annotated[str, Meta(description="the next message or code is refused with this error code")] | None = None
    untold: bool | None = None
    stop: bool | None = None


class Expected(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What has to come of a test; what is not said is not asked."""

    outcome: Name | None = None
    state: Annotated[Name, Meta(description="where it waits, when it has not ended")] | None = None
    path: list[Name] | None = None
    says: Annotated[list[str], Meta(description="each text, in order, has this in it")] | None = None
    webhooks: list[Name] | None = None


class Test(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A unit test as data."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    expect: Expected
    params: dict[Variable, Value] = {}
    locale: str | None = None
    happens: Annotated[list[Happening], Meta(max_length=64)] = []


class Definition(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A workflow."""

    name: Name
    start: Name
    states: Annotated[dict[Name, State], Meta(min_length=1, max_length=FLOW_STATES_MAX)]
    title: Annotated[str, Meta(max_length=100)] = ""
    locale: Annotated[str, Meta(description="of its texts, for who has none of his own")] = "en"
    life_s: Annotated[
        int, Meta(ge=60, le=FLOW_LIFE_S_MAX, description="a run that has not ended by then does, as `expired`")
    ] = 7 * 86_400
    params: Annotated[
        dict[Variable, Literal["string", "number", "money", "moment"]], Meta(description="what a run is started with")
    ] = {}
    defaults: Annotated[dict[Variable, Value], Meta(description="of parameters that may be left out")] = {}
    tests: Annotated[list[Test], Meta(max_length=FLOW_TESTS_MAX)] = []


SCHEMA_ID: Final = "/v1/workflow-schema.json"


def published() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a definition: made from the types that read it."""
    (root,), parts = msgspec.json.schema_components([Definition], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "A workflow of the appliance",
        **root,
        "$defs": parts,
    }


def exits(state: State) -> dict[str, str]:
    """Where a run may go from a state: what comes of it -> name of the next. In the order of the picture."""
    out: dict[str, str] = {}
    match state:
        case Send():
            out = {"next": state.next} | ({"refused": state.refused} if state.refused else {})
        case Wait():
            out = dict(state.on) | ({"timeout": state.timeout} if state.timeout else {})
        case Branch():
            out = {_said(case): case.next for case in state.cases} | {"otherwise": state.otherwise}
        case Verify():
            out = {"approved": state.approved, "failed": state.failed, "expired": state.expired}
            out |= {"refused": state.refused} if state.refused else {}
        case Webhook():
            out = {"next": state.next} | ({"failed": state.failed} if state.failed else {})
        case Set():
            out = {"next": state.next}
    return out | ({"beyond": state.beyond} if state.beyond else {})


def _said(case: Case) -> str:
    for word, value in (("=", case.equals), ("≥", case.at_least), ("<", case.below)):
        if value is not None:
            return f"{case.var} {word} {value}"[:40]
    if case.one_of is not None:
        return f"{case.var} in {', '.join(case.one_of)}"[:40]
    return f"{case.var} {'given' if case.present else 'not given'}"[:40]

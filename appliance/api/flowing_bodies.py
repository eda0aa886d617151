"""What the calls about workflows take and give: the bodies, and so their part of the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from appliance.flows import NAME, VARIABLE
from appliance.limits import CALLBACK_CHARACTERS_MAX, REFERENCE_CHARACTERS_MAX

from .requests import Locale, To
from .verifying_bodies import Presented
from .views import Time

WorkflowName = Annotated[str, Meta(pattern=NAME, examples=["fraud-alert"])]
Parameters = Annotated[
    dict[Annotated[str, Meta(pattern=VARIABLE)], str | int | dict[str, str]],
    Meta(max_length=64, description="the workflow's parameters: a string, a number, or money"),
]
#: A text keeps its lines for what is found wrong; an object is laid out with two blanks a level.
DefinitionText = Annotated[
    str | dict[str, Any],
    Meta(
        description="the definition, by the schema at /v1/workflow-schema.json: an object, or its text with your own lines"
    ),
]


class WorkflowRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A definition to be saved as a draft or to be checked."""

    definition: DefinitionText


class WorkflowProblem(msgspec.Struct):
    """What is wrong with a definition: the line, where that is, and the reason."""

    line: int
    where: str
    why: str


class WorkflowTest(msgspec.Struct):
    """One of the definition's own tests; `why` is empty when it passed."""

    name: str
    passed: bool
    why: str


class WorkflowChecked(msgspec.Struct):
    """Whether a definition could be used."""

    right: bool
    problems: list[WorkflowProblem]
    tests: list[WorkflowTest]


class WorkflowView(msgspec.Struct):
    """One workflow: the version in use, else the newest, and how it stands."""

    name: str
    version: int
    state: Literal["draft", "asked", "active", "refused", "retired"]
    title: str
    params: dict[str, str]
    saved_at: Time
    digest: str
    definition: dict[str, Any] | None = None


class WorkflowList(msgspec.Struct):
    """All of them, without their definitions."""

    workflows: list[WorkflowView]


class TrialRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A run to be tried without sending anything: of a workflow that is there, or of a definition; `happens` as in its tests."""

    workflow: WorkflowName | None = None
    definition: DefinitionText | None = None
    params: Parameters | None = None
    locale: Locale | None = None
    happens: Annotated[list[dict[str, Any]], Meta(max_length=64)] | None = None


class TrialLine(msgspec.Struct):
    """One step: seconds since the start, the state, what was heard there, where it went, what was said."""

    after_s: int
    state: str
    heard: str
    to: str
    says: str


class TrialView(msgspec.Struct):
    """How it went, and where it stands: in `state`, waiting for `waits_for`; `outcome` when it ended."""

    state: str
    waits_for: str
    until_s: int
    outcome: str
    path: list[str]
    lines: list[TrialLine]
    texts: list[str]
    webhooks: list[str]


class RunRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A run to be started for one customer."""

    workflow: WorkflowName
    to: To
    params: Parameters | None = None
    locale: Locale | None = None
    reference: (
        Annotated[str, Meta(max_length=REFERENCE_CHARACTERS_MAX, description="yours; told in webhooks")] | None
    ) = None
    callback_url: (
        Annotated[
            str,
            Meta(
                max_length=CALLBACK_CHARACTERS_MAX, description="where its webhooks go, unless a state says otherwise"
            ),
        ]
        | None
    ) = None


class RunBegun(msgspec.Struct):
    """A run that is on disk."""

    id: str
    workflow: str
    version: int
    status: Literal["running"]


class RunStep(msgspec.Struct):
    """One line of a run's story. Never a text, a number or a code."""

    at: Time
    step: int
    state: str
    heard: str
    to: str


class RunView(msgspec.Struct):
    """How a run stands. `verification`: of its newest code."""

    id: str
    workflow: str
    version: int
    status: Literal["running", "ended"]
    state: str
    waits_for: str
    outcome: str
    started_at: Time
    changed_at: Time
    verification: str | None
    answers: list[str]
    story: list[RunStep]


class AnswerRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What a person of the bank decided: one of the run's `answers`."""

    answer: Annotated[str, Meta(max_length=48)]
    who: Annotated[
        str, Meta(min_length=1, max_length=64, description="who decided, as you name them; for the audit log")
    ]


class RunCheck(msgspec.Struct, forbid_unknown_fields=True):
    """What the customer entered; for a payment also the one that is about to be executed."""

    code: Annotated[str, Meta(max_length=64, examples=["123456"])]
    payee: Presented | None = None
    amount: Presented | None = None
    currency: Presented | None = None


FLOW_BODIES = (
    WorkflowRequest, WorkflowChecked, WorkflowView, WorkflowList, TrialRequest, TrialView, RunRequest, RunBegun, RunView,
    AnswerRequest, RunCheck,
)  # fmt: skip

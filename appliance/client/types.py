"""What the calls take and give, as the OpenAPI document names it. Generated: do not edit."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Accepted = TypedDict(
    "Accepted",
    {
        "id": "str",
        "status": "str",
        "class": "str",
        "segments": "int",
        "encoding": "str",
        "index": "NotRequired[int]",
        "reference": "NotRequired[str]",
        "held_until": "NotRequired[str]",
        "rule": "NotRequired[str]",
    },
)
"""A message that was accepted, as the caller is told. `held_until`: it waits for the end of quiet hours, named in `rule`."""


class Alive(TypedDict):
    """The process answers."""

    alive: bool


class AnswerRequest(TypedDict):
    """What a person of the bank decided: one of the run's `answers`."""

    answer: str
    who: str


class ArticleSaid(TypedDict):
    """What one article of Delegated Regulation (EU) 2018/389 says."""

    article: str
    candidate: bool
    because: str


class AskedWay(TypedDict):
    """A channel that is tried when the one before it did not arrive: at once when that is told, else after so many seconds without a receipt."""

    channel: str
    after_s: NotRequired[int | None]


class BatchAnswer(TypedDict):
    """What became of each row of a batch."""

    accepted: list[Accepted]
    rejected: list[Rejected]


class Body(TypedDict):
    """What a template says, as it is saved: `texts` by BCP 47 tag; `locale` is the one for everybody whose own is not there."""

    texts: dict[str, str]
    locale: str
    zone: NotRequired[str]


Brief = TypedDict(
    "Brief",
    {
        "id": "str",
        "status": "str",
        "class": "str",
        "from": "str | None",
        "to": "str | None",
        "segments": "int",
        "encoding": "str",
        "link": "str | None",
        "reference": "str | None",
        "accepted_at": "str",
        "send_at": "str | None",
        "expires_at": "str",
        "error": "str | None",
        "code": "str | None",
    },
)
"""A message in a list. `code`: why number and reference are null although nobody erased them: what is sealed does not open."""


class Cancelled(TypedDict):
    """A message that will not be sent."""

    id: str
    status: str


class CheckRequest(TypedDict):
    """What the customer entered; for a payment also the one that is about to be executed."""

    code: str
    payee: NotRequired[str | None]
    amount: NotRequired[str | None]
    currency: NotRequired[str | None]
    payees: NotRequired[list[str] | None]


class Details(TypedDict):
    """What a country's register knows of a sender. `per_minute` and `per_day`: segments that a US campaign and its brand may send."""

    evidence: NotRequired[str]
    entity_id: NotRequired[str]
    template_ids: NotRequired[list[str]]
    templates: NotRequired[dict[str, str]]
    campaign_id: NotRequired[str]
    brand_id: NotRequired[str]
    per_minute: NotRequired[int]
    per_day: NotRequired[int]


class Event(TypedDict):
    """A status that a message reached, and when."""

    at: str
    status: str
    detail: NotRequired[str | None]


class EvidenceFiles(TypedDict):
    """File name -> content, as text: the record, a proof of each entry of the audit log, the log's public key."""

    digest: str
    files: dict[str, str]


class EvidenceRequest(TypedDict):
    """The payment of a dispute, to be compared with what the code was bound to; or nothing."""

    payee: NotRequired[str | None]
    amount: NotRequired[str | None]
    currency: NotRequired[str | None]
    payees: NotRequired[list[str] | None]


class ExemptionAnswer(TypedDict):
    """Strong authentication is required, or the payment is a candidate for `article`. Never a decision: that is yours, and so is answering for it."""

    answer: Literal["candidate", "required"]
    article: str | None
    because: str
    articles: list[ArticleSaid]


class ExemptionRequest(TypedDict):
    """A payment, or a look at the account. `amount_eur`: of a payment in another currency; without it no threshold is met."""

    payer: str
    kind: Literal["account_access", "contactless", "corporate", "remote_card", "transfer", "unattended"]
    amount: NotRequired[str | None]
    currency: NotRequired[str | None]
    amount_eur: NotRequired[str | None]
    payee: NotRequired[str | None]
    own_account: NotRequired[bool]
    risks: NotRequired[Risks | None]


class ForgetRequest(TypedDict):
    """A payer whose counters, trusted payees and series are to be erased."""

    payer: str


class InboundPage(TypedDict):
    """Oldest first. `next`: the `cursor` of the next page, null on the last; `latest`: the cursor to go on from later."""

    messages: list[InboundView]
    next: str | None
    latest: str | None


InboundView = TypedDict(
    "InboundView",
    {
        "id": "str",
        "from": "str | None",
        "to": "str",
        "text": "str | None",
        "at": "str",
        "complete": "bool",
        "parts": "int",
        "missing": "list[int]",
        "redacted": "bool",
        "code": "str | None",
    },
)
"""A customer's message. `text` is null for what is no text; `complete` false: parts named in `missing` never came. `redacted`: its content was erased; then `text` is null and `parts` 0, and `from` null once its day's key is destroyed. `code`: why `from` and `text` are null although nobody erased them: what is sealed does not open."""


class Leaving(TypedDict):
    """How it would leave over the first link of its route: `tables` the national language tables that each part names."""

    link: str
    encoding: str
    segments: int
    tables: list[str]


class LinkView(TypedDict):
    """An operator link: its state and its counts since the engine started. `pace` 0: no limit, segments a second."""

    name: str
    state: str
    window: int
    in_flight: int
    pace: float
    queued: int
    submitted: int
    answered: int
    receipted: int
    errors: int
    throttled: int
    up_since: str | None
    last_error: str | None


class Links(TypedDict):
    """All operator links."""

    links: list[LinkView]


class LookupView(TypedDict):
    """`valid`: the number's range is known to be in use. `operator`: a name of the routes' operators, by ENUM, else by the ported numbers, else by the number plan; `rule` says which. `code`: what ENUM or the national database calls whom it moved to. `ported`: null where neither is there."""

    number: str
    country: str | None
    calling_code: int
    valid: bool
    type: str | None
    operator: str | None
    ported: bool | None
    code: str | None
    rule: str


Message = TypedDict(
    "Message",
    {
        "to": "str",
        "text": "NotRequired[str | None]",
        "from": "NotRequired[str | None]",
        "class": "NotRequired[Literal['alert', 'bulk', 'otp', 'transaction'] | None]",
        "channel": "NotRequired[str | None]",
        "fallback": "NotRequired[list[str | AskedWay] | None]",
        "reference": "NotRequired[str | None]",
        "validity_s": "NotRequired[int | None]",
        "send_at": "NotRequired[str | None]",
        "callback_url": "NotRequired[str | None]",
        "metadata": "NotRequired[dict[str, str] | None]",
        "template": "NotRequired[str | None]",
        "params": "NotRequired[dict[str, str | int | dict[str, str]] | None]",
        "locale": "NotRequired[str | None]",
    },
)
"""One message to send. A field that may be left out may be null as well: many serializers write absent ones so."""


class MessageBatch(TypedDict):
    """Many messages to send; each is accepted or refused on its own."""

    messages: list[Message | Any]


MessageView = TypedDict(
    "MessageView",
    {
        "id": "str",
        "status": "str",
        "class": "str",
        "from": "str | None",
        "to": "str | None",
        "text": "str | None",
        "segments": "int",
        "encoding": "str",
        "link": "str | None",
        "reference": "str | None",
        "metadata": "dict[str, str] | None",
        "accepted_at": "str",
        "send_at": "str | None",
        "expires_at": "str",
        "error": "str | None",
        "code": "str | None",
        "events": "list[Event]",
        "parts": "list[PartView]",
        "explanation": "list[Ruling]",
        "run": "NotRequired[str | None]",
    },
)
"""A message with its text and its history; `text`, `reference` and `metadata` are null after redaction. `run`: the workflow that sends it and what follows from it, as a message with a `fallback` has one: GET /v1/runs/{id}. `explanation`: by which rule each desk let it through; after redaction without what the rules made of the text. `code`: why what is sealed of it does not open, although nobody erased it."""


class Noted(TypedDict):
    """`changed`: whether anything did; the same again changes nothing."""

    changed: bool


class Page(TypedDict):
    """A page of a search, newest first; `next` is the `cursor` of the page after it, null on the last. One for which many had to be read is short, or empty."""

    messages: list[Brief]
    next: str | None


class PartView(TypedDict):
    """One segment on its way."""

    part: int
    status: str
    submitted_at: str | None
    answered_at: str | None
    receipted_at: str | None
    error: str | None


Preview = TypedDict(
    "Preview",
    {
        "text": "NotRequired[str | None]",
        "to": "NotRequired[str | None]",
        "from": "NotRequired[str | None]",
        "class": "NotRequired[Literal['alert', 'bulk', 'otp', 'transaction'] | None]",
        "template": "NotRequired[str | None]",
        "params": "NotRequired[dict[str, str | int | dict[str, str]] | None]",
        "locale": "NotRequired[str | None]",
        "validity_s": "NotRequired[int | None]",
        "send_at": "NotRequired[str | None]",
    },
)
"""A message to look at without sending it."""


class Previewed(TypedDict):
    """What a text would cost: `parts` as the handset would put them together again, `rules` what changed the text and which register of senders was asked, `route` the links in order of preference, `steps` why these, `sender` what leaves instead of the one given, `leaving` what the first of these links makes of the text, `held_until` the end of the quiet hours that it would wait for, `explanation` by which rule each desk lets it through."""

    encoding: str
    segments: int
    characters: int
    parts: list[str]
    route: list[str] | None
    price: NotRequired[None]
    rules: NotRequired[list[str]]
    steps: NotRequired[list[Step]]
    sender: NotRequired[str | None]
    leaving: NotRequired[Leaving | None]
    held_until: NotRequired[str | None]
    explanation: NotRequired[list[Ruling]]


class Problem(TypedDict):
    """RFC 9457. `code` is stable and what a program goes by; `type` is the address of its explanation."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    field: NotRequired[str | None]
    checks: NotRequired[dict[str, str] | None]
    problems: NotRequired[list[dict[str, str | int]] | None]


class RateRequest(TypedDict):
    """Value in euro of fraud and of all payments of a kind in a quarter, with strong authentication and without."""

    kind: Literal["remote_card", "transfer"]
    fraud: str
    total: str


class Ready(TypedDict):
    """New messages are accepted."""

    ready: bool
    checks: dict[str, str]


class Redacted(TypedDict):
    """A message whose content is gone."""

    id: str
    redacted: bool


class Rejected(TypedDict):
    """A row of a batch that was refused, and why."""

    index: int
    code: str
    message: str
    hint: str
    field: NotRequired[str]


class ReportRequest(TypedDict):
    """What was done. `reference`: your id of the payment, under which it counts once; `series`: it began a series with this payee and amount."""

    reference: str
    payer: str
    kind: Literal["account_access", "contactless", "corporate", "remote_card", "transfer", "unattended"]
    authenticated: bool
    amount: NotRequired[str | None]
    currency: NotRequired[str | None]
    amount_eur: NotRequired[str | None]
    payee: NotRequired[str | None]
    series: NotRequired[bool]
    article: NotRequired[Literal["10", "11", "12", "13", "14", "15", "16", "17", "18"] | None]


class Risks(TypedDict):
    """What your real-time analysis found (article 18(2)(c)); every one has to be said."""

    abnormal_spending: bool
    unusual_device: bool
    malware: bool
    known_fraud: bool
    abnormal_location: bool
    risky_payee_location: bool


class Ruling(TypedDict):
    """One decision: the desk, the rule by its name, what came of it, why, and which version of the rule's table it was."""

    desk: str
    rule: str
    outcome: str
    why: str
    version: NotRequired[str | None]


class RunBegun(TypedDict):
    """A run that is on disk."""

    id: str
    workflow: str
    version: int
    status: Literal["running"]


class RunCheck(TypedDict):
    """What the customer entered; for a payment also the one that is about to be executed."""

    code: str
    payee: NotRequired[str | None]
    amount: NotRequired[str | None]
    currency: NotRequired[str | None]


class RunRequest(TypedDict):
    """A run to be started for one customer."""

    workflow: str
    to: str
    params: NotRequired[dict[str, str | int | dict[str, str]] | None]
    locale: NotRequired[str | None]
    reference: NotRequired[str | None]
    callback_url: NotRequired[str | None]


class RunStep(TypedDict):
    """One line of a run's story. Never a text, a number or a code."""

    at: str
    step: int
    state: str
    heard: str
    to: str


class RunView(TypedDict):
    """How a run stands. `verification`: of its newest code."""

    id: str
    workflow: str
    version: int
    status: Literal["ended", "running"]
    state: str
    waits_for: str
    outcome: str
    started_at: str
    changed_at: str
    verification: str | None
    answers: list[str]
    story: list[RunStep]


class SenderChange(TypedDict):
    """What became of a registration: confirmed, from a day (today without it) to another, or expired."""

    state: Literal["confirmed", "expired"]
    valid_from: NotRequired[str | None]
    expires: NotRequired[str | None]
    details: NotRequired[Details | None]


class SenderList(TypedDict):
    """Registrations in the order in which they were asked for; `next` is the `cursor` of the next page."""

    senders: list[SenderView]
    next: str | None


class SenderRequest(TypedDict):
    """A sender whose registration in a country was asked for."""

    sender: str
    country: str
    details: NotRequired[Details | None]


class SenderView(TypedDict):
    """A sender's registration in a country. `expires` null: not until it is said."""

    id: int
    sender: str
    country: str
    kind: str
    state: str
    requested_at: str
    valid_from: str | None
    expires: str | None
    details: Details
    changed_at: str


class Step(TypedDict):
    """One rule that was asked: what it is, whether it fitted, and why."""

    rule: str
    matched: bool
    why: str


class SuppressionList(TypedDict):
    """Oldest first; `next` is the `cursor` of the next page, null on the last."""

    suppressions: list[SuppressionView]
    next: str | None


class SuppressionRequest(TypedDict):
    """A customer who asked not to get the messages of a programme, `all` for every one."""

    number: str
    programme: NotRequired[str]


class SuppressionView(TypedDict):
    """One that counts. `evidence`: id of the customer's message in /v1/inbound, null without one."""

    id: str
    number: str
    programme: str
    since: str
    source: str
    word: str
    evidence: str | None
    who: str


class TemplateList(TypedDict):
    """Templates in use by name; `next` is the `cursor` of the next page."""

    templates: list[TemplateView]
    next: str | None


class TemplateView(TypedDict):
    """A template in use. `params`: what each parameter has to be: string, number, money or moment."""

    name: str
    version: int
    locale: str
    zone: str
    texts: dict[str, str]
    params: dict[str, str]
    saved_at: str
    in_use: bool


class TrialLine(TypedDict):
    """One step: seconds since the start, the state, what was heard there, where it went, what was said."""

    after_s: int
    state: str
    heard: str
    to: str
    says: str


class TrialRequest(TypedDict):
    """A run to be tried without sending anything: of a workflow that is there, or of a definition; `happens` as in its tests."""

    workflow: NotRequired[str | None]
    definition: NotRequired[str | dict[str, Any] | None]
    params: NotRequired[dict[str, str | int | dict[str, str]] | None]
    locale: NotRequired[str | None]
    happens: NotRequired[list[dict[str, Any]] | None]


class TrialView(TypedDict):
    """How it went, and where it stands: in `state`, waiting for `waits_for`; `outcome` when it ended."""

    state: str
    waits_for: str
    until_s: int
    outcome: str
    path: list[str]
    lines: list[TrialLine]
    texts: list[str]
    webhooks: list[str]


class TrustRequest(TypedDict):
    """A payee put on a payer's list of trusted beneficiaries, with strong authentication (article 13(1)), or taken from it."""

    payer: str
    payee: str
    trusted: bool


class VerificationBegun(TypedDict):
    """A verification whose message is on disk."""

    id: str
    status: Literal["pending"]
    expires_at: str


class VerificationChecked(TypedDict):
    """Approved once, or denied: nothing says why."""

    status: Literal["approved", "denied"]


class VerificationRequest(TypedDict):
    """A code to be sent. For a payment `payee` (or `payees`), `amount` and `currency`, all three: it is worth nothing for another one."""

    to: str
    purpose: str
    locale: NotRequired[str | None]
    channels: NotRequired[list[str | AskedWay] | None]
    payee: NotRequired[str | None]
    payees: NotRequired[list[str] | None]
    amount: NotRequired[str | None]
    currency: NotRequired[str | None]
    length: NotRequired[int | None]
    life_s: NotRequired[int | None]
    template: NotRequired[str | None]
    user: NotRequired[str | None]
    address: NotRequired[str | None]


class VerificationView(TypedDict):
    """How it stands. `bound`: whether to a payment; `sends`, `tries`: how many there were; `run`: the workflow that sends it, as one by several channels has."""

    id: str
    status: Literal["approved", "cancelled", "expired", "failed", "pending"]
    purpose: str
    bound: bool
    created_at: str
    expires_at: str
    sends: int
    tries: int
    run: NotRequired[str | None]


class WorkflowChecked(TypedDict):
    """Whether a definition could be used."""

    right: bool
    problems: list[WorkflowProblem]
    tests: list[WorkflowTest]


class WorkflowList(TypedDict):
    """All of them, without their definitions."""

    workflows: list[WorkflowView]


class WorkflowProblem(TypedDict):
    """What is wrong with a definition: the line, where that is, and the reason."""

    line: int
    where: str
    why: str


class WorkflowRequest(TypedDict):
    """A definition to be saved as a draft or to be checked."""

    definition: str | dict[str, Any]


class WorkflowTest(TypedDict):
    """One of the definition's own tests; `why` is empty when it passed."""

    name: str
    passed: bool
    why: str


class WorkflowView(TypedDict):
    """One workflow: the version in use, else the newest, and how it stands."""

    name: str
    version: int
    state: Literal["active", "asked", "draft", "refused", "retired"]
    title: str
    params: dict[str, str]
    saved_at: str
    digest: str
    definition: NotRequired[dict[str, Any] | None]

"""What callers read: the shape of every answer about messages and links, made from what the store holds. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from appliance.clock import rfc3339
from appliance.evidence import Ruling
from appliance.flows import address_of
from appliance.message import CLASSES, ENCODINGS, STATUSES, Content, id_text
from appliance.senders import Details
from appliance.store import Found
from appliance.text import decode

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class Event(Struct):
    """A status that a message reached, and when."""

    at: Time
    status: str
    detail: str | None = None


class PartView(Struct):
    """One segment on its way."""

    part: int
    status: str
    submitted_at: Time | None
    answered_at: Time | None
    receipted_at: Time | None
    error: str | None


class Brief(Struct):
    """A message in a list. `code`: why number and reference are null although nobody erased them: what is sealed does not open."""

    id: str
    status: str
    class_: str = field(name="class")
    from_: str | None = field(name="from")
    to: str | None
    segments: int
    encoding: str
    link: str | None
    reference: str | None
    accepted_at: Time
    send_at: Time | None
    expires_at: Time
    error: str | None
    code: str | None


class MessageView(Struct):
    """A message with its text and its history; `text`, `reference` and `metadata` are null after redaction.

    `run`: the workflow that sends it and what follows from it, as a message with a `fallback` has one: GET /v1/runs/{id}. `explanation`: by which rule each desk let it through; after redaction without what the rules made of the text. `code`: why
    what is sealed of it does not open, although nobody erased it.
    """

    id: str
    status: str
    class_: str = field(name="class")
    from_: str | None = field(name="from")
    to: str | None
    text: str | None
    segments: int
    encoding: str
    link: str | None
    reference: str | None
    metadata: dict[str, str] | None
    accepted_at: Time
    send_at: Time | None
    expires_at: Time
    error: str | None
    code: str | None
    events: list[Event]
    parts: list[PartView]
    explanation: list[Ruling]
    run: str | None = None


class Page(Struct):
    """A page of a search, newest first; `next` is the `cursor` of the page after it, null on the last. One for which many had to be read is short, or empty."""

    messages: list[Brief]
    next: str | None


class Cancelled(Struct):
    """A message that will not be sent."""

    id: str
    status: str


class Redacted(Struct):
    """A message whose content is gone."""

    id: str
    redacted: bool


class LinkView(Struct):
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
    up_since: Time | None
    last_error: str | None


class Links(Struct):
    """All operator links."""

    links: list[LinkView]


class TemplateView(Struct):
    """A template in use. `params`: what each parameter has to be: string, number, money or moment."""

    name: str
    version: int
    locale: str
    zone: str
    texts: dict[str, str]
    params: dict[str, str]
    saved_at: Time
    in_use: bool


class TemplateList(Struct):
    """Templates in use by name; `next` is the `cursor` of the next page."""

    templates: list[TemplateView]
    next: str | None


class SenderView(Struct):
    """A sender's registration in a country. `expires` null: not until it is said."""

    id: int
    sender: str
    country: str
    kind: str
    state: str
    requested_at: Time
    valid_from: Time | None
    expires: Time | None
    details: Details
    changed_at: Time


class SenderList(Struct):
    """Registrations in the order in which they were asked for; `next` is the `cursor` of the next page."""

    senders: list[SenderView]
    next: str | None


class Alive(Struct):
    """The process answers."""

    alive: bool


class Ready(Struct):
    """New messages are accepted."""

    ready: bool
    checks: dict[str, str]


class Problem(Struct):
    """RFC 9457. `code` is stable and what a program goes by; `type` is the address of its explanation."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    field: str | None = None
    checks: dict[str, str] | None = None
    problems: list[dict[str, str | int]] | None = None


StatusWord = Literal[STATUSES]  # type: ignore[valid-type]  # the table is the one place that lists them
ClassWord = Literal[CLASSES]  # type: ignore[valid-type]  # as above


def _time(at_ms: int | None) -> str | None:
    return rfc3339(at_ms) if at_ms else None


def brief(found: Found, to: str | None, content: Content | None, code: str | None) -> Brief:
    return Brief(
        id_text(found.id),
        STATUSES[found.status],
        CLASSES[found.class_],
        found.sender or None,
        to,
        found.segments,
        ENCODINGS[found.encoding],
        found.link,
        content.reference if content else None,
        rfc3339(found.accepted_ms),
        _time(found.send_at_ms),
        rfc3339(found.expires_ms),
        found.error,
        code,
    )


def whole(
    found: Found, to: str | None, content: Content | None, code: str | None, explanation: list[Ruling]
) -> MessageView:
    return MessageView(
        id_text(found.id),
        STATUSES[found.status],
        CLASSES[found.class_],
        found.sender or None,
        to,
        decode(content.encoding, content.payload) if content else None,
        found.segments,
        ENCODINGS[found.encoding],
        found.link,
        content.reference if content else None,
        content.metadata if content else None,
        rfc3339(found.accepted_ms),
        _time(found.send_at_ms),
        rfc3339(found.expires_ms),
        found.error,
        code,
        [Event(rfc3339(at_ms), status, detail or None) for at_ms, status, detail in found.events],
        [
            PartView(p.part, p.status, _time(p.submitted_ms), _time(p.answered_ms), _time(p.receipted_ms), p.error)
            for p in found.parts
        ],
        explanation,
        _run(content.callback_url if content else None),
    )


def _run(url: str | None) -> str | None:
    """The run that hears what becomes of a message."""
    found = address_of(url) if url else None
    return id_text(found[0]) if found is not None else None

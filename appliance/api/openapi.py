"""The OpenAPI 3.1 document, made from the same types that read requests and write answers."""

from __future__ import annotations

from typing import Any, Final

import msgspec

import appliance
from appliance.intake import Accepted
from appliance.limits import IDEMPOTENCY_KEY_CHARACTERS_MAX, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX
from appliance.message import CLASSES, STATUSES
from appliance.templates import Body

from .calls import ALWAYS, REF, WITH_BODY, call, json_of, open_call
from .consenting import SuppressionList, SuppressionRequest, SuppressionView
from .exempting import EXEMPTION_BODIES
from .exempting_calls import exemptions
from .flowing_bodies import FLOW_BODIES
from .flowing_calls import workflows
from .hearing import InboundPage
from .looking_up import LookupView
from .requests import Message, MessageBatch, Preview, SenderChange, SenderRequest
from .sending import BatchAnswer, Previewed
from .verifying_calls import VERIFICATION_BODIES, verifications
from .views import (
    Alive,
    Cancelled,
    Links,
    MessageView,
    Page,
    Problem,
    Ready,
    Redacted,
    SenderList,
    SenderView,
    TemplateList,
    TemplateView,
)

BODIES: Final = (Message, MessageBatch, Preview, Accepted, BatchAnswer, Previewed, MessageView, Page, Cancelled, Redacted, Links, Body, TemplateView, TemplateList, SenderRequest, SenderChange, SenderView, SenderList, LookupView, InboundPage, SuppressionRequest, SuppressionView, SuppressionList, Alive, Ready, Problem, *VERIFICATION_BODIES, *EXEMPTION_BODIES, *FLOW_BODIES)  # fmt: skip

SENDS: Final = (
    *("hsm_unavailable", "audit_unavailable", "rate_limited"),
    *("idempotency_conflict", "number_invalid", "callback_not_allowed"),
)

EXAMPLE: Final = {"to": "+393331234567", "text": "Your code is 123456", "class": "otp", "reference": "A-1"}
MESSAGE_ID: Final = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "what POST /v1/messages gave",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$"},
    "example": "019ab1c2-7b1e-7000-8a3f-5f0c2d9e4b6a",
}
IDEMPOTENCY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "makes a request safe to repeat: same key and body, same answer; kept for a day at least",
    "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_CHARACTERS_MAX, "pattern": "^[!-~]+$"},
}
REPLAYED: Final = {
    "Idempotency-Replayed": {
        "description": "`true` when this is the answer of an earlier request",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
LOCATION: Final = {"Location": {"description": "where the message's status is", "schema": {"type": "string"}}}


def document() -> dict[str, Any]:
    """The whole document, ready to be encoded."""
    _, schemas = msgspec.json.schema_components(BODIES, ref_template=REF)
    # A row that is no Message is refused by itself, in the answer: it does not make the batch invalid.
    schemas["MessageBatch"]["properties"]["messages"]["items"] = {"anyOf": [{"$ref": REF.format(name="Message")}, {}]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Casemate",
            "version": str(getattr(appliance, "__version__", "0")),
            "description": "Send messages to customers, follow them, and find them again. Errors are RFC 9457 problem documents; "
            "go by `code`. A 202 means that the message is on disk.",
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": _paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "an API key: Authorization: Bearer KEY"}
            },
        },
    }


def _paths() -> dict[str, Any]:
    return {**_messages(), **_one_message(), **_others()}


def _messages() -> dict[str, Any]:
    return {
        "/v1/messages": {
            "post": call(
                "sendMessage",
                "Send one message",
                202,
                "Accepted",
                (*ALWAYS, *WITH_BODY, *SENDS, "not_found"),
                Message,
                parameters=[IDEMPOTENCY],
                headers=LOCATION | REPLAYED,
                example=EXAMPLE,
            ),
            "get": call(
                "searchMessages",
                "Search your messages, newest first",
                200,
                "Page",
                (*ALWAYS, "invalid", "number_invalid", "hsm_unavailable"),
                parameters=_search(),
            ),
        },
        "/v1/messages/batch": {
            "post": call(
                "sendBatch",
                "Send up to 1,000 messages; each is accepted or refused on its own",
                202,
                "BatchAnswer",
                ALWAYS + WITH_BODY + SENDS,
                MessageBatch,
                parameters=[IDEMPOTENCY],
                headers=REPLAYED,
                example={"messages": [EXAMPLE]},
            ),
        },
    }


def _redacts(name: str, summary: str, code: str) -> dict[str, Any]:
    codes = (*ALWAYS, "not_found", code, "engine_unavailable")
    return {"post": call(name, summary, 200, "Redacted", codes, parameters=[MESSAGE_ID])}


def _one_message() -> dict[str, Any]:
    return {
        "/v1/messages/{id}": {
            "get": call(
                "getMessage",
                "One message with its history",
                200,
                "MessageView",
                (*ALWAYS, "not_found", "hsm_unavailable"),
                parameters=[MESSAGE_ID],
            ),
        },
        "/v1/messages/{id}/cancel": {
            "post": call(
                "cancelMessage",
                "Cancel what has not left",
                200,
                "Cancelled",
                (*ALWAYS, "not_found", "not_cancellable", "engine_unavailable"),
                parameters=[MESSAGE_ID],
            ),
        },
        "/v1/messages/{id}/redact": _redacts("redactMessage", "Erase the content of a message", "not_redactable"),
        "/v1/inbound/{id}/redact": _redacts("redactInbound", "Erase what a customer wrote", "hsm_unavailable"),
    }


def _others() -> dict[str, Any]:
    return {
        "/v1/preview": {
            "post": call(
                "preview",
                "Encoding, segments and route of a text, without sending it",
                200,
                "Previewed",
                (*ALWAYS, *WITH_BODY, "number_invalid", "not_found"),
                Preview,
                example={"text": "Ciao"},
            ),
        },
        **_templates(),
        **_senders(),
        **_lookup(),
        **_customers(),
        **verifications(IDEMPOTENCY, REPLAYED),
        **workflows(IDEMPOTENCY, REPLAYED),
        **exemptions(),
        "/v1/links": {"get": call("listLinks", "The operator links", 200, "Links", (*ALWAYS, "engine_unavailable"))},
        "/v1/openapi.json": {
            "get": open_call("openapi", "This document", {"application/json": {"schema": {"type": "object"}}})
        },
        "/healthz": {"get": open_call("healthz", "The process is alive", json_of("Alive"))},
        "/readyz": {"get": open_call("readyz", "New messages are accepted", json_of("Ready"), "hsm_unavailable")},
        "/metrics": {"get": open_call("metrics", "Prometheus text", {"text/plain": {"schema": {"type": "string"}}})},
    }


def _templates() -> dict[str, Any]:
    name = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "its name: small letters, digits, dots, dashes, underscores",
        "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$"},
        "example": "payment-done",
    }
    cursor = {"name": "cursor", "in": "query", "required": False, "schema": {"type": "string"}}
    example = {"locale": "en", "texts": {"en": "{n, plural, one {# payment} other {# payments}}"}}
    return {
        "/v1/templates": {
            "get": call(
                "listTemplates", "Templates in use", 200, "TemplateList", (*ALWAYS, "invalid"), parameters=[cursor]
            )
        },
        "/v1/templates/{id}": {
            "get": call("getTemplate", "One template", 200, "TemplateView", (*ALWAYS, "not_found"), parameters=[name]),
            "put": call(
                "saveTemplate",
                "Save a template; every text is checked against every other",
                200,
                "TemplateView",
                (*ALWAYS, *WITH_BODY, "forbidden", "not_found", "template_invalid", "audit_unavailable", "store_full"),
                Body,
                parameters=[name],
                example=example,
            ),
            "delete": call(
                "removeTemplate",
                "Take a template out of use; its versions stay on record",
                200,
                "TemplateView",
                (*ALWAYS, "forbidden", "not_found", "audit_unavailable", "store_full"),
                parameters=[name],
            ),
        },
    }


def _lookup() -> dict[str, Any]:
    number = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "the number, E.164 with its plus; that it was asked is on the audit log, the number is not",
        "schema": {"type": "string", "pattern": r"^\+[1-9][0-9]{1,14}$"},
        "example": "+393331234567",
    }
    codes = (*ALWAYS, "number_invalid", "rate_limited", "audit_unavailable", "store_full")
    return {
        "/v1/lookup/{id}": {
            "get": call(
                "lookUpNumber",
                "Country, validity and operator of a number",
                200,
                "LookupView",
                codes,
                parameters=[number],
            )
        }
    }


def _senders() -> dict[str, Any]:
    number = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "what POST /v1/senders gave",
        "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,9}$"},
        "example": "1",
    }
    cursor = {
        "name": "cursor",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"},
    }
    changes = (*ALWAYS, *WITH_BODY, "sender_invalid", "audit_unavailable", "store_full")
    asked = {"sender": "MYBANK", "country": "IT", "details": {"evidence": "ticket 4711"}}
    confirmed = {"state": "confirmed", "expires": "2027-11-22", "details": {"evidence": "AGCom mail of 2026-11-22"}}
    return {
        "/v1/senders": {
            "get": call(
                "listSenders", "Registrations of senders", 200, "SenderList", (*ALWAYS, "invalid"), parameters=[cursor]
            ),
            "post": call(
                "requestSender",
                "Note that a sender's registration in a country was asked for",
                201,
                "SenderView",
                changes,
                SenderRequest,
                example=asked,
            ),
        },
        "/v1/senders/{id}": {
            "get": call(
                "getSender", "One registration", 200, "SenderView", (*ALWAYS, "not_found"), parameters=[number]
            ),
            "put": call(
                "changeSender",
                "Confirm a registration with its evidence, or end it",
                200,
                "SenderView",
                (*changes, "not_found"),
                SenderChange,
                parameters=[number],
                example=confirmed,
            ),
        },
    }


def _customers() -> dict[str, Any]:
    cursor = {"name": "cursor", "in": "query", "required": False, "schema": {"type": "string"}}
    limit = {
        "name": "limit",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_ROWS_MAX, "default": PAGE_ROWS_DEFAULT},
    }
    number = {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "what GET or POST /v1/suppressions gave",
        "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"},
        "example": "1",
    }
    changes = ("audit_unavailable", "store_full", "engine_unavailable", "hsm_unavailable")
    return {
        "/v1/inbound": {
            "get": call(
                "listInbound",
                "What customers wrote, oldest first, joined from its parts",
                200,
                "InboundPage",
                (*ALWAYS, "invalid", "hsm_unavailable"),
                parameters=[limit, cursor],
            )
        },
        "/v1/suppressions": {
            "get": call(
                "listSuppressions",
                "Customers who asked not to be written to",
                200,
                "SuppressionList",
                (*ALWAYS, "invalid", "hsm_unavailable"),
                parameters=[cursor],
            ),
            "post": call(
                "addSuppression",
                "Write to a number no more; what is queued for it is cancelled",
                201,
                "SuppressionView",
                (*ALWAYS, *WITH_BODY, "number_invalid", *changes),
                SuppressionRequest,
                example={"number": "+393331234567", "programme": "marketing"},
            ),
        },
        "/v1/suppressions/{id}": {
            "delete": call(
                "endSuppression",
                "Write to a number again; what was decided stays on record",
                200,
                "SuppressionView",
                (*ALWAYS, "not_found", *changes),
                parameters=[number],
            )
        },
    }


def _search() -> list[dict[str, Any]]:
    rows: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("status", {"type": "string", "enum": list(STATUSES)}, "the status it is in now"),
        ("class", {"type": "string", "enum": list(CLASSES)}, "its class"),
        ("link", {"type": "string", "pattern": "^[A-Za-z0-9-]{1,32}$"}, "the link it went over"),
        ("from_time", {"type": "string", "format": "date-time"}, "accepted at this time or later"),
        ("to_time", {"type": "string", "format": "date-time"}, "accepted before this time"),
        (
            "number",
            {"type": "string", "maxLength": 32},
            "the customer's number, E.164; such a search is on the audit log",
        ),
        (
            "limit",
            {"type": "integer", "minimum": 1, "maximum": PAGE_ROWS_MAX, "default": PAGE_ROWS_DEFAULT},
            "rows in a page",
        ),
        ("cursor", {"type": "string"}, "`next` of the page before"),
    )
    return [{"name": n, "in": "query", "required": False, "description": d, "schema": s} for n, s, d in rows]

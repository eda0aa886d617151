"""One address and method of the OpenAPI document: its bodies, its answer, and the problems it may have."""

from __future__ import annotations

from typing import Any, Final

from appliance.errors import CODES

from .problems import STATUS

REF: Final = "#/components/schemas/{name}"

#: Problems that any call with a credential may have, besides its own.
ALWAYS: Final = ("unauthorized", "not_acceptable", "internal")
WITH_BODY: Final = ("malformed", "too_large", "unsupported_media", "invalid")


def call(
    name: str,
    summary: str,
    status: int,
    answer: str,
    codes: tuple[str, ...],
    body: type | None = None,
    parameters: list[dict[str, Any]] | None = None,
    headers: dict[str, Any] | None = None,
    example: Any = None,
) -> dict[str, Any]:
    call: dict[str, Any] = {"operationId": name, "summary": summary}
    if parameters:
        call["parameters"] = parameters
    if body is not None:
        media: dict[str, Any] = {"schema": {"$ref": REF.format(name=body.__name__)}}
        if example is not None:
            media["example"] = example
        call["requestBody"] = {"required": True, "content": {"application/json": media}}
    done: dict[str, Any] = {"description": summary, "content": json_of(answer)}
    if headers:
        done["headers"] = headers
    call["responses"] = {str(status): done, **problems_of(codes)}
    return call


def open_call(name: str, summary: str, content: dict[str, Any], *codes: str) -> dict[str, Any]:
    done = {"200": {"description": summary, "content": content}, **problems_of((*codes, "not_acceptable", "internal"))}
    return {"operationId": name, "summary": summary, "security": [], "responses": done}


def json_of(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REF.format(name=name)}}}


def problems_of(codes: tuple[str, ...]) -> dict[str, Any]:
    """One response a status; all codes that share the status of one of `codes` are named in its description."""
    out: dict[str, Any] = {}
    for status in sorted({STATUS[c] for c in codes} | {405}):
        words = [f"`{c}`: {CODES[c]}" for c, s in STATUS.items() if s == status]
        response: dict[str, Any] = {
            "description": "; ".join(words),
            "content": {"application/problem+json": {"schema": {"$ref": REF.format(name="Problem")}}},
        }
        header = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After", 503: "Retry-After"}.get(status)
        if header:
            response["headers"] = {header: {"schema": {"type": "integer" if header == "Retry-After" else "string"}}}
        out[str(status)] = response
    return out

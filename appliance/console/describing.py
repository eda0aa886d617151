"""The admin API's own description: OpenAPI 3.1, made from the table of calls and the types that read their bodies."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from appliance import __version__
from appliance.access import NEVER_BY_TOKEN, PERMISSIONS, PROVEN
from appliance.errors import CODES

from . import bearer
from .calling import CALLS, PROBLEM_MEDIA, STATUS, Call, call

REF: Final = "#/components/schemas/{name}"
#: Statuses that any call can answer, beside those of its kind.
ALWAYS: Final = (401, 403, 422, 429, 500, 503)
WITH_BODY: Final = (400, 413, 415)
ABOUT: Final = (
    "Set up and look after the appliance, as people do in the console: the same acts, the same permissions, the same audit log. "
    "Errors are RFC 9457 problem documents; go by `code`. A write answers `changed`: the same again changes nothing. "
    "Where two people decide (`console.two_people`), a write answers 202 with `waits` and the change that another party approves. "
    "A token is made by a person on the page Admin tokens and is its maker's hand: it never approves what its maker asked for."
)
#: Calls whose answer is a file.
FILES: Final = frozenset({"export_log", "export_evidence", "ask_for_certificate"})
OUTCOME: Final[dict[str, Any]] = {
    "type": "object",
    "description": "what a write did; `waits` with `change` where another party has to approve it first",
    "properties": {
        "changed": {"type": "boolean"},
        "waits": {"type": "boolean"},
        "change": {"type": "object"},
        "secret": {"type": "string", "description": "shown once"},
        "password": {"type": "string", "description": "shown once"},
    },
}
PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail", "code", "hint"],
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "detail", "hint", "field")},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(STATUS)},
        "problems": {"type": "array", "items": {"type": "object"}},
    },
}


@call("GET", "/openapi.json", None)
def read_description() -> dict[str, Any]:
    """This document"""
    return document()


def document() -> dict[str, Any]:
    """The whole of it, ready to be encoded."""
    taken = {c.takes.__name__: c.takes for c in CALLS if c.takes is not None}
    _, schemas = msgspec.json.schema_components(list(taken.values()), ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for each in CALLS:
        paths.setdefault(bearer.ROOT + each.path, {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Casemate, admin API", "version": __version__, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Outcome": OUTCOME, "Problem": PROBLEM},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "a token of the page Admin tokens"}
            },
        },
    }


def _operation(each: Call) -> dict[str, Any]:
    told: dict[str, Any] = {"operationId": each.name, "summary": each.says, "responses": _responses(each)}
    parameters = [
        {"name": n, "in": "path", "required": True, "schema": _of_path(n)} for n in re.findall(r"{(\w+)}", each.path)
    ]
    parameters += [{"name": n, "in": "query", "required": False, "schema": {"type": "string"}} for n in each.query]
    if parameters:
        told["parameters"] = parameters
    if each.raw:
        told["requestBody"] = {"required": True, "content": {"application/octet-stream": {}}}
    elif each.takes is not None:
        content = {"application/json": {"schema": {"$ref": REF.format(name=each.takes.__name__)}}}
        needed = any(f.required for f in msgspec.structs.fields(each.takes))
        told["requestBody"] = {"required": needed, "content": content}
    if each.permission is not None:
        roles = ", ".join(sorted(PERMISSIONS[each.permission]))
        told["x-casemate-permission"] = each.permission
        again = "; the token must name this permission" if each.permission in PROVEN else ""
        told["description"] = f"Permission {each.permission}: {roles}{again}."
        assert each.permission not in NEVER_BY_TOKEN, each.name
    return told


def _of_path(name: str) -> dict[str, Any]:
    return (
        {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}
        if name == "number"
        else {"type": "string", "minLength": 1}
    )


def _responses(each: Call) -> dict[str, Any]:
    statuses = {*ALWAYS, *(WITH_BODY if each.takes is not None or each.raw else ())}
    if "{" in each.path or each.method == "POST":
        statuses |= {404, 409}
    body: dict[str, Any] = {"type": "object"} if each.method == "GET" else {"$ref": REF.format(name="Outcome")}
    if each.name in FILES:
        done: dict[str, Any] = {"description": "a file", "content": {"*/*": {}}}
    else:
        done = {"description": each.says, "content": {"application/json": {"schema": body}}}
        if each.name.startswith("report_"):
            done["content"]["application/zip"] = {}
    told: dict[str, Any] = {"200": done}
    if each.method in ("PUT", "DELETE", "POST") and each.name not in FILES:
        told["202"] = {"description": "waits for another party", "content": {"application/json": {"schema": body}}}
    problem = {"content": {PROBLEM_MEDIA: {"schema": {"$ref": REF.format(name="Problem")}}}}
    for status in sorted(statuses):
        codes = [code for code, given in STATUS.items() if given == status]
        told[str(status)] = {"description": "; ".join(CODES[code] for code in codes), **problem}
    return told

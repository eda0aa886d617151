"""The admin API's frame: one table of calls, how a body is read, how an answer and an error are written. The same acts and permissions as the pages.

Errors are RFC 9457 problem documents with a code of the closed list. Every write says `changed`: the same again changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from appliance.access import PERMISSIONS, Change, stands
from appliance.clock import rfc3339
from appliance.errors import CODES, Error
from appliance.limits import ADMIN_BODY_OCTETS_MAX

from . import bearer
from .acts import ACTS, takes_two
from .asked import Asked, Done
from .desk import desk, party, via, who

views = Blueprint("admin", __name__, url_prefix=bearer.ROOT)

#: Code -> HTTP status; what is not here is our own mistake.
STATUS: Final = {
    "malformed": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "key_state": 409,
    "workflow_state": 409,
    "legal_hold": 409,
    "not_held": 409,
    "too_large": 413,
    "unsupported_media": 415,
    "invalid": 422,
    "number_invalid": 422,
    "sender_invalid": 422,
    "settings_invalid": 422,
    "file_invalid": 422,
    "template_invalid": 422,
    "params_invalid": 422,
    "workflow_invalid": 422,
    "text_too_long": 422,
    "text_unmappable": 422,
    "rate_limited": 429,
    "internal": 500,
    "peer_unavailable": 503,
    "hsm_unavailable": 503,
    "engine_unavailable": 503,
    "audit_unavailable": 503,
    "audit_invalid": 503,
    "store_full": 503,
    "overloaded": 503,
}
PROBLEM_MEDIA: Final = "application/problem+json"
#: Members of a problem that programs read besides.
TOLD: Final = ("field", "problems")


class Call(NamedTuple):
    """One call as the document describes it. `takes`: the type of its body, None for none; `query`: names it reads of the address."""

    method: str
    path: str
    name: str
    permission: str | None
    says: str
    takes: Any
    query: tuple[str, ...]
    raw: bool
    octets_max: int


CALLS: Final[list[Call]] = []
View = Callable[..., Any]


def call(
    method: str,
    path: str,
    permission: str | None,
    takes: Any = None,
    query: tuple[str, ...] = (),
    raw: bool = False,
    octets_max: int = ADMIN_BODY_OCTETS_MAX,
) -> Callable[[View], View]:
    """Marks what answers a call: given the names in the path, then the body. `permission` None: any valid token. `raw`: the body is octets."""
    assert permission is None or permission in PERMISSIONS, permission

    def mark(answers: View) -> View:
        says = (answers.__doc__ or "").strip().split("\n")[0].rstrip(".")
        CALLS.append(Call(method, path, answers.__name__, permission, says, takes, query, raw, octets_max))

        def view(**given: Any) -> AnyResponse:
            request.max_content_length = octets_max
            unknown = set(request.args) - set(query)
            if unknown:
                raise Error(
                    "invalid", f"there is no parameter `{min(unknown)[:40]}`", f"of {', '.join(query) or 'none'}"
                )
            body = (request.get_data(),) if raw else (_read(takes),) if takes is not None else ()
            return answer(answers(**given, **dict(zip(("given",), body, strict=False))))

        view.permission = permission  # type: ignore[attr-defined]  # read by the guard before the view
        rule = re.sub(r"{(\w+)}", lambda m: f"<int:{m[1]}>" if m[1] == "number" else f"<{m[1]}>", path)
        views.add_url_rule(rule, answers.__name__, view, methods=[method], provide_automatic_options=False)
        return answers

    return mark


def _read(takes: Any) -> Any:
    """The body as its type. Raises Error `unsupported_media`, `malformed`, `invalid`."""
    octets = request.get_data()
    if not octets:
        octets = b"{}"
    elif request.mimetype != "application/json":
        raise Error("unsupported_media", "the body of a call is JSON", "Content-Type: application/json")
    try:
        return msgspec.json.decode(octets, type=takes)
    except msgspec.ValidationError as e:
        field = re.search(r"`\$\.?([\w.\[\]]*)`$|field `(\w+)`", str(e))
        named = next((each for each in (field.groups() if field else ()) if each), "")
        raise Error("invalid", str(e)[:300], field=named) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Error("malformed", "the body is no JSON") from None


def answer(said: Any) -> AnyResponse:
    """A response as it is; else what was said as JSON: 202 where it waits for another person."""
    if isinstance(said, AnyResponse):
        return said
    status = 202 if isinstance(said, dict) and said.get("waits") else 200
    return Response(msgspec.json.encode(said, enc_hook=_text), status, mimetype="application/json")


def _text(value: object) -> str:
    """What is text with a class of its own: a sentence in a person's language, a path."""
    if isinstance(value, str | Path):
        return str(value)
    raise NotImplementedError(type(value).__name__)


def problem(error: Error) -> AnyResponse:
    """An error as a program reads it."""
    status = STATUS.get(error.code, 500)
    code = error.code if status != 500 else "internal"
    ours = status == 500
    body: dict[str, Any] = {
        "type": f"/errors/{code}",
        "title": CODES[code],
        "status": status,
        "detail": "a mistake of the appliance's own is in its journal" if ours else error.message,
        "code": code,
        "hint": "" if ours else error.hint,
    }
    body |= {name: error.detail[name] for name in TOLD if name in error.detail and not ours}
    response = Response(msgspec.json.encode(body), status, mimetype=PROBLEM_MEDIA)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="casemate admin"'
    if status in (429, 503):
        wait = error.detail.get("retry_after_s") or error.detail.get("wait_s") or 1
        response.headers["Retry-After"] = str(wait)
    if status == 405:
        response.headers["Allow"] = str(error.detail.get("allow", ""))
    return response


# --- writing ----------------------------------------------------------------------------------------------


def change_view(change: Change) -> dict[str, Any]:
    return {
        "number": change.id,
        "act": change.act,
        "target": change.target,
        "state": stands(change, desk().clock()),
        "reason": change.reason,
        "asked_by": change.asked_by.removeprefix("console:"),
        "through_token": change.via or None,
        "asked_at": at(change.asked_ms),
        "until": at(change.until_ms),
        "decided_by": change.decided_by.removeprefix("console:") or None,
        "decided_at": at(change.decided_ms),
        "emergency": change.emergency,
        "reviewed_by": change.reviewed_by.removeprefix("console:") or None,
        "difference": [{"name": n, "now": old, "then": new} for n, old, new in change.difference()],
    }


def at(ms: int | None) -> str | None:
    return rfc3339(ms) if ms else None


def unchanged(**more: Any) -> dict[str, Any]:
    return {"changed": False, **more}


def changed(**more: Any) -> dict[str, Any]:
    return {"changed": True, **more}


def do_or_ask(
    act: str, target: str, old: dict[str, Any], new: dict[str, Any], held: str = "", reason: str = ""
) -> dict[str, Any] | Done:
    """Done at once; or asked for, when two people decide it: then the answer says that it waits. Asked for already: the same request."""
    it = desk()
    if not takes_two(act):
        return ACTS[act].do(Asked(target, old, new, held, who()))
    known = it.access.open_change(act, target, new, party(), it.clock())
    if known is not None:
        return unchanged(waits=True, change=change_view(known))
    with it.access.writing():
        number = it.access.begin_change(act, target, old, new, party(), it.clock(), held, via())
        asked = it.access.ask_for_change(number, reason, party(), it.clock())
        it.peers.record(who(), "approval.asked", f"change:{number}", act=act, on_index=number)
    return changed(waits=True, change=change_view(asked))

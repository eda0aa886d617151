"""From an error's code to an HTTP answer: the one table of statuses, and RFC 9457 problem documents."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from appliance.errors import CODES, Error

#: Every code that can leave through this door; a code that is not here leaves as `internal`.
STATUS: Final[dict[str, int]] = {
    "malformed": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "callback_not_allowed": 403,
    "suppressed": 403,
    "destination_blocked": 403,
    "number_at_risk": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "not_cancellable": 409,
    "not_held": 409,
    "not_redactable": 409,
    "verification_ended": 409,
    "workflow_state": 409,
    "workflow_invalid": 422,
    "idempotency_conflict": 409,
    "key_state": 409,
    "legal_hold": 409,
    "too_large": 413,
    "unsupported_media": 415,
    "invalid": 422,
    "number_invalid": 422,
    "sender_invalid": 422,
    "sender_unregistered": 422,
    "text_too_long": 422,
    "text_unmappable": 422,
    "content_refused": 422,
    "template_invalid": 422,
    "params_invalid": 422,
    "expired_before_sent": 422,
    "quiet_hours": 422,
    "rate_limited": 429,
    "internal": 500,
    "hsm_unavailable": 503,
    "engine_unavailable": 503,
    "audit_unavailable": 503,
    "number_unchecked": 503,
    "store_full": 503,
    "store_damaged": 503,
    "overloaded": 429,
    "no_route": 422,
}

#: What another process says, and what the caller is told instead.
INSTEAD: Final[dict[str, str]] = {
    "key_missing": "hsm_unavailable",
    "token_missing": "hsm_unavailable",
    "pin_invalid": "hsm_unavailable",
    "sealed": "hsm_unavailable",
    "mechanism_missing": "hsm_unavailable",
}

#: A process that does not answer (`peer_unavailable`), by the name in the error's detail; any other is an engine.
PEERS: Final[dict[str, str]] = {"keys": "hsm_unavailable", "auditor": "audit_unavailable"}

RETRY_AFTER_S: Final = 1  # of every 503: the appliance mends itself, or the supervisor restarts what died

PROBLEM_MEDIA: Final = b"application/problem+json"

assert set(STATUS) <= set(CODES)
assert set(INSTEAD.values()) <= set(STATUS)

_encode: Final = msgspec.json.Encoder().encode


def outward(error: Error) -> Error:
    """The error as a caller may see it: codes of the inside are translated, unknown ones become `internal`."""
    if error.code in STATUS:
        return error
    if error.code == "peer_unavailable":
        code = PEERS.get(str(error.detail.get("process")), "engine_unavailable")
    else:
        code = INSTEAD.get(error.code, "internal")
    return Error(code, CODES[code], "try again in a moment; /readyz tells when it is worth it")


def document(error: Error) -> dict[str, Any]:
    """The members of the problem document (RFC 9457 section 3): `type` is a relative address that explains the code."""
    body: dict[str, Any] = {
        "type": f"/errors/{error.code}",
        "title": CODES[error.code],
        "status": STATUS[error.code],
        "detail": error.message,
        "code": error.code,
        "hint": error.hint,
    }
    for name in ("field", "rule", "checks", "problems"):
        if name in error.detail:
            body[name] = error.detail[name]
    return body


def answer(error: Error) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Status, body and the headers that belong to it, besides type and length."""
    error = outward(error)
    status = STATUS[error.code]
    headers: list[tuple[bytes, bytes]] = []
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="casemate"'))
    elif status == 405:
        headers.append((b"allow", str(error.detail.get("allow", "")).encode("ascii")))
    elif status in (429, 503):
        headers.append((b"retry-after", b"%d" % max(1, int(error.detail.get("retry_after_s", RETRY_AFTER_S)))))
    return status, _encode(document(error)), headers

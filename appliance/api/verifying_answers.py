"""Small parts of what the calls about verifications take and answer: ids, keys, the detail of log entries, views. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from appliance.clock import now_ms, rfc3339
from appliance.message import id_octets, id_text
from appliance.verify import Verification, batch_of, not_found

from .asgi import Answer, Request
from .verifying_bodies import VerificationBegun, VerificationView

_encode: Final = msgspec.json.Encoder().encode


def payee_of(asked: Any) -> str | None:
    """The payee of a request, or the payees of its batch as one."""
    payee: str | None = asked.payee
    return payee if asked.payees is None else batch_of(asked.payees)


def id_of(request: Request) -> bytes:
    """Raises Error `not_found` for what no id can be: that tells nothing of any verification."""
    found = id_octets(request.param.lower())
    if found is None:
        raise not_found()
    return found


def send_key(verification: bytes, sends: int) -> bytes:
    """The message's own idempotency key. No caller can write a blank into one of its own."""
    return b"verification %s %d" % (verification.hex().encode(), sends)


def detail_of(purpose: str, bound: bytes) -> dict[str, Any]:
    return {"purpose": purpose, "bound": bool(bound)} | ({"digest": bound.hex()} if bound else {})


def begun_answer(verification: bytes, expires_ms: int, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Answer:
    text = id_text(verification)
    location = (b"location", f"/v1/verifications/{text}".encode())
    return Answer(201, _encode(VerificationBegun(text, "pending", rfc3339(expires_ms))), headers=(location, *headers))


def view_of(row: Verification) -> VerificationView:
    status: Any = row.status(now_ms())
    created, until = rfc3339(row.created_ms), rfc3339(row.expires_ms)
    return VerificationView(
        id_text(row.id),
        status,
        row.purpose,
        bool(row.bound),
        created,
        until,
        row.sends,
        row.tries,
        id_text(row.run) if row.run else None,
    )

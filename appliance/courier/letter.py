"""The webhook itself: its body, its name and its signature, as Standard Webhooks 1.0 wants them. Pure.

The body of a status has no telephone number and no text: a callback host learns the status, nothing that was said. What a customer
wrote is told whole only to an address that the settings name for it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, Final

from appliance.clock import rfc3339
from appliance.message import CHANGE, RECEIVED, STATUSES, WORKFLOW, id_text

SECRET_PREFIX: Final = "whsec_"
EVENT_TYPE: Final = "message.status"
RECEIVED_TYPE: Final = "message.received"
WORKFLOW_TYPE: Final = "workflow."
_OTHERS: Final = {RECEIVED: "received", WORKFLOW: "workflow", CHANGE: "change"}
#: What is told by letter -> the beginning of its type.
LETTERS: Final = {WORKFLOW: WORKFLOW_TYPE, CHANGE: "change."}


def secret_text(key: bytes) -> str:
    """The form in which a secret is handed to the bank: `whsec_` and base64."""
    return SECRET_PREFIX + base64.b64encode(key).decode("ascii")


def body(
    message_id: bytes, status: int, at_ms: int, error: str, reference: str | None, metadata: dict[str, str] | None
) -> bytes:
    """The JSON of one status, the same octets at every attempt."""
    told: dict[str, Any] = {
        "id": id_text(message_id),
        "status": STATUSES[status],
        "reference": reference,
        "error": error or None,
        "at": rfc3339(at_ms),
    }
    if metadata:
        told["metadata"] = metadata
    whole = {"type": EVENT_TYPE, "timestamp": rfc3339(at_ms), "data": told}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def received_body(at_ms: int, told: dict[str, Any]) -> bytes:
    """The JSON of a customer's message; `told` as in GET /v1/inbound."""
    whole = {"type": RECEIVED_TYPE, "timestamp": rfc3339(at_ms), "data": told}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def letter_body(kind: int, at_ms: int, told: dict[str, Any]) -> bytes:
    """The JSON of what a workflow tells, or what is told of a change of two people: `told` has its `event`, which is the type."""
    whole = {"type": f"{LETTERS[kind]}{told['event']}", "timestamp": rfc3339(at_ms), "data": told}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def webhook_id(message_id: bytes, status: int) -> str:
    """One name per message and status, so that the bank can tell a repetition. Has no dot: the signature counts on that."""
    return f"{id_text(message_id)}-{_OTHERS.get(status) or STATUSES[status]}"


def headers(key: bytes, name: str, now_ms: int, octets: bytes) -> dict[str, str]:
    """The headers of one attempt. `webhook-timestamp` is the time of the attempt, as the specification says."""
    seconds = str(now_ms // 1000)
    signed = f"{name}.{seconds}.".encode("ascii") + octets
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")
    return {
        "content-type": "application/json",
        "user-agent": "casemate",
        "webhook-id": name,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{mac}",
    }

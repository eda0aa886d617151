"""The calls about verifications in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from .calls import ALWAYS, WITH_BODY, call
from .verifying_bodies import (
    CheckRequest,
    EvidenceFiles,
    EvidenceRequest,
    VerificationBegun,
    VerificationChecked,
    VerificationRequest,
    VerificationView,
)

VERIFICATION_BODIES: Final = (
    VerificationRequest,
    CheckRequest,
    VerificationBegun,
    VerificationChecked,
    VerificationView,
    EvidenceRequest,
    EvidenceFiles,
)
_ID: Final = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "what POST /v1/verifications gave",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$"},
    "example": "019ab1c2-7b1e-7000-8a3f-5f0c2d9e4b6a",
}
_PAYMENT: Final = {"payee": "Rossi S.r.l.", "amount": "10.00", "currency": "EUR"}
_SENDS: Final = ("hsm_unavailable", "rate_limited", "audit_unavailable", "store_full")


def verifications(idempotency: dict[str, Any], replayed: dict[str, Any]) -> dict[str, Any]:
    """Their paths. `idempotency`: the header that makes a request safe to repeat; `replayed`: the one that says it was."""
    location = {"Location": {"description": "where the verification is", "schema": {"type": "string"}}}
    return {
        "/v1/verifications": {
            "post": call(
                "beginVerification",
                "Send a one-time code, bound to payee and amount where there is a payment",
                201,
                "VerificationBegun",
                (
                    *ALWAYS,
                    *WITH_BODY,
                    *_SENDS,
                    "number_invalid",
                    "verification_ended",
                    "destination_blocked",
                    "number_at_risk",
                    "number_unchecked",
                ),
                VerificationRequest,
                parameters=[idempotency],
                headers=location | replayed,
                example={"to": "+393331234567", "purpose": "payment", "locale": "it", **_PAYMENT},
            )
        },
        **_one(idempotency),
    }


def _one(idempotency: dict[str, Any]) -> dict[str, Any]:
    one = "/v1/verifications/{id}"
    ending = (*ALWAYS, "not_found", "verification_ended")
    return {
        one: {
            "get": call(
                "getVerification",
                "How a verification stands",
                200,
                "VerificationView",
                (*ALWAYS, "not_found"),
                parameters=[_ID],
            )
        },
        f"{one}/check": {
            "post": call(
                "checkVerification",
                "Try a code: approved once, or denied, whatever was wrong",
                200,
                "VerificationChecked",
                (*ALWAYS, *WITH_BODY, *_SENDS, "not_found"),
                CheckRequest,
                parameters=[_ID],
                example={"code": "123456", **_PAYMENT},
            )
        },
        f"{one}/cancel": {
            "post": call(
                "cancelVerification",
                "End a verification: its code is worth nothing any more",
                200,
                "VerificationView",
                (*ending, "audit_unavailable", "store_full"),
                parameters=[_ID],
            )
        },
        f"{one}/evidence": {
            "post": call(
                "verificationEvidence",
                "What the audit log has of an authentication, with its proofs, for a dispute; without the number",
                200,
                "EvidenceFiles",
                (*ALWAYS, *WITH_BODY, *_SENDS, "not_found"),
                EvidenceRequest,
                parameters=[_ID],
                example=_PAYMENT,
            )
        },
        f"{one}/resend": {
            "post": call(
                "resendVerification",
                "Send its message again, with a new code unless the settings say the same",
                200,
                "VerificationView",
                (*ending, "invalid", "destination_blocked", "number_at_risk", "number_unchecked", *_SENDS),
                parameters=[_ID, idempotency],
            )
        },
    }

"""The calls about exemptions in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from .calls import ALWAYS, WITH_BODY, call
from .exempting import ExemptionRequest, ForgetRequest, RateRequest, ReportRequest, TrustRequest

_CHANGES: Final = (*ALWAYS, *WITH_BODY, "hsm_unavailable", "audit_unavailable", "store_full")
_QUARTER: Final = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "one that is over",
    "schema": {"type": "string", "pattern": "^20[0-9]{2}-Q[1-4]$"},
    "example": "2026-Q3",
}
_PAYMENT: Final = {"payer": "customer-77", "kind": "remote_card", "amount": "19.90", "currency": "EUR"}


def exemptions() -> dict[str, Any]:
    """Their paths."""
    return {
        "/v1/exemptions": {
            "post": call(
                "askExemption",
                "Is strong authentication required, or is the payment a candidate for an exemption, and why",
                200,
                "ExemptionAnswer",
                (*ALWAYS, *WITH_BODY, "hsm_unavailable"),
                ExemptionRequest,
                example=_PAYMENT | {"payee": "Rossi S.r.l."},
            )
        },
        "/v1/exemptions/reports": {
            "post": call(
                "reportPayment",
                "What was done: it counts until the next strong authentication",
                200,
                "Noted",
                _CHANGES,
                ReportRequest,
                example={"reference": "P-1", "authenticated": False, "article": "16", **_PAYMENT},
            )
        },
        "/v1/exemptions/trusted": {
            "post": call(
                "trustPayee",
                "Put a payee on a payer's list of trusted beneficiaries, or take it off",
                200,
                "Noted",
                _CHANGES,
                TrustRequest,
                example={"payer": "customer-77", "payee": "Rossi S.r.l.", "trusted": True},
            )
        },
        "/v1/exemptions/forget": {
            "post": call(
                "forgetPayer",
                "Erase a payer's counters, trusted payees and series",
                200,
                "Noted",
                _CHANGES,
                ForgetRequest,
                example={"payer": "customer-77"},
            )
        },
        "/v1/exemptions/rates/{id}": {
            "put": call(
                "tellFraudRate",
                "The fraud of a quarter that is over, for transaction risk analysis",
                200,
                "Noted",
                _CHANGES,
                RateRequest,
                parameters=[_QUARTER],
                example={"kind": "remote_card", "fraud": "1200.00", "total": "9000000.00"},
            )
        },
    }

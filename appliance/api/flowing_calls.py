"""The calls about workflows in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from .calls import ALWAYS, WITH_BODY, call, open_call
from .flowing_bodies import AnswerRequest, RunCheck, RunRequest, TrialRequest, WorkflowRequest

_NAME: Final = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "the workflow's name",
    "schema": {"type": "string"},
    "example": "fraud-alert",
}
_ID: Final = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "what POST /v1/runs gave",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$"},
    "example": "019ab1c2-7b1e-7000-8a3f-5f0c2d9e4b6a",
}
_FRAUD: Final = {"merchant": "Rossi S.r.l.", "amount": {"amount": "940.00", "currency": "EUR"}}
_CHANGES: Final = (*ALWAYS, *WITH_BODY, "rate_limited", "audit_unavailable", "store_full")
_ENDING: Final = (*ALWAYS, "not_found", "workflow_state", "rate_limited", "audit_unavailable", "store_full")


def workflows(idempotency: dict[str, Any], replayed: dict[str, Any]) -> dict[str, Any]:
    """Their paths. `idempotency`: the header that makes a request safe to repeat; `replayed`: the one that says it was."""
    schema = {"application/json": {"schema": {"type": "object"}}}
    return {
        "/v1/workflow-schema.json": {
            "get": open_call("workflowSchema", "The JSON Schema (2020-12) of a workflow's definition", schema)
        },
        "/v1/workflows": {"get": call("listWorkflows", "Workflows and how they stand", 200, "WorkflowList", ALWAYS)},
        "/v1/workflows/{id}": _one(),
        "/v1/workflow-checks": {
            "post": call(
                "checkWorkflow",
                "Is a definition right, and do its tests pass; nothing is saved",
                200,
                "WorkflowChecked",
                (*ALWAYS, *WITH_BODY, "rate_limited"),
                WorkflowRequest,
                example={
                    "definition": {
                        "name": "nothing",
                        "start": "end",
                        "states": {"end": {"type": "end", "outcome": "done"}},
                    }
                },
            )
        },
        "/v1/workflow-trials": {
            "post": call(
                "tryWorkflow",
                "Step through a workflow without sending anything",
                200,
                "TrialView",
                (*ALWAYS, *WITH_BODY, "rate_limited", "not_found", "workflow_invalid", "params_invalid"),
                TrialRequest,
                example={"workflow": "fraud-alert", "params": _FRAUD, "happens": [{"reply": "NO"}]},
            )
        },
        **_start(idempotency, replayed),
        **_run(),
    }


def _start(idempotency: dict[str, Any], replayed: dict[str, Any]) -> dict[str, Any]:
    location = {"Location": {"description": "where the run is", "schema": {"type": "string"}}}
    return {
        "/v1/runs": {
            "post": call(
                "startRun",
                "Start a workflow for one customer",
                202,
                "RunBegun",
                (
                    *_CHANGES,
                    "not_found",
                    "number_invalid",
                    "params_invalid",
                    "callback_not_allowed",
                    "hsm_unavailable",
                    "idempotency_conflict",
                ),
                RunRequest,
                parameters=[idempotency],
                headers=location | replayed,
                example={"workflow": "fraud-alert", "to": "+393331234567", "locale": "it", "params": _FRAUD},
            )
        },
    }


def _one() -> dict[str, Any]:
    return {
        "get": call(
            "getWorkflow",
            "One workflow with its definition",
            200,
            "WorkflowView",
            (*ALWAYS, "not_found"),
            parameters=[_NAME],
        ),
        "put": call(
            "saveWorkflow",
            "Save a draft; two people activate it in the console",
            200,
            "WorkflowView",
            (*_CHANGES, "workflow_invalid"),
            WorkflowRequest,
            parameters=[_NAME],
            example={
                "definition": {
                    "name": "fraud-alert",
                    "start": "end",
                    "states": {"end": {"type": "end", "outcome": "done"}},
                }
            },
        ),
    }


def _run() -> dict[str, Any]:
    one = "/v1/runs/{id}"
    return {
        one: {
            "get": call(
                "getRun", "How a run stands, and its story", 200, "RunView", (*ALWAYS, "not_found"), parameters=[_ID]
            )
        },
        f"{one}/check": {
            "post": call(
                "checkRun",
                "Try the code of a run: approved once, or denied, whatever was wrong",
                200,
                "VerificationChecked",
                (*_CHANGES, "not_found", "hsm_unavailable"),
                RunCheck,
                parameters=[_ID],
                example={"code": "123456"},
            )
        },
        f"{one}/answer": {
            "post": call(
                "answerRun",
                "What a person of the bank decided",
                200,
                "RunView",
                (*_CHANGES, "not_found", "workflow_state"),
                AnswerRequest,
                parameters=[_ID],
                example={"answer": "fraud", "who": "desk 4"},
            )
        },
        f"{one}/cancel": {"post": call("cancelRun", "End a run", 200, "RunView", _ENDING, parameters=[_ID])},
    }

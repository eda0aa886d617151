"""Codes and what the number's operator says: sent or refused by purpose, on the log either way, and nothing kept of what was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import Error
from appliance.verify import NONE, record
from tests.support.api_alone import Alone, Reply
from tests.unit.api.test_verifying import NUMBER, checked, newest, texts

CAMARA = {
    "api": "https://api.tim.example",
    "token_url": "https://auth.tim.example/t",
    "client_id": "b",
    "secret_file": "s",
}
CHECKS = [
    {"purposes": ["payment", "transfer"], "tenure_days": 30, "unknown": "refuse"},
    {"purposes": ["login"], "at_risk": "send"},
]
WELL = {"sim": "unchanged", "tenure": "long", "why": "", "asked_of": "api.tim.example"}


class FakeCourier:
    """Answers what it is given, or raises it."""

    def __init__(self) -> None:
        self.said: Any = WELL
        self.asked: list[dict[str, Any]] = []

    async def call(self, op: str, payload: Any = None, timeout_s: float = 10) -> Any:
        assert op == "number_check" and 2 < timeout_s < 3
        self.asked.append(payload)
        if isinstance(self.said, Exception):
            raise self.said
        return dict(self.said) | ({"tenure": ""} if not payload["tenure_days"] and isinstance(self.said, dict) else {})


@pytest.fixture
def courier() -> FakeCourier:
    return FakeCourier()


@pytest.fixture
def alone(tmp_path: Path, courier: FakeCourier) -> Iterator[Alone]:
    rows = [CAMARA | {"tenure": "kyc-tenure/v0.2"}]
    made = Alone(tmp_path, verify={"per_number_hour": 3, "guard_least": 0}, camara=rows, number_check=CHECKS)
    made.gateway.number_checks.courier = courier
    yield made
    made.close()


def begin(alone: Alone, purpose: str, key: str = "") -> Reply:
    headers = {"idempotency-key": key} if key else {}
    return alone.post("/v1/verifications", {"to": NUMBER, "purpose": purpose}, headers)


def entries(alone: Alone, event: str) -> list[dict[str, Any]]:
    return [e[4] for e in alone.auditor.entries if e[1] == event]


def test_a_number_that_is_well_gets_its_code_and_the_log_says_what_was_asked(
    alone: Alone, courier: FakeCourier
) -> None:
    made = begin(alone, "transfer")
    assert made.status == 201 and checked(alone, made.json["id"], newest(alone)).json == {"status": "approved"}
    asked = {"number": NUMBER, "swap_hours": 72, "tenure_days": 30, "correlator": made.json["id"]}
    assert courier.asked == [asked]
    (entry,) = entries(alone, "verification.created")
    said = {"sim": "unchanged", "sim_hours": 72, "tenure": "long", "tenure_days": 30, "asked_of": "api.tim.example"}
    assert said.items() <= entry.items() and "unknown_why" not in entry
    line = 'casemate_number_checks_total{answer="unchanged",gateway="0",of="sim"} 1.0'
    assert line in alone.get("/metrics").body.decode()


def test_a_purpose_that_no_row_names_asks_nobody(alone: Alone, courier: FakeCourier) -> None:
    assert begin(alone, "newsletter").status == 201 and courier.asked == []
    assert "sim" not in entries(alone, "verification.created")[0]


@pytest.mark.parametrize(
    ("answer", "rule"), [({"sim": "changed"}, "sim_changed"), ({"tenure": "short"}, "tenure_short")]
)
def test_a_risk_is_refused_and_nothing_leaves(
    alone: Alone, courier: FakeCourier, answer: dict[str, str], rule: str
) -> None:
    courier.said = WELL | answer
    refused = begin(alone, "transfer", "key-1")
    assert (refused.status, refused.json["code"], refused.json["rule"]) == (403, "number_at_risk", rule)
    assert texts(alone) == [] and entries(alone, "verification.created") == []
    (entry,) = entries(alone, "verification.refused")
    assert answer.items() <= entry.items() and NUMBER not in str(alone.auditor.entries)
    (said,) = [e for e in alone.auditor.entries if e[1] == "verification.refused"]
    assert said[3] == "refused" and said[2].startswith("verification:")
    courier.said = WELL
    again = begin(alone, "transfer", "key-1")
    assert again.status == 201 and "idempotency-replayed" not in again.headers, "the same request may come again"
    assert len(texts(alone)) == 1
    assert begin(alone, "transfer", "key-1").headers["idempotency-replayed"] == "true" and len(courier.asked) == 2


def test_the_same_risk_is_sent_and_recorded_where_the_row_says_so(alone: Alone, courier: FakeCourier) -> None:
    courier.said = WELL | {"sim": "changed"}
    assert begin(alone, "login").status == 201
    assert entries(alone, "verification.created")[0]["sim"] == "changed"


NOT_KNOWN: list[Callable[[], Any]] = [
    lambda: WELL | {"sim": "unknown", "why": "timeout"},
    lambda: Error("peer_unavailable", "no answer", process="courier"),
    lambda: Error("internal", "the courier asks no operators"),
    lambda: {"sim": "unchanged"},
    lambda: WELL | {"sim": 1},
]


@pytest.mark.parametrize("given", NOT_KNOWN)
def test_what_is_not_known_is_sent_or_refused_by_purpose(
    alone: Alone, courier: FakeCourier, given: Callable[[], Any]
) -> None:
    courier.said = given()
    refused = begin(alone, "transfer")
    assert (refused.status, refused.json["code"]) == (503, "number_unchecked") and refused.headers["retry-after"]
    assert entries(alone, "verification.refused")[0]["sim"] == "unknown" and texts(alone) == []
    assert begin(alone, "login").status == 201
    assert entries(alone, "verification.created")[0]["sim"] == "unknown"


def test_rates_come_before_the_operator(alone: Alone, courier: FakeCourier) -> None:
    courier.said = WELL | {"sim": "changed"}
    assert [begin(alone, "transfer").status for _ in range(5)] == [403, 403, 403, 429, 429]
    assert len(courier.asked) == 3


def test_a_resend_asks_again(alone: Alone, courier: FakeCourier) -> None:
    verification = begin(alone, "transfer").json["id"]
    courier.said = WELL | {"sim": "changed"}
    refused = alone.post(f"/v1/verifications/{verification}/resend")
    assert (refused.status, refused.json["code"]) == (403, "number_at_risk") and len(texts(alone)) == 1
    assert alone.get(f"/v1/verifications/{verification}").json["sends"] == 1
    courier.said = WELL
    assert alone.post(f"/v1/verifications/{verification}/resend").status == 200
    assert [e["sim"] for e in entries(alone, "verification.resent")] == ["unchanged"]


def test_a_resend_is_counted_before_the_operator_is_asked(alone: Alone, courier: FakeCourier) -> None:
    """Whoever presses "again" on a page does not have the operator asked without end."""
    verification = begin(alone, "transfer").json["id"]
    courier.said = WELL | {"sim": "changed"}
    again = [alone.post(f"/v1/verifications/{verification}/resend").status for _ in range(5)]
    assert again == [403, 403, 429, 429, 429] and len(courier.asked) == 3


def test_the_evidence_says_what_was_asked_and_has_no_number(alone: Alone, courier: FakeCourier) -> None:
    courier.said = WELL | {"sim": "unknown", "why": "timeout"}
    begin(alone, "login")
    kept = [
        {"index": n, "entry": {"at": "2026-11-26T12:00:00Z", "what": e[1], "outcome": e[3], "detail": e[4]}}
        for n, e in enumerate(alone.auditor.entries)
        if e[1].startswith("verification.")
    ]
    said = record(bytes(16), kept, b"k" * 32, NONE)["number_checks"]
    assert said == [
        {
            "at": "2026-11-26T12:00:00Z", "sent": True, "sim": "unknown", "sim_hours": 72, "asked_of": "api.tim.example",
            "unknown_why": "timeout",
        }
    ]  # fmt: skip

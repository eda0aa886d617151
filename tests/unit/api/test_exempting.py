"""Exemptions over REST: counters over payments, one count a reference, trusted payees, series, fraud rates; nothing readable kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.api import exempting
from appliance.verify import Payers
from tests.support.api_alone import Alone

PAYER = {"payer": "customer-77"}
CARD = PAYER | {"kind": "remote_card", "amount": "19.90", "currency": "EUR"}
RISKS = dict.fromkeys(
    ("abnormal_spending", "unusual_device", "malware", "known_fraud", "abnormal_location", "risky_payee_location"),
    False,
)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Alone]:
    monkeypatch.setattr(exempting, "now_ms", lambda: 1_800_000_000_000)  # January 2027
    made = Alone(tmp_path)
    yield made
    made.close()


def asked(alone: Alone, token: str = "cm_1_anna", **more: Any) -> dict[str, Any]:
    answer = alone.post("/v1/exemptions", CARD | more, token=token)
    assert answer.status == 200, answer.body
    told: dict[str, Any] = answer.json
    assert (told["answer"] == "candidate") == (told["article"] is not None)
    return told


def done(alone: Alone, reference: str, **more: Any) -> bool:
    answer = alone.post("/v1/exemptions/reports", CARD | {"reference": reference, "authenticated": False} | more)
    assert answer.status == 200, answer.body
    return bool(answer.json["changed"])


def test_small_payments_count_until_an_authentication(alone: Alone) -> None:
    assert asked(alone)["article"] == "16"
    for n in range(5):
        assert done(alone, f"P-{n}", article="16")
    assert not done(alone, "P-4"), "the same reference again counts nothing"
    told = asked(alone)
    assert told["answer"] == "required" and {a["article"] for a in told["articles"]} == {"13", "14", "16", "18"}
    assert asked(alone, payer="customer-78")["article"] == "16"
    assert done(alone, "P-5", authenticated=True)
    assert asked(alone)["article"] == "16"
    entries = [e for e in alone.auditor.entries if e[1] == "exemption.reported"]
    assert entries[0][4] == {"payment": "remote_card", "authenticated": False, "article": "16"}


def test_trusted_payees_and_series(alone: Alone) -> None:
    rent = {"kind": "transfer", "amount": "900.00", "payee": "Casa"}
    assert asked(alone, **rent)["answer"] == "required"
    for trusted in (True, False):
        body = PAYER | {"payee": "Casa", "trusted": trusted}
        assert alone.post("/v1/exemptions/trusted", body).json["changed"]
        assert not alone.post("/v1/exemptions/trusted", body).json["changed"]
        assert asked(alone, **rent)["article"] == ("13" if trusted else None)
    assert done(alone, "S-1", authenticated=True, series=True, **rent)
    assert asked(alone, **rent)["article"] == "14"
    assert asked(alone, **rent | {"amount": "900.01"})["answer"] == "required"
    assert alone.post("/v1/exemptions/forget", PAYER).json["changed"]
    assert asked(alone, **rent)["answer"] == "required"


def test_a_fraud_rate_opens_risk_analysis(alone: Alone) -> None:
    more = {"amount": "90.00", "risks": RISKS}
    assert asked(alone, **more)["answer"] == "required"
    told = {"kind": "remote_card", "fraud": "1300.00", "total": "1000000.00"}
    assert alone.ask("PUT", "/v1/exemptions/rates/2026-Q4", told).json["changed"]
    assert asked(alone, **more)["article"] == "18"
    assert asked(alone, **more | {"risks": RISKS | {"malware": True}})["answer"] == "required"
    for quarter in ("2027-Q1", "2026-Q5", "x"):
        assert alone.ask("PUT", f"/v1/exemptions/rates/{quarter}", told).status == 422
    assert alone.ask("PUT", "/v1/exemptions/rates/2026-Q3", told | {"total": "1.00"}).status == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "transfer", "amount": "1.00"}, "currency"),
        ({"kind": "transfer", "amount": "1.001", "currency": "EUR"}, "amount"),
        ({"kind": "transfer", "amount": "1", "currency": "EUX"}, "currency"),
        ({"kind": "transfer", "amount": "9.00", "currency": "USD"}, "amount"),
        ({"kind": "transfer", "amount": "9.00", "currency": "EUR", "series": True}, "series"),
    ],
)
def test_what_cannot_be_counted_is_refused(alone: Alone, body: dict[str, Any], field: str) -> None:
    report = PAYER | {"reference": "P", "authenticated": False} | body
    refused = alone.post("/v1/exemptions/reports", report)
    assert (refused.status, refused.json["field"]) == (422, field)


def test_another_currency_is_known_by_its_euro(alone: Alone) -> None:
    assert asked(alone, amount="19.90", currency="USD")["answer"] == "required"
    assert asked(alone, amount="19.90", currency="USD", amount_eur="18.00")["article"] == "16"


def test_nothing_is_readable_on_disk_and_nobody_sees_anothers(alone: Alone, tmp_path: Path) -> None:
    done(alone, "P-secret", payee="Rossi S.r.l.")
    alone.post("/v1/exemptions/trusted", PAYER | {"payee": "Rossi S.r.l.", "trusted": True})
    assert asked(alone, payee="Rossi S.r.l.")["article"] == "13"
    assert asked(alone, token="cm_2_bruno", payee="Rossi S.r.l.")["article"] == "16"
    octets = b"".join(file.read_bytes() for file in tmp_path.glob("exemptions.db*"))
    assert octets and not any(word in octets for word in (b"customer-77", b"Rossi", b"P-secret"))


def test_payers_of_long_ago_are_erased(tmp_path: Path) -> None:
    book = Payers(tmp_path / "exemptions.db")
    book.act(lambda b: b.report(b"p" * 32, b"r" * 32, "transfer", 100, False, 1))
    assert book.act(lambda b: b.sweep(2)) == 0
    assert book.act(lambda b: b.sweep(500 * 86_400_000)) == 2
    book.close()

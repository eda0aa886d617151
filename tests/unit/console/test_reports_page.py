"""Reports at the console: on the page or as an archive that verifies; what was asked wrongly is said on the page."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from flask.testing import FlaskClient

from .conftest import Played, csrf_for, sign_in

DAY = {"day": "2023-11-14"}
DAYS = {"first": "2023-11-01", "last": "2023-11-14"}
INCIDENT = {"from": "2023-11-14T20:00", "until": "2023-11-14T22:00", "detected": "2023-11-14T20:05", "classified": "2023-11-14T21:00"}  # fmt: skip
ASKED: dict[str, dict[str, str]] = {
    "daily": DAY, "monthly": {"month": "2023-11"}, "sla": DAYS, "access": DAYS, "incident": INCIDENT,
}  # fmt: skip


@pytest.fixture
def carlo(client: FlaskClient, peers: Played, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    entries: list[dict[str, Any]] = []

    def call(op: str, payload: dict[str, Any]) -> Any:
        if op == "checkpoint":
            return {"checkpoint": "casemate.local/audit\n5\nAAAA\n", "size": 5, "root": b"r" * 32}
        if op == "state":
            return {"vkey": "casemate+00000000+AA=="}
        if op == "proof":
            return {"tlog_proof": "c2sp.org/tlog-proof@v1\nindex 4\n\ncasemate.local/audit\n5\nAAAA\n"}
        if payload.get("what") == "report.made":
            who, what, on, _, detail = peers.log[-1]
            entries.append({"index": 4, "entry": {"who": who, "what": what, "on": on, "detail": detail}})
            return {"entries": entries[-1:]}
        return {"entries": []}

    monkeypatch.setattr(peers, "call", call)
    sign_in(client, "carlo")
    return client


@pytest.mark.parametrize("kind", ASKED)
def test_each_report_on_the_page_and_as_an_archive(carlo: FlaskClient, peers: Played, kind: str) -> None:
    form = ASKED[kind] | {"csrf": csrf_for(carlo)}
    shown = carlo.post(f"/reports/{kind}", data=form | {"form": "page"})
    assert shown.status_code == 200 and "</h2>" in shown.text and 'class="card flush report"' in shown.text
    assert [entry for entry in peers.log if entry[1] == "report.made"] == []
    packed = carlo.post(f"/reports/{kind}", data=form)
    assert packed.status_code == 200 and packed.mimetype == "application/zip"
    with zipfile.ZipFile(io.BytesIO(packed.data)) as archive:
        assert {"report.pdf", "manifest.json", "manifest.tlog-proof", "checkpoint"} <= set(archive.namelist())
    who, what, on, outcome, detail = peers.log[-1]
    assert (who, what, on, outcome) == ("console:carlo", "report.made", f"report:{kind}", "ok")
    assert len(detail["digest"]) == 64


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("daily", {"day": "tomorrow"}),
        ("daily", {"day": "2999-01-01"}),
        ("monthly", {"month": "2023-13"}),
        ("sla", {"first": "2023-11-14", "last": "2023-11-01"}),
        ("sla", {"first": "2020-11-14", "last": "2023-11-01"}),
        ("incident", INCIDENT | {"detected": "2023-11-14T19:00"}),
        ("incident", INCIDENT | {"until": ""}),
        ("incident", INCIDENT | {"reference": "x" * 40}),
    ],
)
def test_what_cannot_be_asked(carlo: FlaskClient, peers: Played, kind: str, form: dict[str, str]) -> None:
    answer = carlo.post(f"/reports/{kind}", data=form | {"csrf": csrf_for(carlo)})
    assert answer.status_code == 422 and "Reports</h1>" in answer.text
    assert [entry for entry in peers.log if entry[1] == "report.made"] == []


def test_without_the_log_there_is_no_archive(carlo: FlaskClient, peers: Played) -> None:
    csrf = csrf_for(carlo)
    peers.down.add("auditor")
    assert carlo.post("/reports/daily", data=DAY | {"csrf": csrf}).status_code == 503

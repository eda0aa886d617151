"""What people take away from the log, and who reviewed which day."""

from __future__ import annotations

from flask.testing import FlaskClient

from appliance.console.page_review import days_row

from .conftest import Played, csrf_for, sign_in


def test_what_the_filter_shows_is_what_is_taken(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    assert 'name="on" value="link:a"' in client.get("/audit?on=link:a").text
    data = {"csrf": csrf_for(client), "on": "link:a", "outcome": "great", "form": "csv", "request": "12"}
    answer = client.post("/audit/export", data=data)
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/csv")
    assert peers.exported == ("console:carlo", "csv", {"on": "link:a"}, 12)
    paper = client.post("/audit/export", data={**data, "form": "pdf"})
    assert paper.data.startswith(b"%PDF-")
    assert client.post("/audit/export", data={**data, "form": "folder"}).status_code == 422
    assert client.post("/audit/export", data={**data, "request": "1x"}).status_code == 422


def test_reports(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    data = {"csrf": csrf_for(client), "name": "pci-dss", "since": "2026-11-01", "until": "2026-12-01", "form": "csv"}
    answer = client.post("/audit/report", data=data)
    assert answer.status_code == 200 and b"10.2.1.2" in answer.data
    assert ("console:carlo", "audit.reported", "report:pci-dss", "ok", {}) in peers.log
    assert client.post("/audit/report", data={**data, "form": "pdf"}).data.startswith(b"%PDF-")
    for wrong in ({"name": "made-up"}, {"until": "2026-11-01"}, {"since": "2026-02-31"}, {"form": "archive"}):
        assert client.post("/audit/report", data={**data, **wrong}).status_code == 422, wrong


def test_findings_and_who_reviewed(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    peers.newest = {"detail": {"upto_index": 5, "findings": 1}}
    page = client.get("/audit/review").text
    assert "refused review.failures_max times or more" in page and "console:eve" in page
    assert "console:anna" in page and "Who reviewed which day" in page
    assert client.post("/audit/review", data={"csrf": csrf_for(client)}).data.startswith(b"%PDF-")


def test_the_first_mark_that_reaches_a_day_is_that_days() -> None:
    def said(upto: int, who: str) -> dict[str, object]:
        return {"entry": {"at": f"2026-11-2{upto % 10}", "who": who, "detail": {"upto_index": upto, "findings": 0}}}

    marks = [said(9, "console:c"), said(7, "console:b"), said(3, "console:a")]
    day = said(5, "process:auditor")["entry"]
    assert days_row(day, marks)["by"] == "console:b"  # type: ignore[arg-type]
    assert days_row(said(10, "x")["entry"], marks)["by"] == ""  # type: ignore[arg-type]

"""The page of the audit log: what is looked for reaches the auditor, and a witness's answer comes in by it."""

from __future__ import annotations

import io

from flask.testing import FlaskClient

from .conftest import Played, csrf_for, sign_in

WITNESSED = {
    "witnesses": 1,
    "cosigned_size": 5,
    "cosigned_at": "2020-01-01T00:00:00Z",
    "cosigned_by": "officer",
    "unwitnessed": 2,
}


def test_what_is_looked_for(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    asked = {
        "what": "console.login",
        "who": "console:anna",
        "on": "link:a",
        "outcome": "failed",
        "since": "2026-11-22T18:30",
    }
    page = client.get("/audit", query_string={**asked, "until": "nonsense"}).text
    assert peers.sought == asked
    assert 'value="link:a"' in page and "<option selected>failed</option>" in page
    client.get("/audit?outcome=great&what=made.up")
    assert peers.sought == {}


def test_a_witness_that_is_late_and_one_that_comes(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    assert "Witness</h2>" not in client.get("/audit").text  # none is set
    peers.witnessed = {**WITNESSED, "cosigned_size": 0, "cosigned_at": ""}
    assert "Nobody has cosigned this log yet" in client.get("/audit").text
    peers.witnessed = WITNESSED
    page = client.get("/audit").text
    assert "5 entries cosigned by officer" in page and "more than 7 days old" in page
    peers.witnessed = {**WITNESSED, "cosigned_at": "2126-01-01T00:00:00Z"}
    assert "days old" not in client.get("/audit").text
    assert client.get("/audit/request").text.startswith("old 0\n")
    csrf = csrf_for(client)
    given = {"csrf": csrf, "note": (io.BytesIO("log\n5\nAAAA\n\n\u2014 officer AAAA\n".encode()), "request.cosigned")}
    answer = client.post("/audit/cosigned", data=given, content_type="multipart/form-data")
    assert answer.status_code == 303 and peers.brought[1] == "console:carlo"
    assert "is kept, and goes into every export" in client.get(answer.headers["location"]).text
    wrong = {"csrf": csrf, "note": (io.BytesIO(b"nonsense"), "x")}
    assert (
        "no cosignature of a witness"
        in client.post("/audit/cosigned", data=wrong, content_type="multipart/form-data").text
    )
    assert client.post("/audit/cosigned", data={"csrf": csrf}).status_code == 422


def test_a_viewer_brings_nothing(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "vera")
    assert client.post("/audit/cosigned", data={"csrf": csrf_for(client)}).status_code == 403
    assert client.get("/audit/request").status_code == 403


def test_a_siem_that_does_not_take_the_log_is_said(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    siem = {"target": "siem:6514", "connected": True, "connected_ms": 1, "lost_since_ms": 0, "behind": 3, "why": ""}
    peers.witnessed = {"siem": siem}
    page = client.get("/audit").text
    assert "siem:6514 takes the log since" in page and "3 entries are not sent yet" in page
    peers.witnessed = {"siem": {**siem, "connected": False, "lost_since_ms": 1, "why": "connection refused"}}
    assert "siem:6514 does not take the log: connection refused" in client.get("/audit").text


def test_a_daily_review_is_marked_by_an_officer(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    assert "Daily review</h2>" not in client.get("/audit").text
    peers.newest = {"what": "audit.review", "detail": {"from_index": 0, "upto_index": 40, "findings": 2, "holds": 2}}
    page = client.get("/audit").text
    assert "2 findings, holds 2" in page and "Nobody has marked it" in page and "Mark as reviewed" in page
    csrf = csrf_for(client)
    assert client.post("/audit/reviewed", data={"csrf": csrf, "upto": "40"}).status_code == 303
    assert peers.marked == (40, "console:carlo")
    assert client.post("/audit/reviewed", data={"csrf": csrf, "upto": "x"}).status_code == 422


def test_settings_that_wait_for_two_people_are_said(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    assert "is not obeyed" not in client.get("/audit").text
    peers.witnessed = {"weaker": [{"name": "siem.target", "before": "siem:6514", "now": ""}], "weaker_number": 7}
    assert "would weaken the log and is not obeyed: siem.target" in client.get("/audit").text

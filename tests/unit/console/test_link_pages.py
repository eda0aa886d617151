"""A link's page and messages in doubt: administrators act, the engine records, everybody else only looks."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from appliance.access import Access
from appliance.console import create_app
from appliance.message import INDETERMINATE, id_text
from appliance.settings import Settings, parse

from .conftest import NOW, Played, csrf_for, found, sign_in


@pytest.fixture
def settings(tmp_path: object) -> Settings:
    link = {"name": "simulated", "host": "127.0.0.1", "port": 2775}
    return parse(
        {"console": {"second_factor": False, "two_people": []}, "link": [link, {**link, "name": "backup"}]},
        tmp_path,
        "test",
    )  # type: ignore[arg-type]


@pytest.fixture
def app(settings: Settings, access: Access, peers: Played) -> Flask:
    return create_app(settings, access, peers, clock=lambda: NOW)  # type: ignore[arg-type]


def test_a_links_page_shows_its_state_and_settings(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "vera")
    page = client.get("/links/simulated").text
    assert ">up<" in page and "127.0.0.1:2775" in page and "as_is" in page
    assert "Drain" not in page and "Start a trace" not in page, "a viewer only looks"
    assert 'href="/links/simulated"' in client.get("/links").text
    assert client.get("/links/nobody").status_code == 404
    peers.down.add("engine")
    assert "does not answer" in client.get("/links/simulated/now").text


def test_draining_testing_and_tracing_are_an_administrators(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    csrf = csrf_for(client)
    assert client.post("/links/simulated/drain", data={"csrf": csrf}).status_code == 303
    assert client.post("/links/simulated/resume", data={"csrf": csrf}).status_code == 303
    page = client.post("/links/simulated/test", data={"csrf": csrf, "to": "+39 347 123 4567", "text": "x"})
    assert page.status_code == 200 and "passed" in page.text and "enquire_link" in page.text
    assert "1234567" not in page.text and "123 4567" not in page.text
    assert client.post("/links/simulated/trace", data={"csrf": csrf, "minutes": "5"}).status_code == 303
    assert "enquire_link" in client.get("/links/simulated/trace").text
    assert client.post("/links/simulated/trace", data={"csrf": csrf, "minutes": "0"}).status_code == 303
    who = "console:anna"
    assert peers.acts[1:] == [
        f"drain simulated True {who}",
        f"drain simulated False {who}",
        f"link_test simulated True {who}",
        f"trace simulated 5 {who}",
        f"trace simulated 0 {who}",
    ]


def test_what_makes_no_sense_reaches_no_engine(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    csrf = csrf_for(client)
    assert client.post("/links/simulated/test", data={"csrf": csrf, "to": "12"}).status_code == 422
    assert client.post("/links/simulated/test", data={"csrf": csrf, "text": "x" * 161}).status_code == 422
    for minutes in ("", "-1", "61", "x", "9" * 9):
        assert client.post("/links/simulated/trace", data={"csrf": csrf, "minutes": minutes}).status_code == 422
    assert client.post("/links/nobody/drain", data={"csrf": csrf}).status_code == 404
    assert client.post("/in-doubt/nonsense", data={"csrf": csrf, "act": "close"}).status_code == 404
    assert client.post(f"/in-doubt/{id_text(peers.rows[0].id)}", data={"csrf": csrf, "act": "x"}).status_code == 422
    assert peers.acts == ["console.login"]


@pytest.mark.parametrize("name", ["carlo", "vera"])
def test_others_are_refused(client: FlaskClient, peers: Played, name: str) -> None:
    sign_in(client, name)
    csrf = csrf_for(client)
    for path in ("drain", "resume", "test", "trace"):
        assert client.post(f"/links/simulated/{path}", data={"csrf": csrf}).status_code == 403
    assert client.get("/links/simulated/trace").status_code == 403
    assert client.post(f"/in-doubt/{id_text(peers.rows[0].id)}", data={"csrf": csrf}).status_code == 403


def test_messages_in_doubt_are_decided(client: FlaskClient, peers: Played) -> None:
    peers.rows = [found(peers.rows[0].id, status=INDETERMINATE, class_=2)]
    message_id = id_text(peers.rows[0].id)
    sign_in(client)
    csrf = csrf_for(client)
    page = client.get("/in-doubt").text
    assert message_id[-12:] in page and "Send again" in page and "sealed-" not in page
    answer = client.post(f"/in-doubt/{message_id}", data={"csrf": csrf, "act": "resend"})
    assert answer.headers["Location"] == "/in-doubt?done=resend"
    answer = client.post(f"/in-doubt/{message_id}", data={"csrf": csrf, "act": "close", "back": "message"})
    assert answer.headers["Location"] == f"/messages/{message_id}"
    assert peers.acts[-2:] == ["decide resend console:anna", "decide close console:anna"]
    assert "Close as failed" in client.get(f"/messages/{message_id}").text
    peers.rows = []
    assert "Nothing is in doubt" in client.get("/in-doubt").text
    assert "not one that this search gave" in client.get("/in-doubt?cursor=made-up").text

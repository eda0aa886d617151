"""Senders in the console: noted, confirmed with evidence, ended; each on the record first."""

from __future__ import annotations

from flask.testing import FlaskClient

from .conftest import Played, csrf_for, sign_in


def test_a_sender_is_noted_confirmed_and_ended(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    assert "No registration" in client.get("/senders").text
    form = {"csrf": csrf_for(client), "sender": "MYBANK", "country": "IT"}
    assert client.post("/senders", data=form).status_code == 303
    assert "already" in client.post("/senders", data=form).text
    assert "evidence" in client.post("/senders/1/confirm", data={"csrf": csrf_for(client)}).text
    done = client.post("/senders/1/confirm", data={"csrf": csrf_for(client), "evidence": "mail", "until": "2999-01-01"})
    assert done.status_code == 303 and "1 Jan 2999" in client.get("/senders").text
    assert client.post("/senders/1/expire", data={"csrf": csrf_for(client)}).status_code == 303
    assert [entry[1] for entry in peers.log if entry[1].startswith("sender.")] == [
        "sender.requested", "sender.confirmed", "sender.expired",
    ]  # fmt: skip
    assert client.post("/senders/9/expire", data={"csrf": csrf_for(client)}).status_code == 404


def test_what_cannot_be_recorded_is_not_done(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    csrf = csrf_for(client)
    peers.down.add("auditor")
    assert client.post("/senders", data={"csrf": csrf, "sender": "MYBANK", "country": "IT"}).status_code == 503
    peers.down.clear()
    assert "No registration" in client.get("/senders").text


def test_only_those_who_may_see_and_change(client: FlaskClient) -> None:
    sign_in(client, "carlo")
    assert "Note a registration" not in client.get("/senders").text
    assert client.post("/senders", data={"csrf": csrf_for(client)}).status_code == 403

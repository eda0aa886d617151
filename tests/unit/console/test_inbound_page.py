"""What customers wrote stays sealed; who reveals it is on the record first. Webhooks that wait, and telling them at once."""

from __future__ import annotations

from flask.testing import FlaskClient

from appliance.message import id_text

from .conftest import Played, csrf_for, sign_in


def test_inbound_is_sealed_until_it_is_revealed_with_a_reason(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    path = f"/inbound/{id_text(peers.wrote[0].id)}"
    assert "40404" in client.get("/inbound").text and "3471234567" not in client.get("/inbound").text
    assert "sealed" in client.get(path).text
    csrf = csrf_for(client)
    for why in ("", "x" * 201, "call 347 1234567"):
        assert client.post(f"{path}/reveal", data={"csrf": csrf, "why": why}).status_code == 422
    assert "opened" not in peers.acts
    shown = client.post(f"{path}/reveal", data={"csrf": csrf, "why": "complaint 17"}).text
    assert "+393471234567" in shown and "Where is my card?" in shown
    assert peers.acts[-2:] == ["message.viewed", "opened"] and "3471234567" not in str(peers.log)
    peers.down.add("auditor")
    assert client.post(f"{path}/reveal", data={"csrf": csrf, "why": "again"}).status_code == 503
    assert peers.acts[-1] == "opened" and peers.acts.count("opened") == 1
    assert client.get("/inbound/nothing").status_code == 404
    assert client.get("/inbound?cursor=made-up").status_code == 422


def test_who_may_not_reveal_is_not_offered_it(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "anna")
    path = f"/inbound/{id_text(peers.wrote[0].id)}"
    assert "Reveal" not in client.get(path).text
    assert client.post(f"{path}/reveal", data={"csrf": csrf_for(client), "why": "x"}).status_code == 403


def test_what_waits_and_telling_it_now(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    page = client.get("/webhooks").text
    assert "a customer's message" in page and id_text(peers.due[0][1]) in page and "fails" in page
    csrf = csrf_for(client)
    assert client.post("/webhooks/hasten", data={"csrf": csrf, "host": "evil.example"}).status_code == 404
    done = client.post("/webhooks/hasten", data={"csrf": csrf, "host": "core.bank.example:443"})
    assert done.headers["Location"] == "/webhooks?host=core.bank.example:443&done=2"
    assert peers.acts[-2:] == ["webhook.hastened", "hasten core.bank.example:443"]
    peers.down.add("auditor")
    assert client.post("/webhooks/hasten", data={"csrf": csrf, "host": "core.bank.example:443"}).status_code == 503
    assert peers.acts[-1] == "hasten core.bank.example:443" and len(peers.acts) == 3
    peers.down.add("courier")
    assert "does not answer" in client.get("/webhooks").text

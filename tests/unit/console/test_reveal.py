"""Number and text in clear: for who may, with a reason that is recorded first; never a code that still works."""

from __future__ import annotations

import msgspec
from flask.testing import FlaskClient

from appliance.message import id_text

from .conftest import NOW, Played, csrf_for, sign_in


def test_a_reason_is_recorded_before_anything_is_opened(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    row = peers.rows[0] = msgspec.structs.replace(peers.rows[0], expires_ms=NOW - 1)
    path, csrf = f"/messages/{id_text(row.id)}/reveal", csrf_for(client)
    for why in ("", "x" * 201, "customer +39 347 123 4567 called", "347-123-4567"):
        assert client.post(path, data={"csrf": csrf, "why": why}).status_code == 422
    assert "opened" not in peers.acts
    shown = client.post(path, data={"csrf": csrf, "why": "complaint 4711 of the customer"})
    assert "+393471234567" in shown.text and "123456" in shown.text and shown.headers["Cache-Control"] == "no-store"
    assert peers.acts[-2:] == ["message.viewed", "opened"]
    assert peers.log[-1][2:] == (f"message:{id_text(row.id)}", "ok", {"why": "complaint 4711 of the customer"})
    assert "+393471234567" not in client.get(f"/messages/{id_text(row.id)}").text
    peers.down.add("auditor")
    assert client.post(path, data={"csrf": csrf, "why": "again"}).status_code == 503 and peers.acts[-1] == "opened"
    assert peers.acts.count("opened") == 1


def test_a_code_that_still_works_is_shown_to_nobody(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    row = peers.rows[0]
    shown = client.post(f"/messages/{id_text(row.id)}/reveal", data={"csrf": csrf_for(client), "why": "complaint"})
    assert "+393471234567" in shown.text and "Your code" not in shown.text and "still works" in shown.text


def test_who_may_not_is_not_even_asked(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "anna")
    page = f"/messages/{id_text(peers.rows[0].id)}"
    assert "Reveal" not in client.get(page).text
    assert client.post(page + "/reveal", data={"csrf": csrf_for(client), "why": "curious"}).status_code == 403

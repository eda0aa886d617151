"""Verifications in the console: what became of codes, a prefix blocked and opened by an administrator, on the record first."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from appliance.verify import Book
from appliance.verify.pumping import Guard

from .conftest import NOW, Played, csrf_for, sign_in

GUARD = Guard((), (), 0, 0, 0, 0)


def test_a_prefix_is_blocked_and_opened(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    assert "No prefix is blocked" in client.get("/verifications").text
    form = {"csrf": csrf_for(client), "prefix": "+39347", "hours": "2"}
    assert client.post("/verifications/block", data=form | {"prefix": "39347"}).status_code == 422
    assert client.post("/verifications/block", data=form | {"hours": "0"}).status_code == 422
    assert client.post("/verifications/block", data=form | {"csrf": "x"}).status_code in (400, 403)
    assert client.post("/verifications/block", data=form).status_code == 303
    assert "+39347" in client.get("/verifications").text
    assert client.post("/verifications/open", data=form).status_code == 303
    assert client.post("/verifications/open", data=form).status_code == 404
    acts = [entry[1] for entry in peers.log if entry[1].startswith("verification.")]
    assert acts == ["verification.prefix_blocked", "verification.prefix_opened"]


def test_the_funnel_shows_counts(client: FlaskClient) -> None:
    sign_in(client)
    app: Flask = client.application
    book = Book(app.extensions["casemate"].settings.home / "verify.db")
    for outcome, n in (("created", 8), ("sent", 9), ("approved", 6), ("denied", 3)):
        for _ in range(n):
            book.act(lambda b, outcome=outcome: b._count("login", outcome, NOW))
    for _ in range(4):
        book.act(lambda b: b.weigh("+39347", GUARD, NOW, "Tim Mobile"))
    book.close()
    page = client.get("/verifications").text
    assert "login" in page and "75%" in page and "By operator" in page and "Tim Mobile" in page

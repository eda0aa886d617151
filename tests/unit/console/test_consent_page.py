"""Consent in the console: a number looked up without a trace of it, a review decided once, on the record first."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from appliance.consent import STOP, Book

from .conftest import Played, csrf_for, sign_in

NUMBER = "+393331000099"


def book_of(client: FlaskClient) -> Book:
    app: Flask = client.application
    return Book(app.extensions["casemate"].settings.home / "consent.db")


def test_a_number_is_looked_up_and_a_review_decided(
    client: FlaskClient, peers: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(type(peers), "left_alone", lambda self, *asked: told.append(asked), raising=False)
    sign_in(client)
    assert "Nobody is suppressed" in client.get("/consent").text
    subject = peers.blind_index(NUMBER)
    book = book_of(client)
    book.heard(subject, b"sealed", ["marketing"], STOP, "stop", b"m" * 16, 1, "process:engine-0")
    n = book.to_review(b"s" * 16, b"sealed", "marketing", "stop", b"n" * 16, 1)
    book.close()
    answer = client.post("/consent/lookup", data={"csrf": csrf_for(client), "number": NUMBER})
    assert "Suppressed in marketing" in answer.text and NUMBER not in answer.text and NUMBER[1:] not in str(peers.log)
    assert client.post("/consent/lookup", data={"csrf": csrf_for(client), "number": "x"}).status_code == 422
    form = {"csrf": csrf_for(client), "outcome": "stop"}
    assert client.post(f"/consent/reviews/{n}", data=form).status_code == 303
    assert client.post(f"/consent/reviews/{n}", data=form).status_code == 404
    assert [entry[1] for entry in peers.log if entry[1].startswith("consent.")] == [
        "consent.looked_up", "consent.reviewed",
    ]  # fmt: skip
    assert [entry[3] for entry in peers.log if entry[1] == "consent.reviewed"] == ["ok"], "the act is detail"
    assert "Nothing to read" in client.get("/consent").text and len(told) == 1

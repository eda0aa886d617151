"""Workflows in the console: pictures, a trial, versions that two people activate, a run that a person answers; on the record first."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from appliance.flows import Book, Heard, Kept, Row, begun, book_of, sealed, shipped, started_with
from appliance.flows.definition import Definition
from appliance.flows.turn import Given, Turning
from appliance.message import id_text, new_ids
from tests.support.fake_engine import FakeKey, fake_blind_indexer

from .conftest import NOW, Played, csrf_for, sign_in

END = {"name": "nothing", "title": "<b>Nothing", "start": "end", "states": {"end": {"type": "end", "outcome": "done"}}}


def book(client: FlaskClient) -> Book:
    app: Flask = client.application
    return book_of(app.extensions["casemate"].settings)


def waits_for_a_person(client: FlaskClient) -> str:
    """A run of the fraud alert whose customer asked to be left alone."""
    import msgspec

    stored, key, index = book(client), FakeKey(1), fake_blind_indexer(bytes(32))
    flow = msgspec.json.decode(shipped()["fraud-alert"].encode(), type=Definition)
    (run,) = new_ids(1, NOW)
    kept = Kept("+393331234567", "it", started_with(flow, {}), None, "https://bank.example/x")
    row = Row(run, "fraud-alert", 1, 1, "anna", bytes(16), 1, sealed(key, run, kept), begun(flow, NOW), NOW, NOW)
    stored.act(lambda b: b.begin(row, None))
    turning = Turning()
    for heard in (Heard("started"), Heard("taken", step=1), Heard("stopped"), Heard("told", step=3)):
        stored.act(lambda b, h=heard: b.bring(h.what.encode(), run, h, NOW))
        turning.turn(stored, Given(NOW - 1, {1: key}, index, [], []))
    stored.close()
    return id_text(run)


def test_a_workflow_is_drawn_and_tried(client: FlaskClient) -> None:
    sign_in(client)
    assert "fraud-alert" in client.get("/workflows").text
    page = client.get("/workflows/fraud-alert").text
    assert '<svg class="flow"' in page and "blocked-notice" in page
    asked: dict[str, Any] = {
        "locale": "it",
        "params": '{"merchant": "ACME", "amount": {"amount": "9.00", "currency": "EUR"}}',
    }
    tried = client.get("/workflows/fraud-alert", query_string=asked | {"happens": '[{"reply": "no"}]'}).text
    assert "Hai pagato" in tried and "fraud.denied" in tried and 'class="state send been"' in tried
    assert "a JSON object" in client.get("/workflows/fraud-alert", query_string=asked | {"happens": "what?"}).text
    assert client.get("/workflows/none").status_code == 404


def test_a_draft_is_checked_saved_and_activated_by_another(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    form = {"csrf": csrf_for(client)}
    wrong = client.post("/workflows/save", data=form | {"definition": json.dumps(END | {"start": "x"}, indent=1)})
    assert wrong.status_code == 422 and "Line 4" in wrong.text
    assert client.post("/workflows/save", data=form | {"definition": json.dumps(END, indent=1)}).status_code == 303
    page = client.get("/workflows/nothing").text
    assert "draft" in page and "&lt;b&gt;Nothing" in page and "<b>Nothing" not in page
    assert client.post("/workflows/nothing/ask", data=form | {"version": "1", "reason": " "}).status_code == 422
    assert client.post("/workflows/nothing/ask", data=form | {"version": "1", "reason": "new"}).status_code == 303
    assert "Waiting for a second person" in client.get("/workflows").text
    own = client.post("/workflows/nothing/decide", data=form | {"version": "1", "yes": "yes"})
    assert own.status_code == 422 and "nother person decides" in own.text
    assert client.post("/workflows/nothing/decide", data=form | {"version": "1", "yes": "no"}).status_code == 422
    stored = book(client)
    stored.act(lambda b: b.conn.execute("UPDATE definition SET who = 'eve', asked_by = 'eve' WHERE name = 'nothing'"))
    stored.close()
    assert client.post("/workflows/nothing/decide", data=form | {"version": "1", "yes": "yes"}).status_code == 303
    assert client.post("/workflows/nothing/retire", data=form).status_code == 303
    assert client.post("/workflows/nothing/retire", data=form).status_code == 404
    acts = [entry[1] for entry in peers.log if entry[1].startswith("workflow.")]
    assert acts == ["workflow.saved", "workflow.asked", "workflow.decided", "workflow.retired"]


def test_a_person_answers_a_run(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    run = waits_for_a_person(client)
    assert run in client.get("/workflows").text
    page = client.get(f"/runs/{run}").text
    assert 'class="state wait here"' in page and "stopped" in page and "+39333" not in page
    form = {"csrf": csrf_for(client)}
    assert client.post(f"/runs/{run}/answer", data=form | {"answer": "maybe"}).status_code in (409, 422)
    assert client.post(f"/runs/{run}/answer", data=form | {"answer": "fraud"}).status_code == 303
    assert client.post(f"/runs/{run}/cancel", data=form).status_code == 303
    assert "cancelled" in client.get(f"/runs/{run}").text
    assert client.get("/runs/none").status_code == 404
    assert [e[1] for e in peers.log if e[1].startswith("workflow.")] == ["workflow.answered", "workflow.cancelled"]

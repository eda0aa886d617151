"""Erasure in the console: asked for by one, approved by another, done in a thread, certified; the number is in no page, log and file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from flask.testing import FlaskClient

from appliance.audit.note import Verifier
from appliance.errors import Error
from appliance.keys import approvals, blind_index

from .conftest import NOW, Played, csrf_for, sign_in

NUMBER = "+393331000099"
SIGNER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)


class Keys:
    """The processes that an erasure asks, with the real rules of two people."""

    def __init__(self, peers: Played) -> None:
        self.peers = peers
        self.requests: dict[int, approvals.Approval] = {}
        self.held: list[int] = []
        self.engine_down = False
        self.found = 2  # messages that are still there

    def ask(self, process: str, op: str, payload: dict[str, Any], timeout_s: float = 1.0) -> Any:
        if process == "keys":
            return getattr(self, f"_{op}")(payload)
        if process == "auditor":
            return {"tlog_proof": "c2sp.org/tlog-proof@v1\n"}
        if process.startswith("engine"):
            if self.engine_down:
                raise Error("engine_unavailable", "the engine does not answer", "try again")
            found, self.found = self.found, 0
            return {"messages": found, "waiting": 0}
        return {"forgotten": 1}

    def _random(self, payload: Any) -> Any:
        return {"octets": b"r" * payload["octets"]}

    def _held(self, payload: Any) -> Any:
        return {"days": self.held}

    def _requests(self, payload: Any) -> Any:
        return {"requests": [approvals.shown(each, NOW) for each in self.requests.values()]}

    def _ask(self, payload: Any) -> Any:
        number = len(self.requests) + 1
        made = approvals.asked(payload["act"], payload["on"], payload["reason"], payload["who"], NOW)
        self.requests[number] = made._replace(approval_id=number)
        return {"request": number}

    def _decide(self, payload: Any) -> Any:
        before = self.requests[payload["request"]]
        heard = approvals.YES if payload["yes"] else approvals.NO
        self.requests[before.approval_id] = approvals.decided(before, heard, payload["who"], NOW)

    def _do(self, payload: Any) -> Any:
        before = self.requests[payload["request"]]
        self.requests[before.approval_id] = approvals.used(before, before.act, before.on, NOW)

    def _erasure(self, payload: Any) -> Any:
        found = self.requests[payload["request"]]
        if found.state != approvals.USED:
            raise Error("forbidden", "it allows no erasure")
        persons = {"asked_by": found.asked_by, "approved_by": found.decided_by, "reason": found.reason}
        return {"erasure": found.on, **persons, "approved_ms": NOW}

    def _sign(self, payload: Any) -> Any:
        return {"signature": SIGNER.sign(payload["body"])}


@pytest.fixture
def keys(peers: Played, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keys]:
    made = Keys(peers)
    monkeypatch.setattr(Played, "ask", lambda self, *asked: made.ask(*asked), raising=False)
    monkeypatch.setattr(Played, "blind_index", lambda self, number: blind_index(b"i" * 32, number))
    peers.witnessed = {"vkey": Verifier("casemate.local/audit", SIGNER.public_key().public_bytes_raw()).vkey()}
    yield made


def post(client: FlaskClient, path: str, **form: str) -> Any:
    return client.post(path, data={"csrf": csrf_for(client), **form})


def other(app: Flask, name: str) -> FlaskClient:
    client = app.test_client()
    sign_in(client, name)
    return client


def finished(app: Flask) -> dict[str, Any]:
    made = app.extensions["casemate.erasures"]
    made.wait(30)
    return dict(made.now)


def test_two_people_erase_and_take_the_certificate_away(
    app: Flask, client: FlaskClient, peers: Played, keys: Keys
) -> None:
    sign_in(client, "anna")
    assert "Nobody has asked for one" in client.get("/erasure").text
    assert post(client, "/erasure", number=NUMBER, reason="case 12").status_code == 303
    page = client.get("/erasure").text
    assert "waits for another person" in page and ">Approve<" not in page, "not by who asked"
    assert post(client, "/erasure/requests/1", outcome="yes").status_code == 403
    assert post(client, "/erasure/requests/1/erase", number=NUMBER).status_code == 409, "not approved yet"

    carlo = other(app, "carlo")
    assert ">Approve<" in carlo.get("/erasure").text
    assert post(carlo, "/erasure/requests/1", outcome="yes").status_code == 303
    assert post(client, "/erasure/requests/1/erase", number="+393331000098").status_code == 409, "another number"
    keys.engine_down = True
    _with_a_day(app)
    assert post(client, "/erasure/requests/1/erase", number=NUMBER).status_code == 303
    assert "does not answer" in finished(app)["problem"]
    assert "Go on" in client.get("/erasure").text and "stopped" in client.get("/erasure/now").text
    keys.engine_down = False
    assert post(client, "/erasure/requests/1/erase", number=NUMBER).status_code == 303
    assert finished(app)["problem"] == ""
    assert "is done and certified" in client.get("/erasure/now").text

    answer = carlo.get("/erasure/1/certificate")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
        said = json.loads(archive.read("erasure-1/certificate.json"))
    assert {"certificate.json", "certificate.sig", "entry.tlog-proof", "verifier.vkey"} <= names
    assert [said[name] for name in ("asked_by", "approved_by", "done_by")] == [
        *("console:anna", "console:carlo", "console:anna")
    ]
    assert said["erased"]["engine-0"] == {"messages": 2}
    assert [entry[1] for entry in peers.log if entry[1].startswith("subject")] == [
        *("subject.erase_begun", "subject.erase_begun", "subject.erased")
    ]
    seen = str(peers.log) + client.get("/erasure").text + answer.data.decode("latin-1")
    assert NUMBER[1:] not in seen
    files = b"".join(path.read_bytes() for path in app.extensions["casemate"].settings.home.glob("erasure.db*"))
    assert NUMBER[1:].encode() not in files


def _with_a_day(app: Flask) -> None:
    """One day of messages, so that there is an engine to ask."""
    from appliance.store import Partition

    folder: Path = app.extensions["casemate"].settings.store
    folder.mkdir(parents=True, exist_ok=True)
    Partition(folder, NOW // 86_400_000).close()


def test_what_is_wrong_is_said_on_the_page(client: FlaskClient, keys: Keys) -> None:
    sign_in(client, "anna")
    assert post(client, "/erasure", number="x", reason="case 12").status_code == 422
    assert post(client, "/erasure", number=NUMBER, reason=" ").status_code == 422
    answer = post(client, "/erasure", number=NUMBER, reason="customer 347 1234567")
    assert answer.status_code == 422 and "1234567" not in answer.text
    assert post(client, "/erasure/requests/9", outcome="yes").status_code == 404
    assert post(client, "/erasure/requests/9", outcome="maybe").status_code == 422
    assert client.get("/erasure/9/certificate").status_code == 404
    assert client.get("/erasure").text.count("<tr>") == 0, "nothing was asked for"


def test_refused_is_over(app: Flask, client: FlaskClient, keys: Keys) -> None:
    sign_in(client, "carlo")
    post(client, "/erasure", number=NUMBER, reason="case 13")
    anna = other(app, "anna")
    assert post(anna, "/erasure/requests/1", outcome="no").status_code == 303
    assert ">refused<" in anna.get("/erasure").text
    assert post(anna, "/erasure/requests/1/erase", number=NUMBER).status_code == 409


def test_a_viewer_sees_nothing_of_it(client: FlaskClient, keys: Keys) -> None:
    sign_in(client, "vera")
    assert client.get("/erasure").status_code == 403
    assert "/erasure" not in client.get("/").text
    assert post(client, "/erasure", number=NUMBER, reason="case 12").status_code == 403

"""The shipped workflows through the whole box, with customers who answer late, wrong, in another language, from another number; and a kill in the middle."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from appliance.access import Access
from appliance.courier import webhook_secret
from tests.support.appliance import Appliance, wait_for

pytestmark = pytest.mark.stories

CONFIG = """
[webhook]
allow_loopback = true
"""
SHIPPED = Path(__file__).parents[2] / "appliance" / "flows" / "shipped"
MONEY = {"amount": "940.00", "currency": "EUR"}
PASSWORD = "correct horse battery staple"


class Bank:
    """The bank's end: keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Desk(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                octets = self.rfile.read(int(self.headers["content-length"]))
                outer.heard.append((dict(self.headers), octets))
                self.send_response(204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/flows"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def events(self, run: str) -> list[str]:
        """What it heard of a run, in order, repetitions by their webhook-id once."""
        told: dict[str, str] = {}
        for headers, octets in list(self.heard):
            said = json.loads(octets)["data"]
            if said["run"] == run:
                told[{k.lower(): v for k, v in headers.items()}["webhook-id"]] = said["event"]
        return list(told.values())

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    bank = Bank()
    yield bank
    bank.close()


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with Appliance(CONFIG) as box:
        yield box


def started(box: Appliance, workflow: str, to: str, bank: Bank | None = None, **more: Any) -> str:
    body = {"workflow": workflow, "to": to, **({"callback_url": bank.url} if bank is not None else {}), **more}
    answer = box.api.post("/v1/runs", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def texts(box: Appliance, number: str) -> list[str]:
    return [m["text"] for m in box.operator.get("/received", params={"to": number}).json()]


def handset(box: Appliance, number: str, count: int = 1) -> str:
    """The newest of `count` texts that a telephone shows."""
    found: str = wait_for(
        f"text {count}", lambda: texts(box, number)[-1:] if len(texts(box, number)) >= count else None, 60
    )[0]
    return found


def writes(box: Appliance, number: str, text: str) -> None:
    assert box.operator.post("/inbound", json={"from": number, "to": "40404", "text": text}).status_code == 202


def run_of(box: Appliance, run: str) -> dict[str, Any]:
    told: dict[str, Any] = box.api.get(f"/v1/runs/{run}").json()
    return told


def until(box: Appliance, run: str, **wanted: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = run_of(box, run)
        return found if all(found[name] == value for name, value in wanted.items()) else None

    found: dict[str, Any] = wait_for(f"the run to be {wanted}", look, 60)
    return found


def code_in(text: str) -> str:
    found = re.search(r"\b\d{4,10}\b", text)
    assert found is not None
    return found[0]


def checked(box: Appliance, run: str, code: str, **payment: str) -> str:
    return str(box.api.post(f"/v1/runs/{run}/check", json={"code": code, **payment}).json()["status"])


def test_signing_in(box: Appliance) -> None:
    number = "+393331100101"
    run = started(box, "login-2fa", number, locale="it")
    code = code_in(handset(box, number))
    assert checked(box, run, "000") == "denied"
    assert checked(box, run, code) == "approved"
    view = until(box, run, status="ended")
    assert (view["outcome"], view["state"]) == ("approved", "signed-in")
    assert checked(box, run, code) == "denied"
    assert number[1:] not in str(view) and code not in str(view)


def test_a_payment_is_bound_to_its_payee_and_amount(box: Appliance, bank: Bank) -> None:
    number, payment = "+393331100102", {"payee": "Rossi S.r.l.", **MONEY}
    run = started(box, "payment-sca", number, bank, locale="de", params={"payee": "Rossi S.r.l.", "amount": MONEY})
    text = handset(box, number)
    assert "940,00 €" in text and "Rossi S.r.l." in text
    assert checked(box, run, code_in(text), **(payment | {"amount": "940.01"})) == "denied"
    assert checked(box, run, code_in(text), **payment) == "approved"
    assert until(box, run, status="ended")["outcome"] == "approved"
    assert bank.events(run) == ["payment.approved"]


def test_a_forgotten_password(box: Appliance, bank: Bank) -> None:
    number = "+393331100103"
    run = started(box, "password-reset", number, bank, locale="fr", reference="case-7")
    code = code_in(handset(box, number))
    assert [checked(box, run, "00") for _ in range(5)] == ["denied"] * 5
    assert "Appelez-nous" in handset(box, number, 2)
    assert until(box, run, status="ended")["outcome"] == "denied"
    assert checked(box, run, code) == "denied"
    assert bank.events(run) == ["password.reset-refused"]
    headers, octets = next(h for h in bank.heard if run.encode() in h[1])
    said = Webhook(webhook_secret(box.settings, 1)).verify(octets, headers)
    assert (said["type"], said["data"]["reference"]) == ("workflow.password.reset-refused", "case-7")
    assert number[1:].encode() not in octets


def test_an_access_that_the_customer_refuses(box: Appliance, bank: Bank) -> None:
    number, other = "+393331100104", "+393331100199"
    run = started(box, "account-access", number, bank, locale="it", params={"device": "un iPhone"})
    assert "iPhone" in handset(box, number)
    until(box, run, waits_for="reply")
    writes(box, other, "NO")  # from another number: it is nobody's answer
    writes(box, number, "chi siete?")
    assert "una sola parola" in handset(box, number, 2)
    until(box, run, waits_for="reply")
    writes(box, number, " No. ")
    assert "ti chiameremo" in handset(box, number, 3)
    assert until(box, run, status="ended")["outcome"] == "refused-by-customer"
    assert bank.events(run) == ["access.refused"]


def test_a_fraud_alert_answered_in_another_language(box: Appliance, bank: Bank) -> None:
    number = "+393331100105"
    params = {"merchant": "ACME", "amount": MONEY}
    run = started(box, "fraud-alert", number, bank, locale="it", params=params)
    assert "SÌ o NO" in handset(box, number)
    until(box, run, waits_for="reply")
    writes(box, number, "ΌΧΙ")
    assert "bloccata" in handset(box, number, 2)
    view = until(box, run, status="ended")
    assert (view["outcome"], bank.events(run)) == ("fraud", ["fraud.denied"])
    assert "replied: no" in [step["heard"] for step in view["story"]]


def test_nobody_answers_and_two_people_had_agreed_to_shorter_times(box: Appliance, bank: Bank, tmp_path: Path) -> None:
    """A version of the bank's own: saved by one, asked for, agreed to by another; then late answers, a person's decision, and STOP."""
    definition = json.loads((SHIPPED / "fraud-alert.json").read_text(encoding="utf-8"))
    definition["states"]["answer"]["timeout_s"] = 1
    definition["states"]["person"]["timeout_s"] = 600
    del definition["tests"]
    text = json.dumps(definition, indent=1)
    assert box.api.put("/v1/workflows/fraud-alert", json={"definition": text}).json()["state"] == "draft"
    access = Access(box.settings)
    for name in ("ann", "bob"):
        access.create_user(name, PASSWORD, "administrator")
    (tmp_path / "password").write_text(PASSWORD)
    signed = ("--password-file", str(tmp_path / "password"), "--user")
    asked = box.casemate("workflow", "ask", "fraud-alert", "2", "--reason", "shorter", *signed, "ann")
    assert asked.returncode == 0, asked.stderr
    assert "[forbidden]" in box.casemate("workflow", "approve", "fraud-alert", "2", *signed, "ann").stderr
    assert "active" in box.casemate("workflow", "approve", "fraud-alert", "2", *signed, "bob").stdout
    number = "+393331100106"
    run = started(box, "fraud-alert", number, bank, params={"merchant": "ACME", "amount": MONEY})
    view = until(box, run, waits_for="person")
    assert view["version"] == 2 and view["answers"] == ["confirmed", "fraud"]
    assert "still need" in handset(box, number, 2)
    writes(box, number, "yes")  # too late: a person has it now
    answer = box.api.post(f"/v1/runs/{run}/answer", json={"answer": "fraud", "who": "desk 4"})
    assert answer.status_code == 200, answer.text
    assert until(box, run, status="ended")["outcome"] == "fraud"
    assert bank.events(run) == ["fraud.unanswered", "fraud.denied"]
    again = box.api.post(f"/v1/runs/{run}/answer", json={"answer": "fraud", "who": "desk 4"})
    assert (again.status_code, again.json()["code"]) == (409, "workflow_state")


def test_a_message_that_is_not_delivered_goes_another_way(box: Appliance, bank: Bank) -> None:
    number = "+393331100107"
    box.operator.post("/behaviour", json={"fail_rate": 1.0})
    run = started(box, "delivery-fallback", number, bank, params={"text": "Your card was sent."})
    view = until(box, run, status="ended")
    box.operator.post("/behaviour", json={"fail_rate": 0.0})
    assert (view["outcome"], bank.events(run)) == ("undelivered", ["message.not-delivered"])
    assert [s["heard"] for s in view["story"]].count("taken") == 2, "two ways"
    arrives = started(box, "delivery-fallback", number, bank, params={"text": "Your card was sent."})
    assert until(box, arrives, status="ended")["outcome"] == "delivered"
    assert bank.events(arrives) == [] and texts(box, number) == ["Your card was sent."]


def test_a_statement_and_who_asked_for_none(box: Appliance, bank: Bank) -> None:
    number = "+393331100108"
    run = started(box, "statement-notice", number, bank, locale="es", params={"month": "octubre"})
    assert "octubre" in handset(box, number)
    assert until(box, run, status="ended")["outcome"] == "delivered"
    writes(box, number, "STOP")
    handset(box, number, 2)
    after = started(box, "statement-notice", number, bank, params={"month": "noviembre"})
    assert until(box, after, status="ended")["outcome"] == "on-paper"
    assert len(texts(box, number)) == 2 and bank.events(after) == ["statement.not-delivered"]


def test_a_killed_box_asks_once_and_hears_the_answer(box: Appliance, bank: Bank) -> None:
    """Gateway and courier are killed while questions are under way: each is asked once, and each answer counts."""
    runs = {
        f"+3933311002{n:02}": started(
            box, "account-access", f"+3933311002{n:02}", bank, params={"device": f"a tablet {n}"}
        )
        for n in range(10)
    }
    box.kill("gateway")
    box.kill("courier")
    box.until_ready()
    for number in runs:
        handset(box, number)
    for number, run in runs.items():
        wait_for("the question", lambda run=run: run_of(box, run)["waits_for"] == "reply", 60)
        writes(box, number, "YES")
    box.kill("gateway")
    box.until_ready()
    for number, run in runs.items():
        assert wait_for("an end", lambda run=run: run_of(box, run)["outcome"], 60) == "confirmed"
        assert len(texts(box, number)) == 1


def test_the_evidence_of_an_authentication_verifies_alone(box: Appliance, tmp_path: Path) -> None:
    """For a dispute: by command and by the API, each entry with a proof that the log's own verifier reads, without the number."""
    number, payment = "+393331100110", {"payee": "Rossi S.r.l.", **MONEY}
    body = {"to": number, "purpose": "payment", **payment}
    verification = str(box.api.post("/v1/verifications", json=body).json()["id"])
    code = code_in(handset(box, number))
    check = f"/v1/verifications/{verification}/check"
    for amount, status in (("940.01", "denied"), ("940.00", "approved")):
        assert box.api.post(check, json={"code": code} | payment | {"amount": amount}).json() == {"status": status}
    folder = tmp_path / "dispute"
    words = ("--payee", "Rossi S.r.l.", "--amount", "940", "--currency", "EUR")
    done = box.casemate("verification", "evidence", verification, str(folder), *words)
    assert done.returncode == 0, done.stderr
    said = json.loads((folder / "authentication.json").read_text(encoding="utf-8"))
    assert [t["outcome"] for t in said["tries"]] == ["denied", "approved"] and said["approved_for_what_was_sent"]
    assert said["payment_of_the_dispute"] == "the one that the code was bound to"
    told = box.api.post(f"/v1/verifications/{verification}/evidence", json=payment | {"amount": "1"}).json()["files"]
    assert json.loads(told["authentication.json"])["payment_of_the_dispute"] == "another"
    assert number[1:] not in str(told) and code not in str(told)
    proofs = sorted(folder.glob("*.tlog-proof"))
    assert len(proofs) == 3
    for proof in proofs:
        checked_ = box.casemate("audit", "verify", str(proof), "--key", (folder / "verifier.vkey").read_text().strip())
        assert checked_.returncode == 0, checked_.stdout + checked_.stderr

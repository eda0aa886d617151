"""Status goes to the bank: signed, in order, tried again, whatever dies in between; a dead host stalls nobody."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from appliance.courier import webhook_secret
from tests.support.appliance import Appliance, wait_for

pytestmark = pytest.mark.stories


class Bank:
    """The bank's end: keeps what it hears, answers as `answer(path, body)` says."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str, dict[str, str], bytes]] = []
        self.answer: Callable[[str, dict[str, Any]], int] = lambda path, body: 204
        outer = self

        class Desk(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                octets = self.rfile.read(int(self.headers["content-length"]))
                status = outer.answer(self.path, json.loads(octets))
                outer.heard.append((time.monotonic(), self.path, dict(self.headers), octets))
                self.send_response(status)
                if status == 302:
                    self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def statuses(self, path: str) -> list[str]:
        return [json.loads(octets)["data"]["status"] for _, p, _, octets in list(self.heard) if p == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def box() -> Iterator[Appliance]:
    with Appliance() as box:
        yield box


@pytest.fixture
def bank() -> Iterator[Bank]:
    bank = Bank()
    yield bank
    bank.close()


def test_the_bank_hears_every_status_signed_and_in_order(box: Appliance, bank: Bank) -> None:
    told = box.send(
        to="+393471234567",
        text="Segreto 4711",
        reference="ordine-1",
        metadata={"filiale": "7"},
        callback_url=bank.url("/a"),
    )
    wait_for("the last status", lambda: "delivered" in bank.statuses("/a"))
    assert bank.statuses("/a") == ["sent", "delivered"]
    secret = webhook_secret(box.settings, 1)
    for _, _, headers, octets in bank.heard:
        body = Webhook(secret).verify(octets, headers)
        assert body["data"]["id"] == told["id"] and body["data"]["reference"] == "ordine-1"
        assert body["data"]["metadata"] == {"filiale": "7"}
        assert b"Segreto" not in octets and b"3471234567" not in octets
        with pytest.raises(WebhookVerificationError):
            Webhook(webhook_secret(box.settings, 2)).verify(octets, headers)


def test_the_secret_is_told_to_whoever_runs_the_box(box: Appliance) -> None:
    done = box.casemate("apikey", "webhook-secret", "1")
    assert done.returncode == 0, done.stderr
    assert webhook_secret(box.settings, 1) in done.stdout


def test_a_failure_is_tried_again_and_nothing_overtakes_it(box: Appliance, bank: Bank) -> None:
    failures = iter([500, 302])
    bank.answer = lambda path, body: next(failures, 200)
    box.send(to="+393471234567", text="x", callback_url=bank.url("/b"))
    wait_for("the first attempt", lambda: bank.heard)
    # Five seconds, then ten: only the first pause is waited for here, the schedule is proven without waiting elsewhere.
    wait_for("the second attempt", lambda: len(bank.heard) >= 2, 10)
    assert bank.statuses("/b") == ["sent", "sent"]
    assert 4.9 < bank.heard[1][0] - bank.heard[0][0] < 8
    assert bank.heard[0][2]["webhook-id"] == bank.heard[1][2]["webhook-id"]


def test_what_the_bank_refuses_is_not_repeated(box: Appliance, bank: Bank) -> None:
    bank.answer = lambda path, body: 410 if body["data"]["status"] == "sent" else 200
    box.send(to="+393471234567", text="x", callback_url=bank.url("/c"))
    wait_for("the last status", lambda: "delivered" in bank.statuses("/c"))
    assert bank.statuses("/c") == ["sent", "delivered"]


def test_a_dead_host_does_not_stall_another(box: Appliance, bank: Bank) -> None:
    with socket.socket() as deaf:  # listens, never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(64)
        dead = f"http://127.0.0.1:{deaf.getsockname()[1]}/x"
        rows = [{"to": "+393471234567", "text": "x", "callback_url": dead} for _ in range(100)]
        assert box.api.post("/v1/messages/batch", json={"messages": rows}).status_code == 202
        wait_for("the dead host to be tried", lambda: box.ask("courier", "state")["in_flight"] > 0)
        began = time.monotonic()
        box.send(to="+393471234567", text="x", callback_url=bank.url("/d"))
        wait_for("the other host's status", lambda: "delivered" in bank.statuses("/d"), 5)
        assert time.monotonic() - began < 5


def test_a_killed_courier_tells_the_rest_after_it_is_back(box: Appliance, bank: Bank) -> None:
    bank.answer = lambda path, body: 200
    ids = []
    for n in range(5):
        rows = [{"to": f"+39347{n}{m:06}", "text": "x", "callback_url": bank.url("/e")} for m in range(200)]
        answer = box.api.post("/v1/messages/batch", json={"messages": rows})
        ids += [a["id"] for a in answer.json()["accepted"]]
        if n in (1, 3):
            box.kill("courier")
    heard: dict[str, list[str]] = {}

    def complete() -> bool:
        heard.clear()
        for _, path, _, octets in list(bank.heard):
            if path == "/e":
                data = json.loads(octets)["data"]
                heard.setdefault(data["id"], []).append(data["status"])
        return all("delivered" in heard.get(id_, ()) for id_ in ids)

    wait_for("every message's last status", complete, 40, 0.2)
    for statuses in heard.values():
        # A webhook that was under way when the courier died comes again; order is kept all the same.
        assert sorted(set(statuses), key=statuses.index) == ["sent", "delivered"], statuses


def test_an_address_that_is_not_allowed_is_refused_at_the_door(box: Appliance) -> None:
    for url in ("https://elsewhere.example/x", "http://10.0.0.1/", "ftp://127.0.0.1/", "http://user@127.0.0.1/"):
        answer = box.api.post("/v1/messages", json={"to": "+393471234567", "text": "x", "callback_url": url})
        assert (answer.status_code, answer.json()["code"]) == (403, "callback_not_allowed"), answer.text


def test_callback_addresses_are_not_clear_on_disk(box: Appliance, bank: Bank) -> None:
    bank.answer = lambda path, body: 500
    box.send(to="+393471234567", text="x", reference="ref-very-own", callback_url=bank.url("/token-s3cr3t"))
    wait_for("an attempt", lambda: bank.statuses("/token-s3cr3t"))
    for path in (*box.home.rglob("*"), box.base / "up.log"):
        if path.is_file():
            held = path.read_bytes()
            assert b"token-s3cr3t" not in held and b"ref-very-own" not in held, path.name

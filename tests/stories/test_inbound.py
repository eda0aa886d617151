"""What customers write, through real SMPP to /v1/inbound and a signed webhook: a thousand conversations in parts, and an engine that is killed."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from appliance.courier import webhook_secret
from appliance.text import GSM7, encode
from tests.support.appliance import Appliance, wait_for
from tests.support.letter_operator import LetterOperator, deliver

pytestmark = pytest.mark.stories
CONVERSATIONS = 1_000
PARTS_S = 8
SAR_REFERENCE, SAR_TOTAL, SAR_NUMBER = 0x020C, 0x020E, 0x020F
CONFIG = """
[inbound]
parts_s = {parts_s}

[webhook]
allow_loopback = true

[[link]]
name = "letters"
host = "127.0.0.1"
port = {operator}
system_id = "bank"
reconnect_s_max = 1.0

[[inbound_webhook]]
name = "replies"
url = "http://127.0.0.1:{bank}/replies"
api_key = 1
recipients = ["40404"]

[[quiet_hours]]
name = "now"
quiet = ["{quiet}"]
timezones = ["UTC"]
countries = ["JP"]
"""


class Bank:
    """The bank's end: refuses its first requests, keeps the rest."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.refuse = 5
        outer = self

        class Desk(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                octets = self.rfile.read(int(self.headers["content-length"]))
                outer.refuse -= 1
                if outer.refuse < 0:
                    outer.heard.append((dict(self.headers), octets))
                self.send_response(204 if outer.refuse < 0 else 503)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[Appliance, LetterOperator, Bank]]:
    operator, bank = LetterOperator(), Bank()
    begin = datetime.now(UTC) - timedelta(hours=1)
    quiet = f"{begin:%H:%M}-{begin + timedelta(hours=4):%H:%M}"
    config = CONFIG.format(parts_s=PARTS_S, operator=operator.port, bank=bank.port, quiet=quiet)
    try:
        with Appliance(config) as box:
            yield box, operator, bank
    finally:
        operator.close()
        bank.close()


def parts(number: str, text: str, how: str, reference: int) -> list[bytes]:
    """A message in two to five parts: user data headers with 8 or 16 bits of reference, or SAR parameters."""
    encoding, payload, _ = encode(text)
    coding, size = (0, 60) if encoding == GSM7 else (8, 51)  # 51 cuts letters in two
    cut = [payload[at : at + size] for at in range(0, len(payload), size)]
    out = []
    for n, octets in enumerate(cut, 1):
        header, esm_class, tlvs = b"", 0, {}
        if how == "8":
            header, esm_class = bytes((5, 0, 3, reference & 255, len(cut), n)), 0x40
        elif how == "16":
            header, esm_class = bytes((6, 8, 4, reference >> 8, reference & 255, len(cut), n)), 0x40
        else:
            tlvs = {SAR_REFERENCE: reference.to_bytes(2, "big"), SAR_TOTAL: bytes((len(cut),)), SAR_NUMBER: bytes((n,))}
        out.append(deliver(number, "40404", esm_class, coding, header + octets, tlvs))
    return out


def inbound(box: Appliance) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = box.api.get("/v1/inbound", params={"limit": 200} | ({"cursor": cursor} if cursor else {})).json()
        out += page["messages"]
        cursor = page["next"]
        if cursor is None:
            return out


def test_a_thousand_conversations_in_any_order_are_exact_also_when_the_engine_is_killed(
    world: tuple[Appliance, LetterOperator, Bank],
) -> None:
    box, operator, bank = world
    dice = random.Random(4)
    texts: dict[str, str] = {}
    lost: dict[str, int] = {}
    sent: list[bytes] = []
    for n in range(CONVERSATIONS):
        number = f"39333{n:07}"
        text = f"{n} " + (
            "Vorrei sapere il saldo {del conto} €, grazie! " * dice.randint(3, 5)
            if n % 3
            else "Ваш баланс 😀 завтра " * 6
        )
        cut = parts(number, text, ("8", "16", "sar")[n % 3], dice.choice((7, 300, 65_000)))
        texts["+" + number] = text
        if n % 50 == 0:
            lost["+" + number] = dice.randrange(len(cut)) + 1
            del cut[lost["+" + number] - 1]
        sent += cut * dice.choice((1, 1, 2))
    dice.shuffle(sent)
    operator.send(sent[: len(sent) // 2])
    wait_for("some of them", lambda: operator.statuses.get(0, 0) > len(sent) // 5, 30)
    operator.send(sent[len(sent) // 2 :])
    box.kill("engine")
    wait_for("an acknowledgement of all", lambda: not operator.left, 60)
    assert set(operator.statuses) <= {0, 0x64}, "only 'taken' or 'try again'"

    found = wait_for("all of them", lambda: len(f := inbound(box)) >= CONVERSATIONS and f, 60, 1.0)
    assert len(found) == CONVERSATIONS == len({m["id"] for m in found})
    whole = {m["from"]: m for m in found}
    assert {n for n, m in whole.items() if not m["complete"]} == set(lost)
    assert {n: m["missing"] for n, m in whole.items() if not m["complete"]} == {n: [part] for n, part in lost.items()}
    assert [n for n, m in whole.items() if m["complete"] and m["text"] != texts[n]] == []
    assert all("[…]" in whole[number]["text"] for number in lost)

    wait_for("the webhooks", lambda: len({h["webhook-id"] for h, _ in bank.heard}) >= CONVERSATIONS, 60)
    secret = webhook_secret(box.settings, 1)
    told = {}
    for headers, octets in bank.heard:
        body = Webhook(secret).verify(octets, headers)
        told[body["data"]["id"]] = body["data"]
    assert told == {m["id"]: {k: v for k, v in m.items() if k not in ("redacted", "code")} for m in found}


def test_what_a_customer_wrote_is_erased_with_its_parts_and_what_waits_at_the_courier(
    world: tuple[Appliance, LetterOperator, Bank],
) -> None:
    box, operator, bank = world
    number, text = "393480000001", "My secret is out and about. " * 6
    bank.refuse = 1 << 20  # away: what is due to it stays with the courier
    try:
        operator.send(parts(number, text, "16", 77))
        found = wait_for("it", lambda: [m for m in inbound(box) if m["from"] == "+" + number], 30)[0]
        assert (found["text"], found["redacted"]) == (text, False)
        waiting = wait_for("its webhook", lambda: box.ask("courier", "state")["pending"])
        answer = box.api.post(f"/v1/inbound/{found['id']}/redact")
        assert (answer.status_code, answer.json()) == (200, {"id": found["id"], "redacted": True}), answer.text
        assert box.ask("courier", "state")["pending"] == waiting - 1
    finally:
        bank.refuse = 0
    again = next(m for m in inbound(box) if m["id"] == found["id"])
    assert (again["text"], again["parts"], again["redacted"]) == (None, 0, True)
    assert box.api.post(f"/v1/inbound/{found['id']}/redact").status_code == 200, "a second time, too"
    unknown = found["id"][:-4] + ("0000" if found["id"][-4:] != "0000" else "1111")
    assert box.api.post(f"/v1/inbound/{unknown}/redact").json()["code"] == "not_found"
    assert found["id"] in box.casemate("audit", "entries", "--what", "message.redacted").stdout
    left = [
        row
        for path in box.settings.store.glob("**/*.db")
        for row in sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute(
            "SELECT length(content) FROM inbound WHERE at_ms >= ? ORDER BY n DESC LIMIT 2",
            (int(datetime.fromisoformat(found["at"]).timestamp() * 1000),),
        )
    ]
    assert left == [(0,), (0,)]


def test_who_lives_where_it_is_quiet_waits_and_the_timeline_says_why(
    world: tuple[Appliance, LetterOperator, Bank],
) -> None:
    box, _, _ = world
    offer = {"to": "+819012345678", "text": "Offer", "class": "bulk", "from": "BANK"}
    preview = box.api.post("/v1/preview", json=offer).json()
    held = box.api.post("/v1/messages", json=offer).json()
    assert (held["status"], held["rule"], held["held_until"]) == ("scheduled", "now", preview["held_until"])
    view = box.message(held["id"])
    by_desk = {r["desk"]: r for r in view["explanation"]}
    assert (by_desk["quiet_hours"]["rule"], by_desk["quiet_hours"]["outcome"]) == ("now", "held")
    assert [r["desk"] for r in preview["explanation"]] == [*by_desk, "route"]
    assert {r["desk"]: r["version"] for r in preview["explanation"] if r["desk"] in by_desk} == {
        d: r["version"] for d, r in by_desk.items()
    }
    assert box.api.post(f"/v1/messages/{held['id']}/cancel").json()["status"] == "cancelled"
    assert box.send(**{**offer, "to": "+393331234567"})["status"] == "accepted"
    assert box.send(**{**offer, "class": "otp"})["status"] == "accepted"
    refused = box.api.post("/v1/messages", json=offer | {"validity_s": 60})
    assert (refused.status_code, refused.json()["code"], refused.json()["rule"]) == (422, "quiet_hours", "now")
    assert json.loads(refused.content)["field"] == "validity_s"


def test_an_officer_checks_what_was_decided_without_the_box(world: tuple[Appliance, LetterOperator, Bank]) -> None:
    box, operator, _ = world
    operator.send([deliver("393470000001", "40404", 0, 0, b"STOP", {})])
    asked = {"to": "+393470000001", "text": "Offer", "class": "bulk"}
    wait_for("the refusal", lambda: box.api.post("/v1/messages", json=asked).json().get("code") == "suppressed")
    out = box.base / "evidence.zip"
    made = box.casemate("evidence", "export", str(out))
    assert made.returncode == 0, made.stderr
    with zipfile.ZipFile(out) as archive:
        consent, key = archive.read("consent.csv").decode(), archive.read("verifier.vkey").decode().strip()
        assert "now" in archive.read("policies.csv").decode()
    assert ",stop,keyword,stop," in consent and "393470000001" not in consent
    checked = box.casemate("evidence", "verify", str(out), "--key", key)
    assert checked.returncode == 0 and "the archive is whole" in checked.stdout
    stranger = box.casemate(
        "evidence", "verify", str(out), "--key", key.replace(key[-6], "A" if key[-6] != "A" else "B")
    )
    assert stranger.returncode != 0
    assert "evidence.exported" in box.casemate("audit", "entries", "--what", "evidence.exported").stdout

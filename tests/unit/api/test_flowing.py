"""Workflows over REST, and the runner over a whole gateway: what a run sends, hears, tells, and what is refused."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.api.flow_hands import letter_id
from appliance.flows import OWN_ADDRESS, Heard, Runner, address_of, ask, decide
from appliance.message import Content, id_octets
from appliance.text import decode
from tests.support.api_alone import Alone

NUMBER = "+393331234567"
FRAUD = {"workflow": "fraud-alert", "to": NUMBER, "callback_url": "https://bank.example/x", "params": {"merchant": "ACME", "amount": {"amount": "940.00", "currency": "EUR"}}}  # fmt: skip
END = {"name": "nothing", "start": "end", "states": {"end": {"type": "end", "outcome": "done"}}}
OPEN = {"per_number_hour": 0, "block_s": 0}


class Courier:
    """Takes letters."""

    def __init__(self) -> None:
        self.letters: dict[bytes, Any] = {}

    async def call(self, op: str, payload: Any = None, timeout_s: float = 1.0) -> Any:
        assert op == "letter"
        self.letters[payload["id"]] = payload
        return {}


class Box(Alone):
    """A gateway with its runner, turned by hand."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.courier = Courier()
        super().__init__(home, self.courier, verify=OPEN, **settings)
        assert self.gateway.runner is not None
        self.runner: Runner = self.gateway.runner

    def settle(self) -> None:
        async def settled() -> None:
            for _ in range(50):
                more = await self.runner.turn()
                while self.runner.under_way and not self.runner.outcomes:
                    await asyncio.sleep(0)
                if not more and not self.runner.under_way:
                    return
            raise AssertionError("it does not come to rest")

        self.loop.run_until_complete(settled())
        self.hand_on()

    def bring(self, source: bytes, run: str, heard: Heard) -> None:
        octets = id_octets(run)
        assert octets is not None
        self.loop.run_until_complete(self.gateway.flows.act(lambda b: b.bring(source, octets, heard, 1)))
        self.settle()

    def texts(self) -> list[str]:
        return [decode(e, p) for b in self.engine.batches for e, p in zip(b.encodings, b.payloads, strict=True)]

    def started(self, **more: Any) -> str:
        answer = self.post("/v1/runs", FRAUD | more)
        assert answer.status == 202, answer.body
        self.settle()
        return str(answer.json["id"])

    def view(self, run: str) -> Any:
        return self.get(f"/v1/runs/{run}").json


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    yield box
    box.close()


def test_a_question_is_sent_once_and_its_answer_is_told(box: Box) -> None:
    run = box.started(locale="it", reference="case-7")
    (text,) = box.texts()
    assert "940,00" in text and "SÌ o NO" in text
    assert box.view(run)["waits_for"] == "reply"
    (row,) = box.engine.rows.values()
    content = msgspec.msgpack.decode(box.ring.keys[row.key_id].open(row.content, b"c" + row.id), type=Content)
    found = address_of(str(content.callback_url))
    assert found is not None and found[0] == id_octets(run) and content.reference == "case-7"
    box.bring(b"1", run, Heard("replied", "NO"))
    (letter,) = box.courier.letters.values()
    assert (letter["url"], letter["told"]["event"], letter["told"]["values"]) == (
        "https://bank.example/x",
        "fraud.denied",
        {"answer": "no"},
    )
    assert box.view(run)["waits_for"] == "telling"
    step = int.from_bytes(letter["flow"][16:], "big")
    assert letter["id"] == letter_id(letter["flow"]) != letter_id(letter["flow"][:16] + bytes(4))
    box.bring(b"2", run, Heard("told", step=step))
    view = box.view(run)
    assert (view["status"], view["outcome"], len(box.texts())) == ("ended", "fraud", 2)
    assert NUMBER[1:] not in json.dumps(view)


def test_a_hand_over_that_is_repeated_is_the_same_message(box: Box) -> None:
    run = box.started()
    octets = id_octets(run)
    flows = box.gateway.flows
    row = box.loop.run_until_complete(flows.do(lambda b: b.one(octets)))
    # As after a crash between the engine's commit and the turn that would have heard of it.
    before = msgspec.structs.replace(row.machine, state="ask", phase="sending", step=1)
    box.loop.run_until_complete(flows.act(lambda b: b.put(row, before, row.sealed, row.key_id, [], 1)))
    box.settle()
    assert len(box.engine.rows) == 1 and box.view(run)["waits_for"] == "reply"


def test_a_code_of_a_run_is_checked_by_it_and_ends_it(box: Box) -> None:
    run = box.started(workflow="login-2fa", params={}, callback_url=None)
    found = re.search(r"\b\d{6}\b", box.texts()[0])
    assert found is not None
    check = f"/v1/runs/{run}/check"
    assert box.post(check, {"code": "000"}).json == {"status": "denied"}
    assert box.post(check, {"code": found[0]}, token="cm_2_bruno").status == 404
    assert box.post(check, {"code": found[0]}).json == {"status": "approved"}
    box.settle()
    assert box.view(run)["outcome"] == "approved"
    assert (
        box.loop.run_until_complete(
            box.gateway.verifications.do(
                lambda b: b.conn.execute("SELECT count(*) FROM verification WHERE flow IS NOT NULL").fetchone()
            )
        )[0]
        == 0
    )


def test_a_person_answers_on_the_record(box: Box) -> None:
    run = box.started()
    assert box.post(f"/v1/runs/{run}/answer", {"answer": "fraud", "who": "desk"}).json["code"] == "workflow_state"
    box.bring(b"1", run, Heard("stopped"))
    box.bring(b"2", run, Heard("told", step=box.view(run)["story"][-1]["step"] + 1))
    assert box.view(run)["answers"] == ["confirmed", "fraud"]
    assert box.post(f"/v1/runs/{run}/answer", {"answer": "maybe", "who": "desk"}).json["code"] == "invalid"
    assert box.post(f"/v1/runs/{run}/answer", {"answer": "fraud", "who": "desk"}).status == 200
    box.settle()
    assert "answered: fraud" in [s["heard"] for s in box.view(run)["story"]]
    assert [e[1] for e in box.auditor.entries if e[1].startswith("workflow")] == ["workflow.answered"]


def test_a_run_is_started_once_under_its_key_and_cancelled(box: Box) -> None:
    headers = {"idempotency-key": "k-1"}
    first, again = (box.post("/v1/runs", FRAUD, headers) for _ in range(2))
    assert first.json == again.json and again.headers["idempotency-replayed"] == "true"
    assert box.post("/v1/runs", FRAUD | {"locale": "it"}, headers).json["code"] == "idempotency_conflict"
    run = first.json["id"]
    assert box.post(f"/v1/runs/{run}/cancel").json["outcome"] == "cancelled"
    box.settle()
    assert box.texts() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"workflow": "none"}, "not_found"),
        ({"params": {}}, "params_invalid"),
        ({"to": "12"}, "number_invalid"),
        ({"callback_url": None}, "invalid"),
        ({"callback_url": "https://elsewhere.example/"}, "callback_not_allowed"),
        ({"callback_url": OWN_ADDRESS + "00" * 16 + "/1"}, "callback_not_allowed"),
        ({"params": FRAUD["params"] | {"merchant": "x" * 20_000}}, "too_large"),  # type: ignore[operator]
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_before_anything_is_kept(box: Box, change: dict[str, Any], code: str) -> None:
    assert box.post("/v1/runs", FRAUD | change).json["code"] == code
    assert box.loop.run_until_complete(box.gateway.flows.do(lambda b: b.standing())) == {}


def test_no_caller_writes_an_address_of_a_run(box: Box) -> None:
    answer = box.post("/v1/messages", {"to": NUMBER, "text": "x", "callback_url": OWN_ADDRESS + "00" * 16 + "/1"})
    assert answer.json["code"] == "callback_not_allowed"


def test_definitions_are_saved_as_drafts_checked_and_tried(box: Box) -> None:
    assert {w["name"] for w in box.get("/v1/workflows").json["workflows"]} >= {"fraud-alert", "payment-sca"}
    assert box.get("/v1/workflows/fraud-alert").json["state"] == "active"
    wrong = END | {"start": "x"}
    refused = box.ask("PUT", "/v1/workflows/nothing", {"definition": wrong}).json
    assert refused["code"] == "workflow_invalid" and refused["problems"][0]["line"] == 3
    assert box.ask("PUT", "/v1/workflows/other", {"definition": END}).json["code"] == "invalid"
    assert box.ask("PUT", "/v1/workflows/nothing", {"definition": END}).json["state"] == "draft"
    assert box.post("/v1/runs", {"workflow": "nothing", "to": NUMBER}).json["code"] == "not_found", "two people first"
    box.loop.run_until_complete(box.gateway.flows.act(lambda b: ask(b.conn, "nothing", 1, "why", "ann", 1)))
    box.loop.run_until_complete(box.gateway.flows.act(lambda b: decide(b.conn, "nothing", 1, True, "bob", 1)))
    assert box.view(box.started(workflow="nothing", params={}))["outcome"] == "done"
    checked = box.post("/v1/workflow-checks", {"definition": json.dumps(wrong)}).json
    assert not checked["right"] and "no state `x`" in checked["problems"][0]["why"]
    tried = box.post(
        "/v1/workflow-trials",
        {"workflow": "fraud-alert", "params": FRAUD["params"], "locale": "de", "happens": [{"reply": "ja"}]},
    ).json
    assert (tried["outcome"], tried["webhooks"]) == ("confirmed", ["fraud.confirmed"]) and "Zahlung" in tried["texts"][
        1
    ]
    assert (
        box.post("/v1/workflow-trials", {"workflow": "fraud-alert", "happens": [{"dance": 1}]}).json["code"]
        == "invalid"
    )
    assert box.get("/v1/workflow-schema.json").json["$defs"]["Send"]["properties"]["type"] == {"enum": ["send"]}

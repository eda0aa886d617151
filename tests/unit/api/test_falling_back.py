"""Several channels for one message or code: the first while the caller waits, further ones by receipt or time, repeated requests and crashes the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.api.handing_on import HandingOn
from appliance.errors import Error
from appliance.flows import Heard, Row, ask, decide
from appliance.message import id_octets, id_text
from appliance.verify import NONE, record
from tests.support.api_alone import Reply
from tests.unit.api.test_flowing import NUMBER, Box

CHANNELS = [{"name": "second", "sender": "MYBANK2", "wait_s": 30}, {"name": "third", "sender": "MYBANK3"}]
HELLO = {"to": NUMBER, "text": "Hello", "fallback": [{"channel": "second", "after_s": 20}, "third"]}
LOGIN = {"to": NUMBER, "purpose": "login", "channels": ["sms", {"channel": "second", "after_s": 20}]}


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path, channel=CHANNELS)
    yield box
    box.close()


def runs(box: Box) -> list[Row]:
    return list(reversed(box.loop.run_until_complete(box.gateway.flows.do(lambda b: b.latest(None, 99)))))


def run_of(box: Box) -> Row:
    (row,) = runs(box)
    return row


def story(box: Box) -> list[str]:
    return [step["heard"] for step in box.view(id_text(run_of(box).id))["story"]]


def senders(box: Box) -> list[str]:
    return [sender for batch in box.engine.batches for sender in batch.senders]


def receipt(box: Box, what: str) -> None:
    """Of the newest message."""
    row = run_of(box)
    (sent,) = row.machine.sent.values()
    heard = Heard(what, message=sent.message, step=sent.step)
    box.bring(b"receipt %d %s" % (sent.step, what.encode()), id_text(row.id), heard)


def passes(box: Box, seconds: float) -> None:
    box.runner._began_ms += int(seconds * 1000)
    box.settle()


def posted(box: Box, body: dict[str, Any], key: str = "", address: str = "/v1/messages") -> Reply:
    reply = box.post(address, body, {"idempotency-key": key} if key else None)
    box.settle()
    return reply


def code_in(text: str) -> str:
    found = re.search(r"\b\d{6}\b", text)
    assert found is not None
    return found[0]


# --- messages ---------------------------------------------------------------------------------------------


def test_a_receipt_in_time_is_the_end_of_it(box: Box) -> None:
    made = posted(box, HELLO)
    assert (made.status, made.json["status"], made.json["segments"]) == (202, "accepted", 1)
    assert made.headers["location"] == f"/v1/messages/{made.json['id']}" and senders(box) == [""]
    assert run_of(box).machine.sent["message"].message == made.json["id"]
    receipt(box, "delivered")
    passes(box, 10_000)
    assert (run_of(box).machine.outcome, senders(box)) == ("delivered", [""])
    assert box.get(f"/v1/messages/{made.json['id']}").json["run"] == id_text(run_of(box).id)


def test_undelivered_is_the_next_way_at_once_and_silence_after_its_time(box: Box) -> None:
    posted(box, HELLO)
    receipt(box, "undelivered")
    assert senders(box) == ["", "MYBANK2"] and box.texts() == ["Hello"] * 2
    passes(box, 29)
    assert len(box.texts()) == 2
    passes(box, 2)
    assert senders(box) == ["", "MYBANK2", "MYBANK3"]
    receipt(box, "delivered")
    assert run_of(box).machine.outcome == "delivered"
    heard = story(box)
    assert [h for h in heard if "taken" in h or h in ("undelivered", "late")] == [
        "taken", "undelivered", "taken: second", "late", "taken: third",
    ]  # fmt: skip


def test_the_first_way_waits_as_long_as_the_second_says(box: Box) -> None:
    posted(box, HELLO)
    passes(box, 19)
    assert len(box.texts()) == 1
    passes(box, 2)
    assert senders(box) == ["", "MYBANK2"]


def test_the_same_request_again_is_the_same_message_and_run(box: Box) -> None:
    made, again = posted(box, HELLO, "k1"), posted(box, HELLO, "k1")
    assert (again.status, again.body) == (202, made.body) and len(box.engine.rows) == 1 and len(runs(box)) == 1
    assert posted(box, HELLO | {"text": "other"}, "k1").json["code"] == "idempotency_conflict"
    receipt(box, "undelivered")
    assert posted(box, HELLO, "k1").body == made.body and len(box.engine.rows) == 2


def test_the_bank_is_told_how_it_ended_where_it_asked_for_that(box: Box) -> None:
    made = posted(box, HELLO | {"fallback": ["second"], "callback_url": "https://bank.example/x", "reference": "r-7"})
    receipt(box, "delivered")
    (letter,) = box.courier.letters.values()
    told = letter["told"]
    assert (letter["url"], told["event"], told["reference"]) == ("https://bank.example/x", "message.delivered", "r-7")
    assert told["message"] == made.json["id"]
    refused = posted(box, HELLO | {"callback_url": "https://elsewhere.example/x"})
    assert refused.json["code"] == "callback_not_allowed" and len(runs(box)) == 1


def test_a_template_and_all_else_of_a_message_goes_by_each_way(box: Box) -> None:
    body = HELLO | {"class": "alert", "from": "OWN", "metadata": {"a": "b"}, "validity_s": 600}
    posted(box, body)
    receipt(box, "undelivered")
    assert senders(box) == ["OWN", "MYBANK2"]
    assert {row.class_ for row in box.engine.rows.values()} == {1}


def test_what_the_first_way_refuses_is_refused_and_may_be_mended(box: Box) -> None:
    assert posted(box, HELLO | {"to": "+39"}, "k").json["code"] == "number_invalid" and runs(box) == []
    bad = posted(box, HELLO | {"from": "much too long a sender"}, "k")
    assert (bad.status, bad.json["code"]) == (422, "sender_invalid") and run_of(box).machine.outcome == "refused"
    assert posted(box, HELLO, "k").status == 202, "the same key may come again"


def test_an_engine_that_is_away_leaves_it_to_who_repeats(box: Box) -> None:
    box.engine.down = Error("peer_unavailable", "gone", process="engine-0")
    assert posted(box, HELLO, "k").status == 503
    passes(box, 600)
    assert box.engine.rows == {} and run_of(box).machine.outcome == "", "nothing leaves that nobody was promised"
    box.engine.down = None
    box.loop.run_until_complete(box.gateway.peers.look())
    assert posted(box, HELLO, "k").status == 202
    receipt(box, "undelivered")
    assert senders(box) == ["", "MYBANK2"]


def test_unknown_channels_and_batches_and_later(box: Box) -> None:
    for address, body, field in (
        ("/v1/messages", {"to": NUMBER, "text": "x", "channel": "pigeon"}, "channel"),
        ("/v1/messages", {"to": NUMBER, "text": "x", "fallback": ["pigeon"]}, "fallback"),
        ("/v1/verifications", {"to": NUMBER, "purpose": "login", "channels": ["sms", "pigeon"]}, "channels"),
    ):
        said = posted(box, body, address=address)
        assert (said.status, said.json["code"], said.json["field"]) == (422, "invalid", field)
        assert "sms, second, third" in said.json["detail"] + said.json.get("hint", ""), said.body
    assert posted(box, HELLO | {"send_at": "2030-01-01T00:00:00Z"}).json["field"] == "fallback"
    many = posted(
        box, {"messages": [HELLO, {"to": NUMBER, "text": "x", "channel": "second"}]}, address="/v1/messages/batch"
    )
    assert [(r["index"], r["field"]) for r in many.json["rejected"]] == [(0, "fallback")]
    assert senders(box) == ["MYBANK2"] and runs(box) == [], "a channel alone is a sender"


# --- codes ------------------------------------------------------------------------------------------------


def test_a_code_goes_another_way_as_another_code_and_the_newest_counts(box: Box) -> None:
    made = posted(box, LOGIN, address="/v1/verifications")
    assert (made.status, made.json["status"]) == (201, "pending")
    passes(box, 21)
    assert senders(box) == ["", "MYBANK2"]
    check = f"/v1/verifications/{made.json['id']}/check"
    first, second = (code_in(text) for text in box.texts())
    assert first == second or box.post(check, {"code": first}).json == {"status": "denied"}
    assert box.post(check, {"code": second}).json == {"status": "approved"}
    passes(box, 1)
    assert run_of(box).machine.outcome == "approved"
    view = box.get(f"/v1/verifications/{made.json['id']}").json
    assert (view["sends"], view["run"]) == (2, id_text(run_of(box).id))
    sent = [e for e in box.auditor.entries if e[1] in ("verification.created", "verification.resent")]
    assert [(e[4].get("channel"), e[4].get("because")) for e in sent] == [(None, None), ("second", "late")]
    kept = [
        {"index": n, "entry": {"at": "", "what": e[1], "outcome": e[3], "detail": e[4]}} for n, e in enumerate(sent)
    ]
    said = record(bytes(16), kept, b"k" * 32, NONE)["sent"]
    assert said == [
        {"at": "", "text": "built-in en"},
        {"at": "", "text": "built-in en", "channel": "second", "because": "late"},
    ]


def test_a_code_that_is_there_or_used_or_cancelled_goes_no_other_way(box: Box) -> None:
    posted(box, LOGIN, address="/v1/verifications")
    receipt(box, "delivered")
    passes(box, 300)
    assert len(box.texts()) == 1, "on the handset, and not entered yet"


@pytest.mark.parametrize("how", ["used", "cancelled"])
def test_a_code_that_is_over_goes_no_other_way(box: Box, how: str) -> None:
    made = posted(box, LOGIN, address="/v1/verifications")
    at = f"/v1/verifications/{made.json['id']}"
    done = box.post(f"{at}/check", {"code": code_in(box.texts()[0])}) if how == "used" else box.post(f"{at}/cancel")
    assert done.json["status"] in ("approved", "cancelled")
    passes(box, 300)
    assert (len(box.texts()), run_of(box).machine.phase) == (1, "ended")


def test_the_same_request_again_is_the_same_code_also_after_another_way(box: Box) -> None:
    made = posted(box, LOGIN, "k", "/v1/verifications")
    receipt(box, "undelivered")
    again = posted(box, LOGIN, "k", "/v1/verifications")
    assert (again.status, again.json["id"], again.headers["idempotency-replayed"]) == (201, made.json["id"], "true")
    assert len(box.texts()) == 2 and len(runs(box)) == 1


def test_a_gateway_that_dies_after_its_answer_sends_by_the_next_way(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the message was the engine's: it is handed on, and its time-out counts."""

    async def killed(*_: Any) -> None:
        """Nothing more is done."""

    with monkeypatch.context() as patch:
        patch.setattr(HandingOn, "_hand_on", killed)
        made = posted(box, LOGIN, address="/v1/verifications")
    assert made.status == 201 and box.texts() == []
    assert isinstance(box.gateway.handing, HandingOn)
    box.gateway.handing._own.clear()  # the next one knows of nothing
    box.loop.run_until_complete(box.gateway.handing.look())
    box.hand_on()
    passes(box, 21)
    assert senders(box) == ["", "MYBANK2"]


def test_one_channel_is_no_run(box: Box) -> None:
    made = posted(box, LOGIN | {"channels": ["second"]}, address="/v1/verifications")
    assert made.status == 201 and senders(box) == ["MYBANK2"] and runs(box) == []
    assert id_octets(made.json["id"]) is not None


def test_a_workflow_of_the_banks_own_names_a_channel_and_gets_its_sender(box: Box) -> None:
    send = {"type": "send", "texts": {"en": "Hello"}, "ways": [{"channel": "second"}], "next": "end"}
    flow = {"name": "own", "start": "send", "states": {"send": send, "end": {"type": "end", "outcome": "sent"}}}
    unknown = flow | {"states": flow["states"] | {"send": send | {"ways": [{"channel": "pigeon"}]}}}  # type: ignore[operator]
    refused = box.ask("PUT", "/v1/workflows/own", {"definition": unknown})
    assert refused.json["code"] == "workflow_invalid" and "sms, second, third" in refused.json["detail"]
    assert box.ask("PUT", "/v1/workflows/own", {"definition": flow}).status == 200
    box.loop.run_until_complete(
        box.gateway.flows.act(
            lambda b: (ask(b.conn, "own", 1, "why", "ann", 1), decide(b.conn, "own", 1, True, "bob", 1))
        )
    )
    posted(box, {"workflow": "own", "to": NUMBER}, address="/v1/runs")
    assert senders(box) == ["MYBANK2"] and run_of(box).machine.outcome == "sent"

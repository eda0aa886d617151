"""What a bank's system gets for the messages it posts: accepted ones are sealed and durable, refused ones say why."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from appliance.errors import Error
from appliance.limits import BATCH_MESSAGES_MAX, BODY_OCTETS_MAX, SINGLE_BODY_OCTETS_MAX
from appliance.message import id_octets
from tests.support.api_alone import Alone

GOOD = {"to": "+393331234567", "text": "Your code is 123456"}


def test_a_message_is_accepted_sealed_and_found_again(alone: Alone) -> None:
    reply = alone.post(
        "/v1/messages", GOOD | {"from": "MYBANK", "class": "otp", "reference": "A-1", "metadata": {"branch": "7"}}
    )
    assert reply.status == 202
    said = reply.json
    assert (said["status"], said["segments"], said["encoding"], said["class"]) == ("accepted", 1, "gsm7", "otp")
    assert said["reference"] == "A-1"
    assert "index" not in said
    assert reply.headers["location"] == f"/v1/messages/{said['id']}"
    batch = alone.engine.batches[0]
    stored = b"".join(batch.numbers + batch.contents + batch.number_indexes)
    assert b"3331234567" not in stored
    assert b"123456" not in stored
    assert batch.calling_codes == [39]
    assert batch.expires_ms[0] - batch.accepted_ms == 600_000
    found = alone.get(f"/v1/messages/{said['id']}").json
    assert (found["to"], found["text"], found["from"]) == (GOOD["to"], GOOD["text"], "MYBANK")
    assert found["metadata"] == {"branch": "7"}
    assert found["events"] == [{"at": found["accepted_at"], "status": "accepted", "detail": None}]


def test_a_message_belongs_to_the_caller_that_sent_it(alone: Alone) -> None:
    mine = alone.post("/v1/messages", GOOD).json["id"]
    for method, address in (
        ("GET", f"/v1/messages/{mine}"),
        ("POST", f"/v1/messages/{mine}/cancel"),
        ("POST", f"/v1/messages/{mine}/redact"),
    ):
        assert alone.ask(method, address, token="cm_2_bruno").json["code"] == "not_found"
    assert alone.get("/v1/messages", token="cm_2_bruno").json["messages"] == []
    assert len(alone.get("/v1/messages").json["messages"]) == 1


def test_one_bad_row_never_spoils_the_rest(alone: Alone) -> None:
    rows = [
        GOOD,
        GOOD | {"to": 5},
        GOOD | {"text": ""},
        GOOD | {"to": "12"},
        GOOD | {"nonsense": 1},
        GOOD | {"text": "x" * 4001},
        "no",
        GOOD,
    ]
    reply = alone.post("/v1/messages/batch", {"messages": rows})
    assert reply.status == 202
    assert [a["index"] for a in reply.json["accepted"]] == [0, 7]
    refused = {r["index"]: (r["code"], r.get("field")) for r in reply.json["rejected"]}
    assert refused == {
        1: ("invalid", "to"),
        2: ("invalid", "text"),
        3: ("number_invalid", "to"),
        4: ("invalid", "nonsense"),
        5: ("text_too_long", "text"),
        6: ("invalid", None),
    }
    assert len(alone.engine.rows) == 2


def test_a_batch_of_refusals_is_still_an_answer(alone: Alone) -> None:
    reply = alone.post("/v1/messages/batch", {"messages": [GOOD | {"to": "x"}]})
    assert reply.status == 202
    assert reply.json["accepted"] == []
    assert alone.engine.batches == []


@pytest.mark.parametrize("rows", [0, BATCH_MESSAGES_MAX + 1])
def test_a_batch_has_one_to_a_thousand_rows(alone: Alone, rows: int) -> None:
    reply = alone.post("/v1/messages/batch", {"messages": [GOOD] * rows})
    assert reply.status == 422
    assert reply.json["field"] == "messages"


def test_a_full_batch_keeps_its_order(alone: Alone) -> None:
    reply = alone.post("/v1/messages/batch", {"messages": [GOOD | {"reference": str(n)} for n in range(1000)]})
    said = reply.json["accepted"]
    assert [a["reference"] for a in said] == [str(n) for n in range(1000)]
    assert [a["id"] for a in said] == sorted(a["id"] for a in said)
    assert list(alone.engine.rows) == [id_octets(a["id"]) for a in said]


@pytest.mark.parametrize(
    ("more", "code", "field", "status"),
    [
        ({"template": "x"}, "invalid", "template", 422),
        ({"params": {}}, "invalid", "template", 422),
        ({"text": None, "template": "nothing"}, "not_found", "template", 404),
        ({"class": "urgent"}, "invalid", "class", 422),
        ({"channel": "voice"}, "invalid", "channel", 422),
        ({"from": "a name that is too long"}, "sender_invalid", "from", 422),
        ({"validity_s": 9}, "invalid", "validity_s", 422),
        ({"validity_s": 10**30}, "invalid", "validity_s", 422),
        ({"send_at": "2026-11-22T18:30:00"}, "invalid", "send_at", 422),
        ({"send_at": "1999-01-01T00:00:00Z"}, "invalid", "send_at", 422),
        ({"send_at": "9999-12-31T23:59:59Z"}, "invalid", "send_at", 422),
        ({"send_at": "0001-01-01T00:00:00+23:59"}, "invalid", "send_at", 422),
        ({"callback_url": "https://elsewhere.example/x"}, "callback_not_allowed", "callback_url", 403),
        ({"metadata": {"a": 1}}, "invalid", "metadata", 422),
        ({"metadata": {str(n): "" for n in range(17)}}, "invalid", "metadata", 422),
        ({"reference": "r" * 129}, "invalid", "reference", 422),
        ({"reference": 5}, "invalid", "reference", 422),
        ({"to": None}, "invalid", "to", 422),
        ({"text": None}, "invalid", "text", 422),
        ({"text": "Card 4111 1111 1111 1111 was used"}, "content_refused", "text", 422),
        ({"text": "123456 http://evil.example", "class": "otp"}, "content_refused", "text", 422),
        ({"metadata": {"a": None}}, "invalid", "metadata", 422),
    ],
)
def test_what_is_wrong_is_named(alone: Alone, more: dict[str, object], code: str, field: str, status: int) -> None:
    reply = alone.post("/v1/messages", GOOD | more)
    assert (reply.status, reply.json["code"], reply.json["field"]) == (status, code, field)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["type"] == f"/errors/{code}"
    assert alone.engine.batches == []


def test_a_refusal_of_content_names_its_rule_and_the_preview_agrees(alone: Alone) -> None:
    said = alone.post("/v1/messages", GOOD | {"text": "password: hunter2x"}).json
    assert said["rule"] == "secret" and "hunter2x" not in str(said)
    reply = alone.post("/v1/preview", {"text": "password: hunter2x"})
    assert (reply.status, reply.json["rule"]) == (422, "secret")
    assert alone.post("/v1/preview", {"text": "hello"}).json["rules"] == []


OPTIONAL = ("from", "class", "channel", "reference", "validity_s", "send_at", "callback_url", "metadata",
            "template", "params", "locale")  # fmt: skip


@pytest.mark.parametrize("field", OPTIONAL)
def test_null_is_absent(alone: Alone, field: str) -> None:
    # Serializers of Java and C# write fields that nobody set as null.
    reply = alone.post("/v1/messages", GOOD | {field: None})
    assert reply.status == 202
    assert set(reply.json) == {"id", "status", "class", "segments", "encoding"}
    assert reply.json["class"] == "transaction"


def test_null_is_absent_in_batches_and_previews_and_in_the_document(alone: Alone) -> None:
    nothing = dict.fromkeys(OPTIONAL)
    reply = alone.post("/v1/messages/batch", {"messages": [GOOD | nothing] * 2})
    assert (reply.status, len(reply.json["accepted"]), reply.json["rejected"]) == (202, 2, [])
    assert alone.post("/v1/preview", {"text": "x", "to": None, "from": None, "class": None}).status == 200
    fields = alone.get("/v1/openapi.json").json["components"]["schemas"]["Message"]["properties"]
    for name in OPTIONAL:
        assert fields[name].get("type") == "null" or {"type": "null"} in fields[name]["anyOf"], name


@pytest.mark.parametrize(
    ("more", "detail"),
    [
        ({"to": 5}, "`to`: expected string, got integer"),
        ({"reference": 5}, "`reference`: expected string, got integer"),
        ({"validity_s": "60"}, "`validity_s`: expected integer, got string"),
        ({"validity_s": 5}, "`validity_s`: expected integer >= 10"),
        ({"send_at": 5}, "`send_at`: expected RFC 3339 time, got integer"),
        ({"metadata": []}, "`metadata`: expected object, got array"),
        ({"template": 5}, "`template`: expected string, got integer"),
        ({"params": {"n": 1.5}}, "`params`: expected integer or string or object, got number"),
    ],
)
def test_types_are_named_as_json_names_them(alone: Alone, more: dict[str, object], detail: str) -> None:
    assert alone.post("/v1/messages", GOOD | more).json["detail"] == detail


def test_a_row_that_is_no_object_is_called_a_row(alone: Alone) -> None:
    reply = alone.post("/v1/messages/batch", {"messages": [5]})
    assert reply.json["rejected"][0]["message"] == "the row: expected object, got integer"


def test_scheduled_messages_say_so(alone: Alone) -> None:
    at = f"{2026 + 0}-12-01T10:00:00+01:00"
    reply = alone.post("/v1/messages", GOOD | {"send_at": at, "validity_s": 60})
    if reply.status == 422:  # the day has passed, or is too far away, where this test runs
        assert reply.json["field"] == "send_at"
        return
    assert reply.json["status"] == "scheduled"
    batch = alone.engine.batches[0]
    assert batch.expires_ms[0] == batch.send_at_ms[0] + 60_000


def test_a_time_that_just_passed_means_now(alone: Alone) -> None:
    from appliance.clock import now_ms, rfc3339

    reply = alone.post("/v1/messages", GOOD | {"send_at": rfc3339(now_ms() - 1000)})
    assert reply.json["status"] == "accepted"
    reply = alone.post("/v1/messages", GOOD | {"send_at": rfc3339(now_ms() + 60_000), "validity_s": 60})
    assert reply.json["status"] == "scheduled"
    batch = alone.engine.batches[-1]
    assert batch.expires_ms[0] == batch.send_at_ms[0] + 60_000 > now_ms() + 100_000


@pytest.mark.parametrize(
    ("days", "keep", "taken"), [(10, 30, True), (29, 30, True), (31, 30, False), (60, 30, False), (60, 90, True)]
)
def test_a_message_that_would_be_erased_before_it_is_sent_is_refused(days: int, keep: int, taken: bool) -> None:
    """Its key is destroyed with its day: it was accepted, and ended failed."""
    from appliance.clock import DAY_MS, day_of, now_ms, rfc3339

    alone = Alone(store={"retention_days": keep})
    at = rfc3339((day_of(now_ms()) + days) * DAY_MS - 7_200_000)
    reply = alone.post("/v1/messages", GOOD | {"send_at": at, "validity_s": 3_600})
    assert reply.status == (202 if taken else 422)
    if not taken:
        assert (reply.json["code"], reply.json["field"]) == ("invalid", "send_at")
        assert "retention_days" in reply.json["hint"]
    told = alone.post("/v1/preview", {"to": GOOD["to"], "text": "x", "send_at": at, "validity_s": 3_600})
    alone.close()
    assert (b"retention_days" in told.body) is not taken


@pytest.mark.parametrize("address", ["/v1/messages", "/v1/messages/batch"])
def test_a_repeated_request_gets_the_same_answer(alone: Alone, address: str) -> None:
    body = GOOD if address == "/v1/messages" else {"messages": [GOOD, GOOD | {"to": "x"}]}
    first = alone.post(address, body, {"idempotency-key": "k-1"})
    again = alone.post(address, body, {"idempotency-key": "k-1"})
    assert first.status == again.status == 202
    assert again.body == first.body
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    if "location" in first.headers:
        assert again.headers["location"] == first.headers["location"]
    other = alone.post(
        address, {"messages": []} if address == "/v1/messages" else {"messages": [GOOD]}, {"idempotency-key": "k-1"}
    )
    assert other.status == (422 if address == "/v1/messages" else 409)
    assert len(alone.engine.rows) == 1


def test_an_idempotency_key_belongs_to_its_caller_and_is_kept_as_a_mac(alone: Alone) -> None:
    first = alone.post("/v1/messages", GOOD, {"idempotency-key": "order-77"})
    other = alone.post("/v1/messages", GOOD, {"idempotency-key": "order-77"}, token="cm_2_bruno")
    assert other.json["id"] != first.json["id"]
    request = alone.engine.batches[0].requests[0]
    assert len(request.key_mac) == len(request.body_mac) == 16
    assert b"order-77" not in request.key_mac + request.answer
    assert first.json["id"].encode() not in request.answer
    conflict = alone.post("/v1/messages", GOOD | {"text": "other"}, {"idempotency-key": "order-77"})
    assert (conflict.status, conflict.json["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "ü"])
def test_an_idempotency_key_is_visible_ascii(alone: Alone, key: str) -> None:
    reply = alone.post("/v1/messages", GOOD, {"idempotency-key": key})
    assert (reply.status, reply.json["field"]) == (422, "Idempotency-Key")


def test_the_same_key_twice_at_once_makes_one_message(alone: Alone) -> None:
    async def both() -> list[bytes]:
        body = json.dumps(GOOD).encode()
        replies = await asyncio.gather(
            *(alone.request("POST", "/v1/messages", body, {"idempotency-key": "k"}) for _ in range(5))
        )
        return [r.body for r in replies]

    bodies = alone.loop.run_until_complete(both())
    assert len(set(bodies)) == 1
    assert len(alone.engine.rows) == 1


def test_many_requests_share_a_commit(alone: Alone) -> None:
    async def many() -> None:
        body = json.dumps(GOOD).encode()
        await asyncio.gather(*(alone.request("POST", "/v1/messages", body) for _ in range(200)))

    alone.loop.run_until_complete(many())
    assert len(alone.engine.rows) == 200
    assert len(alone.engine.batches) <= 3


def test_the_answer_waits_for_the_engine(alone: Alone) -> None:
    async def slow() -> None:
        gate = asyncio.Event()
        alone.engine.gate = gate.wait
        task = asyncio.ensure_future(alone.request("POST", "/v1/messages", json.dumps(GOOD).encode()))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()
        gate.set()
        assert (await task).status == 202

    alone.loop.run_until_complete(slow())


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Error("peer_unavailable", "engine-0 does not answer", process="engine-0"), 503, "engine_unavailable"),
        (Error("overloaded", "full"), 429, "overloaded"),
        (Error("store_full", "full"), 503, "store_full"),
        (Error("no_route", "no link"), 422, "no_route"),
        (Error("settings_invalid", "our secret /path"), 500, "internal"),
        (RuntimeError("a mistake about +393331234567"), 500, "internal"),
    ],
)
def test_what_the_engine_refuses_is_told(
    alone: Alone, error: Exception, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    alone.engine.down = error  # type: ignore[assignment]
    reply = alone.post("/v1/messages", GOOD)
    assert (reply.status, reply.json["code"]) == (status, code)
    assert ("retry-after" in reply.headers) == (status in (429, 503))
    assert b"secret" not in reply.body
    assert "333123" not in reply.body.decode() + caplog.text


def test_nothing_is_taken_while_the_hsm_or_the_engine_is_away(alone: Alone) -> None:
    alone.gateway.peers.grace_s = 0.0
    alone.ring.well = (False, "the token is gone")
    alone.loop.run_until_complete(alone.gateway.peers.look())
    reply = alone.post("/v1/messages", GOOD)
    assert (reply.status, reply.json["code"]) == (503, "hsm_unavailable")
    ready = alone.get("/readyz")
    assert (ready.status, ready.json["code"]) == (503, "hsm_unavailable")
    assert ready.json["checks"]["keys"] != "ok"
    assert alone.get("/healthz").status == 200
    alone.ring.well = (True, "")
    alone.engine.down = Error("peer_unavailable", "gone")
    alone.loop.run_until_complete(alone.gateway.peers.look())
    assert alone.post("/v1/messages", GOOD).json["code"] == "engine_unavailable"
    alone.engine.down = None
    alone.loop.run_until_complete(alone.gateway.peers.look())
    assert alone.post("/v1/messages", GOOD).status == 202
    assert alone.get("/readyz").json["ready"] is True


def test_too_many_pending_messages_are_refused_before_any_work(alone: Alone) -> None:
    alone.gateway.funnel.pending_max = 20  # three quarters of it for transactions
    reply = alone.post("/v1/messages/batch", {"messages": [GOOD] * 16})
    assert (reply.status, reply.json["code"], reply.headers["retry-after"]) == (429, "overloaded", "1")
    assert alone.post("/v1/messages/batch", {"messages": [GOOD] * 15}).status == 202
    assert alone.post("/v1/messages/batch", {"messages": [{**GOOD, "class": "bulk"}] * 11}).status == 429
    assert alone.post("/v1/messages/batch", {"messages": [{**GOOD, "class": "otp"}] * 20}).status == 202
    assert alone.gateway.funnel.pending == 0


def test_a_slow_key_is_slowed(alone: Alone) -> None:
    replies = [alone.post("/v1/messages", GOOD, token="cm_3_slow") for _ in range(4)]
    assert [r.status for r in replies][:2] == [202, 202]
    last = replies[-1]
    assert (last.status, last.json["code"]) == (429, "rate_limited")
    assert int(last.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("address", "most"), [("/v1/messages", SINGLE_BODY_OCTETS_MAX), ("/v1/messages/batch", BODY_OCTETS_MAX)]
)
def test_large_bodies_are_refused_early(alone: Alone, address: str, most: int) -> None:
    told = alone.post(address, b"{}", {"content-length": str(most + 1)})
    piece = b" " * (most // 4)
    streamed = alone.post(address, [piece] * 6)
    endless = alone.post(address, b"{}", {"content-length": "9" * 30})
    assert told.status == streamed.status == endless.status == 413
    assert told.json["code"] == "too_large"


def test_the_longest_text_fits_one_body(alone: Alone) -> None:
    reply = alone.post("/v1/messages", GOOD | {"text": "😀" * 4000})
    assert reply.status == 202
    assert reply.json["encoding"] == "ucs2"


def test_preview_tells_and_sends_nothing(alone: Alone) -> None:
    said = alone.post("/v1/preview", {"text": "€" * 100, "to": "+393331234567"}).json
    assert (said["encoding"], said["segments"], said["characters"], said["price"]) == ("gsm7", 2, 100, None)
    assert "".join(said["parts"]) == "€" * 100
    assert len(said["parts"]) == 2
    assert said["route"] == ["one", "two"]
    assert said["leaving"] == {"link": "one", "encoding": "gsm7", "segments": 2, "tables": []}
    assert alone.post("/v1/preview", {"text": "x"}).json["route"] is None
    assert alone.post("/v1/preview", {"text": "x", "to": "1"}).json["field"] == "to"
    assert alone.engine.batches == []


def test_preview_shows_what_the_link_would_make_of_it_and_what_was_made_plain() -> None:
    links = [{"name": "one", "host": "127.0.0.1", "shift_tables": ["tr"]}, {"name": "two", "host": "127.0.0.1"}]
    alone = Alone(link=links, text={"transliterate": "look-alikes"})
    said = alone.post("/v1/preview", {"text": "ş" * 75, "to": "+393331234567"}).json
    assert (said["encoding"], said["segments"], said["rules"]) == ("ucs2", 2, [])
    assert said["leaving"] == {"link": "one", "encoding": "gsm7", "segments": 1, "tables": ["tr"]}
    said = alone.post("/v1/preview", {"text": "L\u2019importo\u2026"}).json
    assert (said["parts"], said["rules"], said["leaving"]) == (["L'importo..."], ["transliterated"], None)


def test_a_number_that_no_link_serves_is_refused_before_it_is_accepted() -> None:
    alone = Alone(route=[{"prefix": "39", "links": ["one"]}])
    reply = alone.post("/v1/messages", GOOD | {"to": "+4915123456789"})
    assert (reply.status, reply.json["code"], reply.json["field"]) == (422, "no_route", "to")
    batch = alone.post("/v1/messages/batch", {"messages": [GOOD, GOOD | {"to": "+4915123456789"}]})
    assert [r["code"] for r in batch.json["rejected"]] == ["no_route"]
    assert len(alone.engine.rows) == 1


def test_a_message_takes_its_text_from_a_template(tmp_path: Path) -> None:
    alone = Alone(tmp_path, api={"saves_templates": True})
    texts = {
        "en": "{n, plural, one {# payment} other {# payments}} of {sum, number, currency}",
        "it": "{n, plural, one {# pagamento} other {# pagamenti}} per {sum, number, currency}",
    }
    saved = alone.ask("PUT", "/v1/templates/paid", {"locale": "en", "texts": texts})
    assert saved.status == 200 and saved.json["params"] == {"n": "number", "sum": "money"}
    named = {"template": "paid", "locale": "it-CH", "params": {"n": 2, "sum": {"amount": "12.50", "currency": "EUR"}}}
    shown = alone.post("/v1/preview", named).json
    assert shown["parts"] == ["2 pagamenti per 12,50 €"]
    reply = alone.post("/v1/messages", {"to": GOOD["to"], **named})
    assert reply.status == 202 and alone.get(f"/v1/messages/{reply.json['id']}").json["text"] == shown["parts"][0]
    wrong = {**named, "params": {"n": 2}}
    refused = alone.post("/v1/messages/batch", {"messages": [{"to": GOOD["to"], **named}, {"to": GOOD["to"], **wrong}]})
    assert len(refused.json["accepted"]) == 1
    assert refused.json["rejected"][0]["code"] == "params_invalid" and "sum" in refused.json["rejected"][0]["message"]
    assert [t["name"] for t in alone.get("/v1/templates").json["templates"]] == ["paid"]
    assert alone.get("/v1/templates/paid").json["version"] == 1
    assert (
        alone.ask("PUT", "/v1/templates/paid", {"locale": "en", "texts": {"en": "{n"}}).json["code"]
        == "template_invalid"
    )
    assert alone.ask("DELETE", "/v1/templates/paid").json["in_use"] is False
    assert alone.post("/v1/messages", {"to": GOOD["to"], **named}).status == 404
    assert [entry[1] for entry in alone.auditor.entries] == ["template.saved", "template.removed"]
    alone.close()


def test_templates_are_not_rewritten_by_who_may_only_send(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    for method in ("PUT", "DELETE"):
        reply = alone.ask(method, "/v1/templates/paid", {"locale": "en", "texts": {"en": "x"}})
        assert (reply.status, reply.json["code"]) == (403, "forbidden")
    assert alone.get("/v1/templates").json["templates"] == [] and alone.auditor.entries == []
    alone.close()

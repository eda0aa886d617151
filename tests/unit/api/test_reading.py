"""Reading back: searches stay within the caller's own messages, cancel and redact do what they say, nothing leaks."""

from __future__ import annotations

from uuid import UUID

import pytest

from appliance.api import reading
from tests.support.api_alone import Alone

GOOD = {"to": "+393331234567", "text": "Your code is 123456"}


def test_a_search_by_number_is_on_the_record_before_its_answer(alone: Alone) -> None:
    alone.post("/v1/messages", GOOD)
    alone.post("/v1/messages", GOOD | {"to": "+393331234568"})
    for written in ("%2B393331234567", "+393331234567", "%2B39%20333%20123%204567"):
        page = alone.get(f"/v1/messages?number={written}").json
        assert [m["to"] for m in page["messages"]] == ["+393331234567"]
    assert alone.auditor.entries[0] == ("api:anna", "message.searched_by_number", "store:messages", "ok", {"found": 1})
    assert len(alone.auditor.entries) == 3
    alone.auditor.down = True
    reply = alone.get("/v1/messages?number=%2B393331234567")
    assert (reply.status, reply.json["code"]) == (503, "audit_unavailable")
    assert alone.get("/v1/messages").status == 200


def test_the_real_audit_room_takes_the_entry() -> None:
    from appliance.audit.entry import entry

    entry(0, "api:anna", "message.searched_by_number", "store:messages", "ok", found=200)


def test_pages_follow_one_another(alone: Alone) -> None:
    alone.post("/v1/messages/batch", {"messages": [GOOD | {"reference": str(n)} for n in range(5)]})
    seen, cursor = [], ""
    while True:
        page = alone.get(f"/v1/messages?limit=2{cursor}").json
        seen += [m["reference"] for m in page["messages"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ["4", "3", "2", "1", "0"]


def test_who_has_few_among_many_goes_on_with_the_cursor(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway read every message of every day for one page, and answered nobody else as quickly meanwhile."""
    monkeypatch.setattr(reading, "SEARCH_S_MAX", 0.0)
    for n in range(6):
        alone.post("/v1/messages", GOOD | {"class": "bulk" if n else "otp"})
    seen, cursor, pages = [], "", 0
    while True:
        page = alone.get(f"/v1/messages?class=otp{cursor}").json
        seen += [m["class"] for m in page["messages"]]
        pages += 1
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ["otp"] and 1 < pages < 10


def test_filters(alone: Alone) -> None:
    alone.post("/v1/messages", GOOD | {"class": "otp"})
    alone.post("/v1/messages", GOOD | {"class": "bulk"})
    assert [m["class"] for m in alone.get("/v1/messages?class=otp").json["messages"]] == ["otp"]
    assert alone.get("/v1/messages?status=delivered").json["messages"] == []
    assert alone.get("/v1/messages?to_time=2000-01-01T00:00:00Z").json["messages"] == []
    assert len(alone.get("/v1/messages?from_time=2000-01-01T00:00:00+01:00").json["messages"]) == 2
    assert alone.get("/v1/messages?link=one").json["messages"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit"), ("limit=%D9%A1", "limit"), ("limit=1&limit=2", "limit"),
        ("status=gone", "status"), ("class=x", "class"), ("from_time=yesterday", "from_time"), ("to_time=2026-01-01T00:00:00", "to_time"),
        ("number=123", "number"), ("number=", "number"), ("cursor=!", "cursor"), ("link=a/b", "link"), ("colour=red", None), ("status", None), ("status=%ff", None),
    ],
)  # fmt: skip
def test_a_wrong_query_is_refused(alone: Alone, query: str, field: str | None) -> None:
    reply = alone.get(f"/v1/messages?{query}")
    assert reply.status == 422
    assert reply.json.get("field") == field


def test_an_id_is_read_in_either_case(alone: Alone) -> None:
    # Oracle and .NET write UUIDs in capitals.
    said = alone.post("/v1/messages", GOOD).json
    reply = alone.get(f"/v1/messages/{said['id'].upper()}")
    assert (reply.status, reply.json["id"]) == (200, said["id"])


def test_cancel_and_redact(alone: Alone) -> None:
    one = alone.post("/v1/messages", GOOD).json["id"]
    assert alone.post(f"/v1/messages/{one}/cancel").json == {"id": one, "status": "cancelled"}
    again = alone.post(f"/v1/messages/{one}/cancel")
    assert (again.status, again.json["code"]) == (409, "not_cancellable")
    assert alone.post(f"/v1/messages/{one}/redact").json == {"id": one, "redacted": True}
    found = alone.get(f"/v1/messages/{one}").json
    assert (found["text"], found["reference"], found["metadata"]) == (None, None, None)
    assert found["status"] == "cancelled"


def test_a_message_whose_day_s_key_was_destroyed_shows_as_erased(alone: Alone) -> None:
    headers = {"idempotency-key": "once"}
    one = alone.post("/v1/messages", GOOD | {"reference": "r"}, headers).json["id"]
    before = alone.get(f"/v1/messages/{one}").json
    alone.ring.destroyed.update(alone.ring.keys)
    reply = alone.get(f"/v1/messages/{one}")
    assert reply.status == 200
    assert [reply.json[name] for name in ("to", "text", "reference", "metadata")] == [None] * 4
    kept = ("id", "status", "segments", "accepted_at", "events", "parts")
    assert [reply.json[name] for name in kept] == [before[name] for name in kept]
    page = alone.get("/v1/messages").json["messages"]
    assert [(m["id"], m["to"], m["status"]) for m in page] == [(one, None, before["status"])]
    again = alone.post("/v1/messages", GOOD | {"reference": "r"}, headers)
    assert (again.status, again.json["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize("what", ["number", "content", "whose", "key"])
def test_a_row_that_does_not_open_says_so_and_hides_no_other(alone: Alone, what: str) -> None:
    """Changed on the disk, or copied there from elsewhere: its seal fails."""
    ids = [alone.post("/v1/messages", GOOD | {"reference": str(n)}).json["id"] for n in range(3)]
    row = alone.engine.rows[UUID(ids[1]).bytes]
    if what == "whose":
        row.content = alone.engine.rows[UUID(ids[0]).bytes].content
    elif what == "key":
        row.key_id = 99
    else:
        sealed = getattr(row, what)
        setattr(row, what, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    page = alone.get("/v1/messages?number=%2B393331234567")
    assert page.status == 200
    code = "key_missing" if what == "key" else "key_refused"
    shown = [(m["reference"], m["to"], m["code"]) for m in page.json["messages"]]
    assert shown == [("2", GOOD["to"], None), (None, None, code), ("0", GOOD["to"], None)]
    one = alone.get(f"/v1/messages/{ids[1]}")
    assert (one.status, one.json["text"], one.json["code"]) == (200, None, code)


@pytest.mark.parametrize(
    "name", ["x", "019ab1c2-7b1e-7000-8a3f-5f0c2d9e4b6a", "019AB1C2-7B1E-7000-8A3F-5F0C2D9E4B6A", "%00", "..", "é"]
)
def test_what_is_not_there(alone: Alone, name: str) -> None:
    assert alone.get(f"/v1/messages/{name}").json["code"] == "not_found"
    assert alone.post(f"/v1/messages/{name}/cancel").json["code"] == "not_found"


def test_links_and_metrics(alone: Alone) -> None:
    alone.post("/v1/messages", GOOD)
    assert alone.get("/v1/links").json["links"][0]["state"] == "up"
    text = alone.get("/metrics", {"accept": "text/plain"}).body.decode()
    for line in (
        'casemate_messages_total{status="accepted"} 1.0',
        'casemate_segments_total{event="submitted"} 1.0',
        'casemate_queue_messages{class="bulk"} 0.0',
        'casemate_link_up{link="one"} 1.0',
        'casemate_gateway_accepted_messages_total{gateway="0"} 1.0',
        'casemate_ready{process="engine"} 1.0',
    ):
        assert line in text
    assert "333123" not in text
    from appliance.errors import Error

    alone.engine.down = Error("peer_unavailable", "gone")
    alone.gateway._state_at_s = -1e9
    assert "casemate_messages_total" not in alone.get("/metrics").body.decode()
    assert alone.get("/v1/links").json["code"] == "engine_unavailable"

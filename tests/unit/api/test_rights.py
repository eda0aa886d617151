"""Every address of the API by every method, for nobody, for a key that opens nothing and for another caller's key: read from the routes, so that a new one is walked too.

What is shut asks no other process for anything. What is another caller's is not found, is in no list, and nothing of it is in any answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api_alone import Alone

NUMBER, REFERENCE = "+393391112233", "reference-of-anna"
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
#: Addresses whose `{id}` is something that belongs to all callers: named so that a new one is decided on here.
SHARED = {"/v1/templates/{id}", "/v1/senders/{id}", "/v1/workflows/{id}", "/v1/suppressions/{id}", "/v1/lookup/{id}", "/v1/exemptions/rates/{id}", "/errors/{id}"}  # fmt: skip
#: Of what belongs to one caller: `{id}` of this kind is anna's.
OWNED = {"/v1/messages/{id}": "message", "/v1/verifications/{id}": "verification", "/v1/runs/{id}": "run", "/v1/inbound/{id}": "message"}  # fmt: skip


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    made = Alone(tmp_path)
    yield made
    made.close()


def asked(alone: Alone) -> tuple[int, int]:
    """Batches handed on, and entries but those that say that a credential was refused."""
    return len(alone.engine.batches), sum(entry[1] != "apikey.refused" for entry in alone.auditor.entries)


def test_nobody_and_a_key_that_opens_nothing_see_nothing(alone: Alone) -> None:
    walked = 0
    for pattern, route in (alone.app.exact | alone.app.wild).items():
        for method in METHODS:
            if route.open_to_all:
                continue
            before = asked(alone)
            for headers, token in (
                ({}, "cm_9_gone"),
                ({"authorization": ""}, ""),
                ({"authorization": "Basic YTpi"}, ""),
            ):
                reply = alone.ask(method, pattern.replace("{id}", "1"), b"{}", headers, token)
                assert reply.status in (401, 405) and (reply.status == 401 or method not in route.methods), (
                    method,
                    pattern,
                )
                walked += 1
            assert asked(alone) == before
    assert walked > 300


def test_what_is_open_to_all_holds_nothing_of_anybody(alone: Alone) -> None:
    alone.post("/v1/messages", {"to": NUMBER, "text": "hello", "reference": REFERENCE})
    open_ = [p for p, route in (alone.app.exact | alone.app.wild).items() if route.open_to_all]
    assert set(open_) == {
        "/v1/workflow-schema.json",
        "/v1/openapi.json",
        "/healthz",
        "/readyz",
        "/metrics",
        "/errors/{id}",
    }
    for pattern in open_:
        reply = alone.ask("GET", pattern.replace("{id}", "invalid"), headers={"authorization": ""})
        assert NUMBER.encode() not in reply.body and REFERENCE.encode() not in reply.body and reply.status == 200, (
            pattern
        )


def test_another_callers_things_are_not_there(alone: Alone) -> None:
    message = alone.post("/v1/messages", {"to": NUMBER, "text": "hello", "reference": REFERENCE}).json["id"]
    verification = alone.post("/v1/verifications", {"to": NUMBER, "purpose": "login"}).json["id"]
    ids = {"message": message, "verification": verification, "run": verification}
    bodies = {"check": b'{"code": "123456"}', "answer": b'{"answer": "yes", "who": "bruno"}'}
    assert alone.get(f"/v1/messages/{message}").json["reference"] == REFERENCE
    before, walked = asked(alone), 0
    for pattern, route in alone.app.wild.items():
        if pattern in SHARED:
            continue
        owner = next((kind for start, kind in OWNED.items() if pattern.startswith(start)), None)
        assert owner is not None, f"{pattern}: whose is it? Say so in SHARED or OWNED"
        for method in route.methods:
            body = bodies.get(pattern.rsplit("/", 1)[-1], b"{}" if method != "GET" else b"")
            reply = alone.ask(method, pattern.replace("{id}", ids[owner]), body, token="cm_2_bruno")
            # A check of a code answers the same whatever is wrong, so that it tells nobody what there is.
            if pattern == "/v1/verifications/{id}/check":
                assert (reply.status, reply.json["status"]) == (200, "denied")
            else:
                assert reply.status == 404, (method, pattern, reply.body)
            assert NUMBER.encode() not in reply.body and REFERENCE.encode() not in reply.body
            walked += 1
    assert walked >= 12 and len(alone.engine.batches) == before[0], "nothing was sent, cancelled or sent again"
    assert alone.get(f"/v1/verifications/{verification}").json["status"] == "pending"


def test_no_list_shows_another_callers_things(alone: Alone) -> None:
    alone.post("/v1/messages", {"to": NUMBER, "text": "hello", "reference": REFERENCE})
    for pattern, route in alone.app.exact.items():
        if "GET" not in route.methods or route.open_to_all:
            continue
        for query in ("", "?number=%2B393331234567" if pattern == "/v1/messages" else ""):
            reply = alone.get(pattern + query, token="cm_2_bruno")
            assert NUMBER.encode() not in reply.body and REFERENCE.encode() not in reply.body, pattern
    assert alone.get("/v1/messages", token="cm_2_bruno").json["messages"] == []
    assert len(alone.get("/v1/messages").json["messages"]) == 1

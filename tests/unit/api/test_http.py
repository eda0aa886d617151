"""The manners of HTTP: credentials, methods, media types, problems; and nothing of a request in any log."""

from __future__ import annotations

import logging

import pytest

from appliance.api.asgi import acceptable
from appliance.api.problems import INSTEAD, PEERS, STATUS
from appliance.errors import CODES
from tests.support.api_alone import Alone

GOOD = b'{"to":"+393331234567","text":"x"}'


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer nope", "Basic cm_1_anna", "cm_1_anna", "Bearer cm_1_anna x", "Bearer \xff"],
)
def test_without_a_valid_key_nothing_happens(alone: Alone, header: str | None) -> None:
    reply = alone.post("/v1/messages", GOOD, {"authorization": header})  # type: ignore[dict-item]
    assert (reply.status, reply.json["code"]) == (401, "unauthorized")
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.headers["content-type"] == "application/problem+json"


def test_the_scheme_has_no_case(alone: Alone) -> None:
    assert alone.post("/v1/messages", GOOD, {"authorization": "bearer cm_1_anna"}).status == 202


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/messages/",
        "/v1/messages/a/b",
        "/v1/messages/a/cancel/b",
        "//v1/messages",
        "/V1/messages",
    ],
)
def test_other_addresses_are_not_there(alone: Alone, address: str) -> None:
    assert alone.get(address).json["code"] == "not_found"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "QUERY", "BREW"])
def test_other_methods(alone: Alone, method: str) -> None:
    reply = alone.ask(method, "/v1/messages")
    assert (reply.status, reply.json["code"]) == (405, "method_not_allowed")
    assert reply.headers["allow"] == "POST, GET, HEAD, OPTIONS"


def test_head_and_options(alone: Alone) -> None:
    head, get = alone.ask("HEAD", "/healthz"), alone.get("/healthz")
    assert head.status == 200
    assert head.body == b""
    assert head.headers == get.headers
    options = alone.ask("OPTIONS", "/v1/messages/batch")
    assert (options.status, options.body, options.headers["allow"]) == (204, b"", "POST, OPTIONS")


@pytest.mark.parametrize(
    "media", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data"]
)
def test_bodies_are_json(alone: Alone, media: str) -> None:
    reply = alone.post("/v1/messages", GOOD, {"content-type": media})
    assert (reply.status, reply.json["code"]) == (415, "unsupported_media")


def test_a_charset_is_no_harm_and_compression_is_refused(alone: Alone) -> None:
    assert alone.post("/v1/messages", GOOD, {"content-type": "Application/JSON; charset=utf-8"}).status == 202
    assert alone.post("/v1/messages", GOOD, {"content-encoding": "gzip"}).status == 415


@pytest.mark.parametrize(
    ("accept", "yes"),
    [
        (b"application/json", True), (b"application/*", True), (b"text/html, */*;q=0.1", True), (b"text/html", False), (b"", False),
        (b"application/json;q=0, */*", False), (b"application/json;q=0.0", False), (b"APPLICATION/JSON ; q=0.5", True), (b"*/*;q=0", False),
    ],
)  # fmt: skip
def test_accept(accept: bytes, yes: bool) -> None:
    assert acceptable(accept, b"application/json") is yes


def test_an_answer_nobody_reads_is_not_given(alone: Alone) -> None:
    reply = alone.post("/v1/messages", GOOD, {"accept": "text/html"})
    assert (reply.status, reply.json["code"]) == (406, "not_acceptable")
    assert alone.engine.batches == []


def test_a_mistake_of_ours_shows_and_logs_nothing_of_the_request(
    alone: Alone, caplog: pytest.LogCaptureFixture
) -> None:
    secret = GOOD.decode()  # by name: a traceback quotes the source line

    def broken(*_: object) -> None:
        raise RuntimeError(secret)

    alone.gateway.charge = broken  # type: ignore[method-assign,assignment]
    with caplog.at_level(logging.DEBUG):
        reply = alone.post("/v1/messages", GOOD)
    assert (reply.status, reply.json["code"]) == (500, "internal")
    assert "RuntimeError" in caplog.text
    assert "in broken" in caplog.text
    assert "333123" not in caplog.text + reply.body.decode()


def test_every_code_has_an_explanation_where_its_type_points(alone: Alone) -> None:
    for code, status in STATUS.items():
        said = alone.get(f"/errors/{code}").json
        assert said == {"code": code, "status": status, "meaning": CODES[code]}
    assert alone.get("/errors/nonsense").status == 404
    assert {*INSTEAD, *PEERS.values()} <= {*CODES}


def test_the_document_names_every_route_and_resolves(alone: Alone) -> None:
    document = alone.get("/v1/openapi.json", token="none").json
    assert document["openapi"].startswith("3.1")
    ours = {r for r in {**alone.app.exact, **alone.app.wild} if not r.startswith("/errors")}
    assert set(document["paths"]) == ours
    for address, calls in document["paths"].items():
        route = {**alone.app.exact, **alone.app.wild}[address]
        assert {m.upper() for m in calls} == set(route.methods)
    text = alone.get("/v1/openapi.json").body.decode()
    import re

    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert name in document["components"]["schemas"]

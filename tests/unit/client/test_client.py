"""The client's pure parts: what is generated, how a request is written and repeated, how a callback is checked."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
import standardwebhooks

from appliance.api.client_source import WHERE, written
from appliance.client import CasemateError, NotGenuine, opened
from appliance.client.asked import Asked, answered, given, sendable, wait_s
from appliance.client.calls import AsyncCalls, Calls


@pytest.mark.parametrize("name", ["types.py", "calls.py"])
def test_the_client_is_what_the_document_says(name: str) -> None:
    kept = ast.dump(ast.parse((WHERE / name).read_text(encoding="utf-8")))
    assert kept == ast.dump(ast.parse(written()[name])), "python -m appliance.api.client_source, then ruff format"


class Heard(Calls):
    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def _ask(self, asked: Asked) -> Any:
        self.asked.append(asked)
        return {}


def test_a_method_says_what_was_given_and_nothing_else() -> None:
    heard = Heard()
    heard.send_message(to="+39", text="x", from_="BANK", class_="otp")
    heard.search_messages(number="+39", from_time="2026-01-01T00:00:00Z")
    heard.save_template("a/b c", texts={"en": "x"}, locale="en")
    assert [a.body for a in heard.asked] == [
        {"to": "+39", "text": "x", "from": "BANK", "class": "otp"}, None, {"texts": {"en": "x"}, "locale": "en"},
    ]  # fmt: skip
    assert heard.asked[1].query == {"number": "+39", "from_time": "2026-01-01T00:00:00Z"}
    assert heard.asked[2].address == "/v1/templates/a%2Fb%20c"
    assert {n for n in vars(Calls) if n[0] != "_"} == {n for n in vars(AsyncCalls) if n[0] != "_"}


POST = Asked("POST", "/v1/messages", (), {}, {"to": "+39"}, True, None)


def test_a_request_that_may_be_repeated_is_the_same_each_time() -> None:
    first = sendable(POST, "k")
    assert first.headers["idempotency-key"] and first.headers["authorization"] == "Bearer k"
    assert sendable(POST._replace(idempotency_key="mine"), "k").headers["idempotency-key"] == "mine"
    assert "idempotency-key" not in sendable(POST._replace(repeats=False), "k").headers
    assert json.loads(first.content) == {"to": "+39"}
    assert given({"a": None, "b": 0, "c": False, "d": ""}) == {"b": 0, "c": False, "d": ""}


@pytest.mark.parametrize(
    ("repeats", "method", "tries", "status", "after", "again"),
    [
        (True, "POST", 1, 0, None, True),
        (False, "POST", 1, 0, None, False),
        (False, "GET", 1, 0, None, True),
        (False, "POST", 1, 429, "2", True),
        (False, "POST", 1, 503, None, True),
        (True, "POST", 1, 500, None, False),
        (True, "POST", 1, 422, None, False),
        (True, "POST", 4, 503, None, False),
        (True, "POST", 1, 429, "3600", False),
        (True, "POST", 1, 429, "soon", True),
    ],
)
def test_when_it_is_sent_again(
    repeats: bool, method: str, tries: int, status: int, after: str | None, again: bool
) -> None:
    asked = POST._replace(repeats=repeats, method=method)
    pause_s = wait_s(asked, tries, status, after)
    assert (pause_s is not None) is again
    if after == "2":
        assert pause_s == 2.0


def test_errors_say_code_and_hint() -> None:
    with pytest.raises(CasemateError) as caught:
        answered(422, b'{"code": "invalid", "detail": "no", "hint": "do", "field": "to"}')
    assert (caught.value.code, caught.value.hint, caught.value.problem["field"]) == ("invalid", "do", "to")
    for status, content in ((200, b"<html>"), (502, b"<html>"), (404, b"[]")):
        with pytest.raises(CasemateError) as caught:
            answered(status, content)
        assert caught.value.code == "no_answer"
    assert answered(204, b"") == {} and answered(200, b"[1]") == [1]


def test_a_callback_is_checked_as_another_library_signs_it() -> None:
    secret = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
    body, at = b'{"type": "message.delivered"}', 1_800_000_000
    import datetime

    signed = standardwebhooks.Webhook(secret).sign(
        "msg_1", datetime.datetime.fromtimestamp(at, tz=datetime.UTC), body.decode()
    )
    headers = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(at), "Webhook-Signature": f"v1,AAAA {signed}"}
    assert opened(secret, headers, body, at + 10)["type"] == "message.delivered"
    for changed, late, text in (({}, 301, body), ({"Webhook-Id": "msg_2"}, 0, body), ({}, 0, body + b" ")):
        with pytest.raises(NotGenuine):
            opened(secret, headers | changed, text, at + late)
    with pytest.raises(NotGenuine):
        opened(secret, {}, body, at)

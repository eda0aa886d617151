"""Asking an operator about a number: tokens, questions, time-outs, a pause for one that is not well; nothing of a number in a log."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.courier.camara import Camaras, Question
from appliance.errors import Error
from appliance.limits import CAMARA_AT_ONCE_MAX, CAMARA_FAILURES_MAX, CAMARA_OCTETS_MAX, CAMARA_PAUSE_S
from appliance.settings import parse

NUMBER = "+393331234567"
ASKED = Question(NUMBER, 72, 30, "0198-abc")
AT = 1_795_694_400_000


class World:
    """An operator that answers as it is told, and what it was asked."""

    def __init__(self, tmp_path: Path, **row: Any) -> None:
        (tmp_path / "secret").write_text("s3cr:et\n")
        (tmp_path / "key.pem").write_bytes(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        given = {
            "prefix": "39",
            "api": "https://api.tim.example",
            "tenure": "kyc-tenure/v0.2",
            "token_url": "https://auth.tim.example/token",
            "client_id": "bank 1",
            "secret_file": "secret",
        }
        rows = parse({"camara": [given | row]}, tmp_path, "t", tmp_path).camaras
        self.now_s = 1_000.0
        self.seen: list[httpx.Request] = []
        self.answers: dict[str, Any] = {
            "/token": {"access_token": "abc", "token_type": "Bearer", "expires_in": 300},
            "/sim-swap/v2/check": {"swapped": False},
            "/sim-swap/v2/retrieve-date": {"latestSimChange": "2020-01-01T00:00:00Z"},
            "/kyc-tenure/v0.2/check-tenure": {"tenureDateCheck": True},
        }
        client = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        self.camaras = Camaras(rows, lambda _: client, lambda: AT, lambda: self.now_s)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        said = self.answers[request.url.path]
        if callable(said):
            said = said(request)
        if isinstance(said, Coroutine):
            said = await said
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, httpx.Response) else httpx.Response(200, json=said)

    def asked(self, path: str) -> list[httpx.Request]:
        return [r for r in self.seen if r.url.path == path]

    def form(self, n: int = -1) -> dict[str, str]:
        return {k: v[0] for k, v in parse_qs(self.asked("/token")[n].content.decode()).items()}

    def ask(self, asked: Question = ASKED) -> dict[str, str]:
        return run(self.camaras.ask(asked))


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(what)


def said(sim: str, tenure: str, why: str = "") -> dict[str, str]:
    return {"sim": sim, "tenure": tenure, "why": why, "asked_of": "api.tim.example"}


def test_both_questions_as_the_documents_have_them(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.ask() == said("unchanged", "long")
    (check,) = world.asked("/sim-swap/v2/check")
    assert json.loads(check.content) == {"phoneNumber": NUMBER, "maxAge": 72}
    assert (check.headers["authorization"], check.headers["x-correlator"]) == ("Bearer abc", "0198-abc")
    assert check.headers["content-type"] == "application/json"
    (tenure,) = world.asked("/kyc-tenure/v0.2/check-tenure")
    assert json.loads(tenure.content) == {"phoneNumber": NUMBER, "tenureDate": "2026-10-27"}
    scopes = {parse_qs(r.content.decode())["scope"][0] for r in world.asked("/token")}
    assert scopes == {f"dpv:FraudPreventionAndDetection {s}" for s in ("sim-swap:check", "kyc-tenure:check-tenure")}
    name, secret = base64.b64decode(world.asked("/token")[0].headers["authorization"][6:]).decode().split(":")
    assert (name, secret) == ("bank+1", "s3cr%3Aet"), "RFC 6749 section 2.3.1"


def test_only_what_is_wanted_is_asked(tmp_path: Path) -> None:
    world = World(tmp_path, tenure="")
    assert world.ask(Question(NUMBER, 72, 0, "c")) == said("unchanged", "")
    assert world.ask(Question(NUMBER, 0, 30, "c")) == said("", "unknown", "not_asked")
    assert world.ask(Question("+4915112345678", 72, 0, "c")) == {
        "sim": "unknown", "tenure": "", "why": "no_operator", "asked_of": "",
    }  # fmt: skip
    assert len(world.seen) == 2


def test_the_date_is_asked_for_where_the_row_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, question="retrieve-date")
    assert world.ask(Question(NUMBER, 72, 0, "c"))["sim"] == "unchanged"
    assert json.loads(world.asked("/sim-swap/v2/retrieve-date")[0].content) == {"phoneNumber": NUMBER}
    world.answers["/sim-swap/v2/retrieve-date"] = {"latestSimChange": None, "monitoredPeriod": 1}
    assert world.ask(Question(NUMBER, 72, 0, "c")) == said("unknown", "", "period_too_long")


def test_a_token_is_used_until_shortly_before_its_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    one = Question(NUMBER, 72, 0, "c")
    world.ask(one)
    world.now_s += 290
    world.ask(one)
    assert len(world.asked("/token")) == 1
    world.now_s += 6
    world.ask(one)
    assert len(world.asked("/token")) == 2


def test_many_at_once_ask_for_one_token(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def many() -> list[dict[str, str]]:
        return await asyncio.gather(*(world.camaras.ask(Question(NUMBER, 72, 0, "c")) for _ in range(20)))

    assert all(found["sim"] == "unchanged" for found in run(many()))
    assert len(world.asked("/token")) == 1 and len(world.asked("/sim-swap/v2/check")) == 20


def test_a_token_that_was_withdrawn_is_asked_for_anew_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    one = Question(NUMBER, 72, 0, "c")
    world.ask(one)
    refused = [httpx.Response(401, json={"code": "UNAUTHENTICATED"}), httpx.Response(200, json={"swapped": True})]
    world.answers["/sim-swap/v2/check"] = lambda _: refused.pop(0)
    assert world.ask(one) == said("changed", "")
    assert len(world.asked("/token")) == 2
    world.answers["/sim-swap/v2/check"] = httpx.Response(401, json={"code": "UNAUTHENTICATED"})
    assert world.ask(one) == said("unknown", "", "unauthorized")
    assert len(world.asked("/token")) == 3 and len(world.asked("/sim-swap/v2/check")) == 5


def test_who_asks_proves_it_with_a_key(tmp_path: Path) -> None:
    world = World(tmp_path, secret_file="", key_file="key.pem", key_id="k1")
    assert world.ask()["sim"] == "unchanged"
    form = world.form()
    assert form["grant_type"] == "client_credentials" and form["client_id"] == "bank 1"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "authorization" not in world.asked("/token")[0].headers and form["client_assertion"].count(".") == 2


def test_a_token_about_one_number_leaves_it_out_of_the_question(tmp_path: Path) -> None:
    world = World(tmp_path, secret_file="", key_file="key.pem", grant="jwt-bearer")
    one = Question(NUMBER, 72, 0, "c")
    assert (world.ask(one)["sim"], world.ask(one)["sim"]) == ("unchanged", "unchanged")
    form = world.form()
    assert set(form) == {"grant_type", "assertion"}, "`scope` is a claim of the assertion"
    claims = json.loads(base64.urlsafe_b64decode(form["assertion"].split(".")[1] + "=="))
    assert claims["sub"] == f"tel:{NUMBER}" and claims["scope"] == "dpv:FraudPreventionAndDetection sim-swap:check"
    assert json.loads(world.asked("/sim-swap/v2/check")[0].content) == {"maxAge": 72}
    assert len(world.asked("/token")) == 2, "each is about one question"


BROKEN: dict[str, tuple[Any, str]] = {
    "no JSON": (httpx.Response(200, text="<html>"), "malformed"),
    "too long": (httpx.Response(200, content=b" " * CAMARA_OCTETS_MAX + b'{"swapped": false}'), "malformed"),
    "coded": (httpx.Response(200, headers={"content-encoding": "gzip"}, content=b"\x1f\x8b"), "malformed"),
    "elsewhere": (httpx.Response(302, headers={"location": "https://evil.example/"}), "failed"),
    "broken": (httpx.Response(500), "failed"),
    "refused": (httpx.ConnectError("refused"), "unreachable"),
    "cut off": (httpx.RemoteProtocolError("cut"), "failed"),
    "slow to connect": (httpx.ConnectTimeout("slow"), "timeout"),
    "not theirs": (httpx.Response(404, json={"code": "IDENTIFIER_NOT_FOUND"}), "not_its_number"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_bad_answers_are_not_known(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "appliance")
    world = World(tmp_path)
    answer, why = BROKEN[kind]
    world.answers["/sim-swap/v2/check"] = answer
    assert world.ask() == said("unknown", "long", why)
    assert "evil" not in str([r.url for r in world.seen])
    assert NUMBER not in caplog.text and "333123" not in caplog.text and "abc" not in caplog.text


@pytest.mark.parametrize("kind", BROKEN)
def test_without_a_token_nothing_is_asked(tmp_path: Path, kind: str) -> None:
    world = World(tmp_path)
    world.answers["/token"] = BROKEN[kind][0]
    found = world.ask()
    assert (found["sim"], found["tenure"]) == ("unknown", "unknown") and found["why"] in (
        "no_token", "unreachable", "failed", "timeout",
    )  # fmt: skip
    assert len(world.asked("/sim-swap/v2/check")) == 0


def test_a_secret_that_cannot_be_read_is_said_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path)
    (tmp_path / "secret").unlink()
    assert world.ask()["why"] == "no_token" and "secret_file" in caplog.text


def test_an_operator_that_hangs_is_waited_for_no_longer_than_its_row_says(tmp_path: Path) -> None:
    world = World(tmp_path, timeout_ms=100)
    world.answers["/sim-swap/v2/check"] = lambda _: asyncio.Event().wait()
    assert world.ask() == said("unknown", "long", "timeout")


def test_one_that_is_not_well_is_left_alone_for_a_while(tmp_path: Path) -> None:
    world = World(tmp_path)
    one = Question(NUMBER, 72, 0, "c")
    world.answers["/sim-swap/v2/check"] = httpx.Response(503)
    assert [world.ask(one)["why"] for _ in range(CAMARA_FAILURES_MAX + 2)] == ["failed"] * CAMARA_FAILURES_MAX + [
        "paused"
    ] * 2
    assert world.camaras.state() == [{"host": "api.tim.example", "paused": True, "answers": {"failed": 5, "paused": 2}}]
    world.now_s += CAMARA_PAUSE_S + 0.1
    world.answers["/sim-swap/v2/check"] = {"swapped": False}
    assert [world.ask(one)["sim"] for _ in range(3)] == ["unchanged"] * 3


def test_a_refusal_is_no_outage(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.answers["/sim-swap/v2/check"] = httpx.Response(404, json={"code": "IDENTIFIER_NOT_FOUND"})
    one = Question(NUMBER, 72, 0, "c")
    assert {world.ask(one)["why"] for _ in range(CAMARA_FAILURES_MAX + 2)} == {"not_its_number"}


def test_more_than_it_is_asked_at_once_are_not_asked(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def flood() -> list[str]:
        gate = asyncio.Event()

        async def late() -> dict[str, bool]:
            await gate.wait()
            return {"swapped": False}

        world.answers["/sim-swap/v2/check"] = lambda _: late()
        asking = [
            asyncio.ensure_future(world.camaras.ask(Question(NUMBER, 72, 0, "c")))
            for _ in range(CAMARA_AT_ONCE_MAX + 3)
        ]
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result()["why"] for task in done} == {"busy"}
        gate.set()
        return [(await task)["why"] for task in asking]

    found = run(flood())
    assert found.count("busy") == 3 and found.count("") == CAMARA_AT_ONCE_MAX


def test_the_courier_takes_no_question_of_another_shape(tmp_path: Path) -> None:
    from appliance.courier.process import Desk

    world = World(tmp_path)
    desk: Any = Desk(None, None, None, camaras=world.camaras)  # type: ignore[arg-type]
    good = {"number": NUMBER, "swap_hours": 72, "tenure_days": 0, "correlator": "c"}
    assert run(desk.number_check(good, None)) == said("unchanged", "")
    ask: Callable[..., Any] = desk.number_check
    for change in ({"number": "333"}, {"swap_hours": -1}, {"correlator": "a b"}, {"more": 1}):
        with pytest.raises(Error) as e:
            run(ask(good | change, None))
        assert e.value.code == "malformed" and NUMBER not in str(e.value)

"""Signing in with the bank's sign-on: only the browser that left comes back, once; who the provider does not vouch for stays outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from appliance.access import OIDC, Access, totp
from appliance.settings import Settings, parse

from .conftest import NOW, Played, sign_in, token_in

CONSOLE = {"second_factor": False, "two_people": []}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return parse({"console": CONSOLE, "oidc": {"issuer": "https://sso.bank.example"}}, tmp_path, "test")


def back(client: FlaskClient, peers: Played, code: str, **more: str) -> TestResponse:
    return client.post("/sign-in/with-bank", data={"code": code, "state": peers.left[0], **more})


def test_who_the_provider_vouches_for_comes_in(client: FlaskClient, access: Access, peers: Played) -> None:
    assert "with the bank" in client.get("/sign-in").text
    left = client.get("/sign-in/with-bank")
    assert left.status_code == 303 and left.headers["Location"].startswith("https://sso.bank.example/authorize?")
    assert peers.left[3] == "http://localhost/sign-in/with-bank/back" and len({*peers.left}) == 4
    page = client.get("/sign-in/with-bank/back?code=a%22%3Eb&state=s").text
    assert 'value="a&#34;&gt;b"' in page
    assert back(client, peers, "olga").headers["Location"] == "/"
    olga = access.user("olga")
    assert olga is not None and (olga.role, olga.source) == ("operator", "sign-on")
    assert peers.log[-1][4] == {"role": "operator", "factor": "sign-on"}
    assert client.get("/messages").status_code == 200
    assert sign_in(client.application.test_client(), "olga").status_code == 401, "it has no password here"


def test_a_code_is_good_for_the_browser_that_left_and_once(client: FlaskClient, access: Access, peers: Played) -> None:
    assert client.post("/sign-in/with-bank", data={"code": "olga", "state": ""}).status_code == 400
    client.get("/sign-in/with-bank")
    other = client.application.test_client()
    assert back(other, peers, "olga").status_code == 400
    other.get("/sign-in/with-bank")
    assert back(client, peers, "olga").status_code == 400, "the state is the other browser's"
    client.get("/sign-in/with-bank")
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    data = {"code": "olga", "state": peers.left[0]}
    assert client.post("/sign-in/with-bank", data=data, headers=elsewhere).status_code == 400
    client.get("/sign-in/with-bank")
    assert back(client, peers, "nobody").status_code == 401
    assert back(client, peers, "olga").status_code == 400, "a dialogue is over after one answer"
    assert access.user("olga") is None


def test_who_stays_outside(client: FlaskClient, access: Access, peers: Played) -> None:
    for code, status in (("nora", 401), ("anna", 401), ("", 401)):
        client.get("/sign-in/with-bank")
        answer = back(client, peers, code)
        assert answer.status_code == status, code
        assert peers.log[-1][:4] == ("console:unknown", "console.login", "console:session", "refused")
    assert access.user("anna").role == "administrator", "an account of the console's own is not the provider's"  # type: ignore[union-attr]
    client.get("/sign-in/with-bank")
    peers.down.add("courier")
    assert back(client, peers, "olga").status_code == 503


def test_a_second_factor_is_asked_for_as_of_all(client: FlaskClient, access: Access, peers: Played) -> None:
    olga = access.from_directory("olga", "operator", NOW, OIDC)
    secret = access.offer_totp(olga)
    assert access.confirm_totp(olga, totp(secret, NOW // 30_000 - 1), NOW)
    client.get("/sign-in/with-bank")
    assert back(client, peers, "olga").headers["Location"] == "/sign-in/second?next=/"
    assert client.get("/messages").status_code == 303
    csrf = token_in(client.get("/sign-in/second"))
    done = client.post("/sign-in/second", data={"csrf": csrf, "code": totp(secret, NOW // 30_000)})
    assert done.status_code == 303 and client.get("/messages").status_code == 200


def test_who_fails_at_one_address_holds_up_nobody_at_another(client: FlaskClient, peers: Played) -> None:
    far = {"REMOTE_ADDR": "10.0.0.9"}
    stranger, codes = client.application.test_client(), []
    for _ in range(40):
        stranger.get("/sign-in/with-bank", environ_base=far)
        data = {"code": "nobody", "state": peers.left[0]}
        codes.append(stranger.post("/sign-in/with-bank", data=data, environ_base=far).status_code)
    assert codes[0] == 401 and codes[-1] == 429
    client.get("/sign-in/with-bank")
    assert back(client, peers, "olga").headers["Location"] == "/"

"""Who the bank's sign-on says somebody is: believed only with the provider's own signature over the right words."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from appliance.clock import now_ms
from appliance.courier.oidc import Said, SignOn, challenge_of, role_of
from appliance.errors import Error
from appliance.settings import parse

ISSUER = "https://sso.bank.example/realm"
KEY, OTHER = RSAKey.generate_key(2048, {"kid": "1"}), RSAKey.generate_key(2048, {"kid": "1"})
ROLES = {"security": "box-officers", "operator": "box-operators"}


class Provider:
    """Answers as one does; a test changes what it says."""

    def __init__(self, home: Path, **oidc: Any) -> None:
        secret = home / "secret"
        secret.write_text("s:e/c\n")
        given = {"issuer": ISSUER, "client_id": "box 1", "secret_file": str(secret), "roles": ROLES}
        self.settings = parse({"oidc": given | oidc}, home, "test")
        now = now_ms() // 1000
        self.claims: dict[str, Any] = {"iss": ISSUER, "aud": "box 1", "sub": "7", "iat": now, "exp": now + 60, "nonce": "n", "preferred_username": "olga", "groups": ["box-operators"]}  # fmt: skip
        self.described: dict[str, Any] = {
            "issuer": ISSUER,
            **{name: f"{ISSUER}/{name}" for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")},
        }  # fmt: skip
        self.token: str | None = None
        self.userinfo: dict[str, Any] = {}
        self.heard: list[httpx.Request] = []
        self.status = 200

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.heard.append(request)
        end = request.url.path.rsplit("/", 1)[-1]
        if end == "openid-configuration":
            return httpx.Response(200, json=self.described)
        if end == "jwks_uri":
            return httpx.Response(200, json={"keys": [KEY.as_dict(private=False)]})
        if end == "userinfo_endpoint":
            return httpx.Response(200, json=self.userinfo)
        token = self.token or jwt.encode({"alg": "RS256", "kid": "1"}, self.claims, KEY)
        return httpx.Response(self.status, json={"id_token": token, "access_token": "a"})

    def sign_on(self) -> SignOn:
        return SignOn(self.settings, httpx.MockTransport(self.answer))

    def ask(self) -> Said:
        return asyncio.run(self.sign_on().ask("the code", "n", "the verifier", "https://box/back"))


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return Provider(tmp_path)


def test_the_code_flow_with_pkce(provider: Provider) -> None:
    url = urlsplit(asyncio.run(provider.sign_on().begin("s", "n", "the verifier", "https://box/back")))
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert asked["code_challenge"] == challenge_of("the verifier") and asked["code_challenge_method"] == "S256"
    assert (asked["state"], asked["nonce"], asked["client_id"]) == ("s", "n", "box 1")
    assert provider.ask() == Said(True, "olga", "operator")
    token = next(r for r in provider.heard if r.method == "POST")
    assert b"code_verifier=the+verifier" in token.content and b"client_secret" not in token.content
    assert b64decode(token.headers["Authorization"].split()[1]) == b"box%201:s%3Ae%2Fc"
    # RFC 7636 appendix B
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://sso.other.example"},
        {"aud": "another"},
        {"aud": ["box 1", "another"], "azp": "another"},
        {"exp": 1},
        {"nonce": "other"},
        {"nonce": None},
        {"sub": None},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"preferred_username": 7},
    ],
)
def test_a_token_of_another_time_place_or_dialogue_is_not_believed(provider: Provider, changed: dict[str, Any]) -> None:
    provider.claims = {k: v for k, v in (provider.claims | changed).items() if v is not None}
    assert provider.ask() == Said(False)


def test_a_token_somebody_else_signed_is_not_believed(provider: Provider) -> None:
    head = urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    body = urlsafe_b64encode(json.dumps(provider.claims).encode()).decode().rstrip("=")
    public = json.dumps(KEY.as_dict(private=False)).encode()
    for token in (
        jwt.encode({"alg": "RS256", "kid": "1"}, provider.claims, OTHER),
        jwt.encode({"alg": "HS256"}, provider.claims, OctKey.import_key(public)),
        f"{head}.{body}.",
        "no token",
    ):
        provider.token = token
        assert provider.ask() == Said(False)


def test_groups_and_names_that_are_only_in_userinfo(provider: Provider) -> None:
    del provider.claims["groups"], provider.claims["preferred_username"]
    provider.userinfo = {
        "sub": "7",
        "preferred_username": "sonja",
        "groups": ["box-operators", "box-officers"],
        "iss": "x",
    }
    assert provider.ask() == Said(True, "sonja", "security"), "the first of the table"
    provider.userinfo["sub"] = "8"
    assert provider.ask() == Said(False)


def test_roles() -> None:
    assert [role_of(g, ROLES) for g in ("box-officers", ["x", "box-operators"], [], None, {"box-officers": 1}, [["box-officers"]])] == [
        "security", "operator", "", "", "", "",
    ]  # fmt: skip


def test_a_provider_that_is_away_or_calls_itself_otherwise(provider: Provider, tmp_path: Path) -> None:
    provider.status = 500
    with pytest.raises(Error, match="does not answer"):
        provider.ask()
    provider.status = 400
    assert provider.ask() == Said(False), "a code that was used"
    for wrong in ({"issuer": ISSUER + "/"}, {"token_endpoint": "http://sso.bank.example/t"}):
        provider.described |= wrong
        with pytest.raises(Error, match="calls itself otherwise"):
            provider.ask()
    with pytest.raises(Error, match="no sign-on"):
        asyncio.run(SignOn(parse({}, tmp_path, "t")).begin("s", "n", "v", "b"))


@pytest.mark.parametrize(
    "issuer", ["http://sso.bank.example", "https://", "https://a@b", "https://a?b", "https://a:x", "ftp://a"]
)
def test_an_issuer_is_https(tmp_path: Path, issuer: str) -> None:
    with pytest.raises(Error, match="issuer"):
        parse({"oidc": {"issuer": issuer}}, tmp_path, "t")

"""Nobody sees anything without a session and a permission; nobody writes without this page's own token."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from appliance.access import Access
from appliance.console import create_app
from appliance.console.guard import PUBLIC, safe_next
from appliance.message import id_text
from appliance.settings import parse
from appliance.store import Part

from .conftest import NOW, PASSWORD, Played, csrf_for, sign_in, token_in


def routes(app: Flask) -> list[tuple[str, str, str]]:
    out = []
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<[^>]*message_id>", "01a204ad-f726-707f-a054-9e4cb7a38f1b", rule.rule)
        path = re.sub(r"<[^>]*number>", "1", path.replace("<name>", "carlo")).replace("<path:filename>", "casemate.css")
        out += [(method, path, rule.endpoint) for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}]
    return out


def test_paths_that_do_not_exist_are_not_told_to_strangers(client: FlaskClient) -> None:
    assert client.get("/no/such/page").status_code == 303
    sign_in(client)
    assert client.get("/no/such/page").status_code == 404
    assert client.put("/messages").status_code == 405


def test_a_view_without_a_permission_is_shut_to_all(app: Flask, client: FlaskClient) -> None:
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    sign_in(client)
    response = client.get("/forgotten")
    assert response.status_code == 403 and "secret" not in response.text


@pytest.mark.parametrize(
    ("name", "shut"), [("vera", ["/audit", "/api-keys", "/users"]), ("carlo", ["/api-keys", "/users"]), ("anna", [])]
)
def test_roles(client: FlaskClient, name: str, shut: list[str]) -> None:
    sign_in(client, name)
    for path in ("/", "/messages", "/links", "/audit", "/api-keys", "/users", "/account"):
        response = client.get(path)
        assert response.status_code == (403 if path in shut else 200), path
        menu = response.text.split('aria-label="Main"')[1].split("</nav>")[0]
        assert all(f'href="{p}"' not in menu for p in shut)


def test_every_write_needs_the_token_of_this_session(app: Flask, access: Access, peers: Played) -> None:
    client = app.test_client()
    sign_in(client)
    other = app.test_client()
    sign_in(other, "carlo")
    foreign = csrf_for(other)
    before = list(peers.acts)
    writes = [(m, p, e) for m, p, e in routes(app) if m != "GET" and e not in PUBLIC]
    assert len(writes) >= 6
    for method, path, _ in writes:
        for sent in ({"csrf": ""}, {"csrf": foreign}):
            shut = (401,) if path.startswith("/admin/") else (400, 403)  # a session is no token
            assert client.open(path, method=method, data=sent).status_code in shut, path
    right = csrf_for(client)
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ):
        assert client.post("/sign-out", data={"csrf": right}, headers=headers).status_code == 400
    assert peers.acts == before and access.api_keys() == []
    assert client.post("/sign-out", headers={"X-CSRF-Token": right}).status_code == 303


def test_headers_and_cookies(client: FlaskClient) -> None:
    signed = sign_in(client)
    cookies = signed.headers.getlist("Set-Cookie")
    session = next(c for c in cookies if c.startswith("casemate-session="))
    assert "HttpOnly" in session and "SameSite=Strict" in session and "Path=/" in session
    for path in ("/", "/messages", "/nope", "/sign-in", "/overview/live"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "require-trusted-types-for 'script'" in policy and "script-src 'self'" not in policy
        assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_with_tls_cookies_are_bound_to_the_host(tmp_path: Path, access: Access, peers: Played) -> None:
    tls = parse(
        {"console": {"second_factor": False, "tls_certificate": "/c.pem", "tls_key": "/k.pem"}}, tmp_path, "test"
    )
    client = create_app(tls, access, peers, clock=lambda: NOW).test_client()  # type: ignore[arg-type]
    response = client.get("/sign-in", base_url="https://box.example")
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-casemate-door=") and "Secure" in cookie
    assert "max-age" in response.headers["Strict-Transport-Security"]


def test_no_inline_script_or_style_anywhere() -> None:
    templates = Path(__file__).parents[3] / "appliance" / "console" / "templates"
    pages = list(templates.glob("*.html"))
    assert len(pages) > 15
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:|hx-on|https?://|\|\s*safe", text), page.name
        assert not re.search(r"<script(?![^>]*src=)", text), page.name


def test_what_others_wrote_is_escaped(client: FlaskClient) -> None:
    sign_in(client)
    assert "<script>alert(1)" not in client.get("/audit").text
    page = client.get("/audit?who=%22%3E%3Cscript%3E").text
    assert "<script>" not in page.split("</head>")[1]


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "/%5cevil", "javascript:alert(1)", "/a\n/b",
     "/sign-in", "/static/casemate.css", "/overview/live", "", "/" + "a" * 2000],
)  # fmt: skip
def test_only_pages_of_our_own_come_after_signing_in(client: FlaskClient, target: str) -> None:
    assert sign_in(client, next=target).headers["Location"] == "/"


def test_the_page_that_was_wanted_comes_after_signing_in(client: FlaskClient) -> None:
    refused = client.get("/messages?status=failed")
    assert refused.headers["Location"] == "/sign-in?next=/messages?status%3Dfailed"
    assert sign_in(client, next="/messages?status=failed").headers["Location"] == "/messages?status=failed"


SHARED = create_app(parse({}, Path("/nowhere"), "test"))


@given(st.text(max_size=60))
def test_any_next_stays_here(target: str) -> None:
    with SHARED.test_request_context("/"):
        safe = safe_next(target)
    assert safe.startswith("/") and not safe.startswith(("//", "/\\"))


def test_too_large_and_too_odd_forms(client: FlaskClient) -> None:
    sign_in(client)
    csrf = csrf_for(client)
    assert client.post("/api-keys", data={"csrf": csrf, "name": "x" * 70_000}).status_code in (400, 413)
    assert client.post("/sign-in", data=b"\xff" * 100, content_type="multipart/form-data").status_code == 400
    assert client.get("/messages", query_string="from=%ff%fe&status=%00&cursor=%00").status_code == 200


def test_a_mistake_of_our_own_shows_no_traceback(app: Flask, client: FlaskClient, peers: Played) -> None:
    sign_in(client)

    def broken(**_: object) -> None:
        raise RuntimeError("+393471234567 is in this text")

    peers.search = broken  # type: ignore[method-assign,assignment]
    response = client.get("/messages")
    assert response.status_code == 500
    assert "RuntimeError" not in response.text and "393471234567" not in response.text
    assert PASSWORD not in response.text and token_in(client.get("/account"))


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil:8081", "box.bank.example", "10.0.0.1:8081"]
)
def test_in_clear_text_only_loopback_names_lead_here(client: FlaskClient, host: str) -> None:
    for path in ("/", "/sign-in", "/static/casemate.css", "/nope"):
        response = client.get(path, headers={"Host": host})
        assert response.status_code == 421 and host not in response.text, path


@pytest.mark.parametrize("host", ["127.0.0.1:8081", "localhost:9999", "[::1]:8081", "localhost"])
def test_a_forwarded_port_leads_here(client: FlaskClient, host: str) -> None:
    assert client.get("/sign-in", headers={"Host": host}).status_code == 200


def test_an_operators_words_are_only_words(client: FlaskClient, peers: Played) -> None:
    """What a link says of an error, a sender's name and an error code come from outside."""
    evil = "</span><img src=x onerror=alert(1)>{{7*7}}"
    state = peers.engine_state()
    state["links"][0]["last_error"] = evil
    peers.engine_state = lambda: state  # type: ignore[method-assign]
    row = peers.rows[0]
    events = [(NOW, "failed", evil)]
    parts = [Part(1, "failed", evil, 1, 1, 1, evil, evil)]
    import msgspec

    peers.rows[0] = msgspec.structs.replace(row, sender=evil, error=evil, events=events, parts=parts)
    sign_in(client)
    for path in ("/", "/links", "/messages", f"/messages/{id_text(row.id)}"):
        page = client.get(path)
        assert page.status_code == 200 and "<img" not in page.text, path
        assert "{{7*7}}" in page.text, "shown as it came"


def test_a_script_runs_only_with_the_nonce_of_its_own_answer(client: FlaskClient) -> None:
    sign_in(client)
    seen = set()
    for path in ("/", "/", "/messages", "/account/factors", "/nope"):
        page = client.get(path)
        found = set(re.findall(r"<script nonce=\"([^\"]{24})\"", page.text))
        assert len(found) == 1 and f"script-src 'nonce-{found.pop()}';" in page.headers["Content-Security-Policy"], path
        assert page.text.count("<script") == page.text.count("<script nonce=")
        seen.add(page.headers["Content-Security-Policy"])
    assert len(seen) == 5

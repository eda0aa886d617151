"""Signing in with a second factor, enrolling one, showing again who one is, the envelope."""

from __future__ import annotations

import re

from flask import Flask
from flask.testing import FlaskClient

from appliance.access import GLASS, Access, totp
from appliance.console.security_key import signed

from .conftest import NOW, Played, csrf_for, sign_in, token_in


def enrol(access: Access, name: str = "anna") -> bytes:
    person = access.user(name)
    assert person is not None
    secret = access.offer_totp(person)
    assert access.confirm_totp(person, totp(secret, NOW // 30_000 - 1), NOW)
    return secret


def test_a_password_alone_opens_nothing_for_who_has_a_second_factor(
    client: FlaskClient, access: Access, peers: Played
) -> None:
    secret = enrol(access)
    response = sign_in(client, next="/links")
    assert response.headers["Location"] == "/sign-in/second?next=/links"
    assert client.get("/links").status_code == 303 and peers.log == []
    page = client.get("/sign-in/second?next=/links")
    csrf = token_in(page)
    wrong = client.post("/sign-in/second", data={"csrf": csrf, "code": "000000"})
    assert wrong.status_code == 401 and peers.log[-1][4] == {"reason": "wrong second factor"}
    assert client.post("/sign-in/second", data={"csrf": "x", "code": totp(secret, NOW // 30_000)}).status_code == 400
    right = client.post("/sign-in/second", data={"csrf": csrf, "code": totp(secret, NOW // 30_000), "next": "/links"})
    assert right.headers["Location"] == "/links" and client.get("/links").status_code == 200
    assert peers.log[-1][4] == {"role": "administrator", "factor": "code"}
    assert client.post("/sign-in/second", data={"csrf": csrf, "code": "1"}).status_code == 400, "it is over"


def test_another_browser_cannot_go_on_where_a_password_was_shown(
    app: Flask, client: FlaskClient, access: Access
) -> None:
    enrol(access)
    sign_in(client)
    other = app.test_client()
    other.get("/sign-in")
    assert other.get("/sign-in/second").headers["Location"] == "/sign-in"


def test_a_telephone_is_enrolled_with_the_square_or_by_hand(client: FlaskClient, access: Access, peers: Played) -> None:
    sign_in(client)
    csrf = csrf_for(client)
    page = client.post("/account/factors/telephone", data={"csrf": csrf}).text
    text = re.search(r"Or type <span class=\"mono\">([A-Z2-7]+)</span>", page)
    assert text and 'd="M0 0h1v1h-1z' in page.replace("\n", "")
    person = access.user("anna")
    assert person is not None
    secret = access.offer_totp(person)
    wrong = client.post("/account/factors/telephone/confirm", data={"csrf": csrf, "code": "1"})
    assert wrong.status_code == 422 and text[1] in wrong.text
    code = totp(secret, NOW // 30_000)
    assert client.post("/account/factors/telephone/confirm", data={"csrf": csrf, "code": code}).status_code == 303
    assert peers.log[-1][1:] == ("console.factor_added", "user:anna", "ok", {"factor": "code"})
    assert text[1] not in client.get("/account/factors").text and text[1] not in str(peers.log)
    codes = re.findall(
        r"<li class=\"mono\">([0-9A-Z-]{19})</li>", client.post("/account/factors/recovery", data={"csrf": csrf}).text
    )
    assert len(codes) == 10 and codes[0] not in client.get("/account/factors").text
    client.post("/sign-out", data={"csrf": csrf})
    sign_in(client)
    csrf = token_in(client.get("/sign-in/second"))
    assert client.post("/sign-in/second", data={"csrf": csrf, "code": codes[3]}).status_code == 303
    assert peers.log[-1][4]["factor"] == "recovery code"


def test_without_the_audit_log_nothing_is_enrolled(client: FlaskClient, access: Access, peers: Played) -> None:
    sign_in(client)
    csrf = csrf_for(client)
    person = access.user("anna")
    assert person is not None
    secret = access.offer_totp(person)
    peers.down.add("auditor")
    sent = {"csrf": csrf, "code": totp(secret, NOW // 30_000)}
    assert client.post("/account/factors/telephone/confirm", data=sent).status_code == 503
    assert not access.factors(person).any


def test_made_up_answers_of_security_keys_open_nothing(client: FlaskClient, access: Access) -> None:
    person = access.user("anna")
    assert person is not None
    access.add_security_key(person, b"id", b"public", 0, "blue", NOW)
    csrf = token_in(client.get("/sign-in"))
    asked = client.post("/sign-in/options", data={"csrf": csrf})
    assert asked.json and asked.json["userVerification"] == "required" and asked.json["allowCredentials"] == []
    for answer in (
        "",
        "{",
        "[]",
        '{"rawId": 7}',
        '{"rawId": "aWQ"}',
        '{"rawId":"aWQ","id":"aWQ","response":{}}',
        "x" * 13_000,
    ):
        client.post("/sign-in/options", data={"csrf": csrf})
        response = client.post("/sign-in/key", data={"csrf": csrf, "answer": answer})
        assert response.status_code in (401, 429), answer[:20]
    assert client.get("/links").status_code == 303
    assert signed.__doc__ and client.post("/sign-in/options").status_code == 400


def test_the_envelope_opens_with_an_alarm_for_who_looks_after_people(
    app: Flask, client: FlaskClient, access: Access, peers: Played
) -> None:
    password = access.seal_glass(NOW)
    peers.down.add("auditor")
    assert sign_in(client, GLASS, password).status_code == 503, "nobody comes in without a trace"
    peers.down.clear()
    assert sign_in(client, GLASS, password).status_code == 303
    assert [entry[1] for entry in peers.log] == ["console.glass_opened", "console.login"]
    assert client.get("/users").status_code == 200
    assert sign_in(app.test_client(), GLASS, password).status_code == 401
    other = app.test_client()
    sign_in(other)
    assert "break-glass account was opened" in other.get("/").text
    viewer = app.test_client()
    sign_in(viewer, "vera")
    assert "break-glass" not in viewer.get("/").text


def test_people_are_changed_signed_out_and_helped(
    app: Flask, client: FlaskClient, access: Access, peers: Played
) -> None:
    enrol(access, "vera")
    sign_in(client)
    csrf = csrf_for(client)
    vera = access.user("vera")
    assert vera is not None
    token = access.start_session(vera, NOW)
    assert "telephone" in client.get("/users").text
    assert client.post("/users/vera/end-session", data={"csrf": csrf}).status_code == 303
    assert access.session(token, NOW) is None
    assert client.post("/users/vera/role", data={"csrf": csrf, "role": "operator"}).status_code == 303
    assert client.post("/users/vera/role", data={"csrf": csrf, "role": "emperor"}).status_code == 422
    assert client.post("/users/vera/forget-factors", data={"csrf": csrf}).status_code == 303
    changed = access.user("vera")
    assert changed is not None and changed.role == "operator" and not access.factors(changed).any
    assert [e[1] for e in peers.log[1:]] == ["console.session_ended", "console.user_changed", "console.factor_removed"]
    for act in ("role", "end-session", "forget-factors", "remove"):
        assert client.post(f"/users/anna/{act}", data={"csrf": csrf, "role": "viewer"}).status_code == 403, "oneself"


def test_the_last_factor_stays_where_one_is_required(client: FlaskClient, access: Access) -> None:
    enrol(access)
    sign_in(client)
    csrf = token_in(client.get("/sign-in/second"))
    secret = access.conn.execute("SELECT secret FROM totp").fetchone()[0]
    client.post("/sign-in/second", data={"csrf": csrf, "code": totp(bytes(secret), NOW // 30_000)})
    access.settings._values["console.second_factor"] = True
    csrf = csrf_for(client)
    assert client.post("/account/factors/telephone/remove", data={"csrf": csrf}).status_code == 422
    access.settings._values["console.second_factor"] = False
    assert client.post("/account/factors/telephone/remove", data={"csrf": csrf}).status_code == 303

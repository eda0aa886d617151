"""What the pages do: every privileged act is recorded before it happens, nothing sealed is opened, refusals are plain."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from appliance.access import Access
from appliance.console.languages import count, moment, span
from appliance.console.pulse import Pulse
from appliance.console.words import country, share, short
from appliance.errors import Error
from appliance.message import id_text

from .conftest import NOW, PASSWORD, Played, csrf_for, found, sign_in, token_in


def test_signing_in_is_recorded_and_gives_a_new_session(client: FlaskClient, peers: Played) -> None:
    client.set_cookie("casemate-session", "x" * 43)
    response = sign_in(client)
    assert response.status_code == 303
    assert "x" * 43 not in str(response.headers.getlist("Set-Cookie")), "a cookie planted before is not taken over"
    assert peers.log == [
        ("console:anna", "console.login", "console:session", "ok", {"role": "administrator", "factor": "password"})
    ]
    assert "anna" in client.get("/").text


def test_failed_sign_ins_are_recorded_without_unknown_names(client: FlaskClient, peers: Played) -> None:
    response = sign_in(client, "anna", "wrong wrong wrong")
    assert response.status_code == 401 and "wrong" in response.text
    assert sign_in(client, "my password typed here", "x").status_code == 401
    assert [(e[0], e[3]) for e in peers.log] == [("console:anna", "refused"), ("console:unknown", "refused")]
    assert "my password" not in str(peers.log)
    assert client.get("/").status_code == 303


def test_guessing_is_throttled(client: FlaskClient, peers: Played) -> None:
    for _ in range(4):
        assert sign_in(client, "anna", "wrong wrong wrong").status_code == 401
    response = sign_in(client)
    assert response.status_code == 429 and response.headers["Retry-After"] == "2"
    assert peers.log[-1][4] == {"reason": "throttled"}
    assert sign_in(client, "carlo").status_code == 303, "others sign in as ever"


def test_a_sign_in_form_needs_its_own_token(client: FlaskClient) -> None:
    stale = client.post("/sign-in", data={"name": "anna", "password": PASSWORD, "csrf": "x"})
    assert stale.status_code == 400 and "too long" in stale.text and token_in(stale)


def test_without_the_audit_log_nobody_signs_in(client: FlaskClient, peers: Played) -> None:
    peers.down.add("auditor")
    response = sign_in(client)
    assert response.status_code == 503 and "could not be recorded" in response.text
    assert "casemate-session" not in str(response.headers.getlist("Set-Cookie"))


def test_signing_out_ends_the_session_even_without_the_audit_log(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    csrf = csrf_for(client)
    peers.down.add("auditor")
    assert client.post("/sign-out", data={"csrf": csrf}).headers["Location"] == "/sign-in?out=1"
    assert client.get("/").status_code == 303


def test_a_day_that_cannot_be_counted_is_said_beside_its_noughts(
    client: FlaskClient, peers: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(self: Played, day: int) -> dict[str, int]:
        raise Error("store_damaged", "the messages of 2023-11-14 cannot be read", "restore them from a backup")

    sign_in(client)
    monkeypatch.setattr(Played, "totals", damaged)
    assert "messages of 2023-11-14 cannot be read" in client.get("/").text


def test_overview_with_everything_down_still_shows(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    assert ">up<" in client.get("/").text
    peers.down |= {"engine", "keys", "auditor"}
    text = client.get("/overview/now", headers={"HX-Request": "true"}).text
    assert text.count("not answering") == 3
    assert client.get("/links").status_code == 200


def test_polling_an_ended_session_leads_to_the_sign_in_page(client: FlaskClient) -> None:
    for path in ("/overview/live", "/overview/now", "/links/now"):
        response = client.get(path)
        assert response.status_code == 401 and response.headers["HX-Redirect"].startswith("/sign-in")


def test_search_filters_and_pages(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    peers.cursor = "next-page"
    page = client.get("/messages?status=failed&class=otp&link=tim&from=2026-11-22T10:00")
    asked = peers.searched[-1]
    assert (asked["status"], asked["class_"], asked["link"]) == (6, 0, "tim")
    assert asked["from_ms"] == 1_795_341_600_000
    assert "cursor=next-page" in page.text and "sealed" in page.text and "IT +39" in page.text
    rows = client.get("/messages?cursor=next-page", headers={"HX-Request": "true"}).text
    assert "<html" not in rows and rows.count("<tr") == 4
    assert "not one that this search gave" in client.get("/messages?cursor=made-up").text
    assert "A time is written" in client.get("/messages?from=yesterday").text


def test_a_search_that_stopped_says_how_far_it_looked_and_looks_on_by_itself(
    client: FlaskClient, peers: Played
) -> None:
    sign_in(client)
    peers.cursor, peers.rows = "next-page", []
    page = client.get("/messages?status=failed").text
    assert peers.searched[-1]["patience_s"] < 1, "a page does not wait for a month to be looked through"
    assert (
        "Nothing found back to 14 Nov 2023." in page and 'data-hx-trigger="load"' in page and "No messages" not in page
    )
    asked = {"path": "/messages?status=failed&cursor=next-page", "headers": {"HX-Request": "true"}}
    assert "Look on" in client.get(**asked).text
    peers.cursor = None
    assert "There are no older ones." in client.get(**asked).text


def test_one_message_shows_its_life_and_nothing_sealed(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "vera")
    message_id = id_text(peers.rows[0].id)
    assert client.get(f"/messages?id={message_id}").headers["Location"] == f"/messages/{message_id}"
    text = client.get(f"/messages/{message_id}").text
    timeline = text.split('class="timeline course"')[1]
    assert timeline.index("accepted</span>") < timeline.index("delivered</span>")
    assert "sealed-number" not in text and "sealed-content" not in text
    peers.rows = [found(peers.rows[0].id, content=None)]
    assert "erased" in client.get(f"/messages/{message_id}").text
    for wrong in ("01a204ad-f726-707f-a054-9e4cb7a38f1b", "nonsense", "A" * 36):
        assert client.get(f"/messages/{wrong}").status_code == 404
    assert "not a message id" in client.get("/messages?id=nonsense").text


def test_search_by_number_is_recorded_first_and_the_number_nowhere(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    csrf = csrf_for(client)
    peers.cursor = "older"
    page = client.post("/messages/by-number", data={"csrf": csrf, "number": "+39 347 123 4567"})
    assert peers.acts[-2:] == ["message.searched_by_number", "search"]
    assert peers.searched[-1]["number_index"] == b"i" * 16
    results = page.text.split("<table")[1]  # the empty form above them has an example of a number
    assert "3471234567" not in str(peers.log) + page.text and "347 123 4567" not in results
    index = re.search(r'name="index" value="([0-9a-f]{32})"', page.text)
    assert index is not None
    client.post("/messages/by-number", data={"csrf": csrf, "index": index[1], "cursor": "older"})
    assert peers.searched[-1] == {"number_index": b"i" * 16, "limit": 50, "cursor": "older"}
    assert client.post("/messages/by-number", data={"csrf": csrf, "index": "zz" * 16}).status_code == 400

    peers.acts.clear()
    wrong = client.post("/messages/by-number", data={"csrf": csrf, "number": "hello"})
    assert wrong.status_code == 200 and "alert" in wrong.text and peers.acts == []
    peers.down.add("auditor")
    refused = client.post("/messages/by-number", data={"csrf": csrf, "number": "+39 347 123 4567"})
    assert refused.status_code == 503 and peers.acts == [], "not recorded, so not searched"


def test_a_viewer_does_not_search_by_number(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "vera")
    assert "Telephone number" not in client.get("/messages").text
    data = {"csrf": csrf_for(client), "number": "+39 347 123 4567"}
    assert client.post("/messages/by-number", data=data).status_code == 403


def test_audit_verify_and_export(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    csrf = csrf_for(client)
    assert "console.login" in client.get("/audit?what=console.login").text
    hx = {"HX-Request": "true"}
    assert "The log verifies" in client.post("/audit/verify", data={"csrf": csrf}, headers=hx).text
    peers.verdict = {"ok": False, "size": 7, "problems": [{"code": "x", "place": "tile/0", "text": "tile differs"}]}
    bad = client.post("/audit/verify", data={"csrf": csrf}).text
    assert "does not verify" in bad and "tile differs" in bad
    packed = client.post("/audit/export", data={"csrf": csrf})
    assert "attachment" in packed.headers["Content-Disposition"]
    assert packed.data == b"casemate.local/audit\n" and packed.headers["Content-Disposition"].endswith(".tar")
    assert peers.exported == ("console:carlo", "archive", {}, 0)
    peers.down.add("auditor")
    assert "does not answer" in client.get("/audit").text
    assert client.post("/audit/export", data={"csrf": csrf}).status_code == 503


def test_an_export_leaves_nothing_behind(client: FlaskClient, access: Access, peers: Played) -> None:
    """And the auditor, a user of its own in the same group, may write where it is made."""
    sign_in(client)
    client.post("/audit/export", data={"csrf": csrf_for(client)}).close()
    assert peers.shared & 0o077 == 0o070
    assert list((access.settings.home / "export").iterdir()) == []


def test_api_keys_are_shown_once_and_recorded(client: FlaskClient, access: Access, peers: Played) -> None:
    sign_in(client)
    csrf = csrf_for(client)
    made = client.post("/api-keys", data={"csrf": csrf, "name": "core-banking", "rate": ""})
    token = re.search(r"cm_1_[A-Za-z0-9_-]{43}", made.text)
    assert token and access.verifier().check(token[0])
    assert peers.log[-1] == ("console:anna", "apikey.created", "apikey:1", "ok", {"name": "core-banking"})
    assert token[0] not in client.get("/api-keys").text
    for data in ({"name": "core-banking"}, {"name": ""}, {"name": "a", "rate": "-1"}, {"name": "a", "rate": "²"}):
        assert client.post("/api-keys", data={"csrf": csrf, **data}).status_code == 422
    assert client.post("/api-keys/1/revoke", data={"csrf": csrf}).status_code == 303
    assert access.verifier().check(token[0]) is None and peers.log[-1][1] == "apikey.revoked"
    assert client.post("/api-keys/99/revoke", data={"csrf": csrf}).status_code == 404


def test_a_key_that_cannot_be_recorded_is_no_key(client: FlaskClient, access: Access, peers: Played) -> None:
    sign_in(client)
    csrf = csrf_for(client)
    kept, _ = access.create_api_key("kept", at_ms=NOW)
    peers.down.add("auditor")
    refused = client.post("/api-keys", data={"csrf": csrf, "name": "core-banking"})
    assert refused.status_code == 503 and "cm_" not in refused.text
    assert len(access.verifier()) == 1
    assert client.post(f"/api-keys/{kept.id}/revoke", data={"csrf": csrf}).status_code == 503
    assert len(access.verifier()) == 1, "a revocation that cannot be recorded does not happen either"


def test_changing_the_password(client: FlaskClient, access: Access, peers: Played) -> None:
    sign_in(client)
    csrf = csrf_for(client)

    def change(current: str, new: str, again: str) -> int:
        data = {"csrf": csrf, "current": current, "new": new, "again": again}
        return client.post("/account/password", data=data).status_code

    assert change(PASSWORD, "a new one of words", "another one of words") == 422
    assert change("wrong wrong wrong", "a new one of words", "a new one of words") == 422
    assert change(PASSWORD, "short", "short") == 422
    assert change(PASSWORD, "a new one of words", "a new one of words") == 303
    assert client.get("/").status_code == 303, "the session ended"
    assert access.check_password("anna", "a new one of words")
    assert [e[3] for e in peers.log if e[1] == "console.user_changed"] == ["refused", "ok"]


def test_health(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
    assert client.get("/readyz").status_code == 200


def test_the_pulse_turns_counters_into_rates() -> None:
    def state(n: int) -> dict[str, object]:
        return {"statuses": {"accepted": n}, "segments": {"submitted": 2 * n, "receipted": n}}

    pulse = Pulse()
    pulse.hear(1_000, state(100))
    pulse.hear(2_000, state(150))
    pulse.hear(2_500, state(150))
    pulse.hear(3_500, None)
    pulse.hear(4_500, state(200))
    pulse.hear(5_500, state(10))
    pulse.hear(6_500, state(20))
    assert [p[1:] for p in pulse.points()] == [
        [None, None, None],
        [50.0, 100.0, 50.0],
        [0.0, 0.0, 0.0],
        [None, None, None],
        [None, None, None],
        [None, None, None],
        [10.0, 20.0, 10.0],
    ]
    assert [p[0] for p in pulse.points(after_ms=4_500)] == [5_500, 6_500]


def test_words() -> None:
    assert (
        moment(NOW) == "14 Nov 2023, 22:13:20"
        and moment(NOW, True) == "14 Nov 2023, 22:13:20.000"
        and moment(None) == "–"
    )
    assert count(1_234_567) == "1,234,567" and count(None) == "–"
    assert country(39) == "IT +39" and country(999) == "+999"
    assert [span(ms) for ms in (None, 5_000, 65_000, 3_700_000, 90_000_000)] == [
        "–",
        "5 secs",
        "1 min",
        "1 hr 1 min",
        "1 day 1 hr",
    ]
    assert short("a" * 64) == "a" * 12 + "…" and short("wrong name or password") == "wrong name or password"
    assert share(1, 1_000) == 1 and share(0, 10) == 0 and share(5, 0) == 0 and share(20, 10) == 100


def test_the_whole_log_is_read_for_one_at_a_time(client: FlaskClient, peers: Played, tmp_path: Path) -> None:
    sign_in(client)
    csrf = csrf_for(client)
    (tmp_path / "export" / "audit-left").mkdir(parents=True)
    meanwhile: list[int] = []
    other = client.application.test_client()
    sign_in(other, "carlo")
    others = csrf_for(other)

    def verify(who: str) -> dict[str, object]:
        meanwhile.append(other.post("/audit/verify", data={"csrf": others}).status_code)
        meanwhile.append(other.post("/audit/export", data={"csrf": others}).status_code)
        return peers.verdict

    peers.verify = verify  # type: ignore[method-assign,assignment]
    assert client.post("/audit/verify", data={"csrf": csrf}).status_code == 200
    assert meanwhile == [503, 503]
    assert client.post("/audit/export", data={"csrf": csrf}).status_code == 200
    assert list((tmp_path / "export").iterdir()) == [], "and nothing of it stays on disk"


def test_people_come_and_go_on_the_record(app: Flask, client: FlaskClient, access: Access, peers: Played) -> None:
    sign_in(client)
    csrf = csrf_for(client)
    new = {"csrf": csrf, "name": "dora", "role": "viewer", "password": PASSWORD}
    assert client.post("/users", data=new).status_code == 303
    assert peers.log[-1] == ("console:anna", "console.user_created", "user:dora", "ok", {"role": "viewer"})
    dora = app.test_client()
    assert sign_in(dora, "dora").status_code == 303
    before = len(peers.log)
    for wrong in ({"name": "dora"}, {"name": "x y"}, {"name": "e", "password": "short"}, {"name": "e", "role": "root"}):
        refused = client.post("/users", data=new | wrong)
        assert refused.status_code == 422 and PASSWORD not in refused.text
    assert client.post("/users/anna/remove", data={"csrf": csrf}).status_code == 403, "one administrator stays"
    assert client.post("/users/nobody/remove", data={"csrf": csrf}).status_code == 404
    assert len(peers.log) == before
    assert client.post("/users/dora/remove", data={"csrf": csrf}).status_code == 303
    assert peers.log[-1] == ("console:anna", "console.user_removed", "user:dora", "ok", {"role": "viewer"})
    assert access.user("dora") is None and dora.get("/").status_code == 303, "signed out at once"
    peers.down.add("auditor")
    assert client.post("/users/carlo/remove", data={"csrf": csrf}).status_code == 503
    assert client.post("/users", data=new).status_code == 503
    assert access.user("carlo") is not None and access.user("dora") is None

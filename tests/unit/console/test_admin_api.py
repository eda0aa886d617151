"""The admin API: every call by every role's token and by tokens that open nothing; what it answers, and that the same again changes nothing."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from appliance.access import NEVER_BY_TOKEN, PERMISSIONS, PROVEN, ROLES, Access, may, settings_due
from appliance.access.passwords import Passwords
from appliance.clock import DAY_MS
from appliance.console import bearer, create_app
from appliance.console.calling import CALLS
from appliance.console.describing import document
from appliance.console.guard import csrf_of
from appliance.errors import Error
from appliance.settings import parse

from .conftest import NOW, PASSWORD, Played

MESSAGE = "01a204ad-f726-707f-a054-9e4cb7a38f1b"
EXAMPLES = {"number": "1", "message_id": MESSAGE, "run": MESSAGE, "table": "link", "country": "GB", "prefix": "+39347"}
ROOT = bearer.ROOT


class Box:
    """A console, an administrator and one of each other role, tokens, and what was asked of other processes."""

    def __init__(self, home: Path, two_people: tuple[str, ...] = ()) -> None:
        links = [{"name": "simulated", "host": "127.0.0.1", "port": 2775}]
        given = {"console": {"second_factor": False, "two_people": list(two_people)}, "link": links}
        self.settings = parse(given, home, "test")
        self.access = Access(self.settings, passwords=Passwords(memory_kib=64, passes=1))
        self.peers, self.now = Played(), NOW
        self.app = create_app(self.settings, self.access, self.peers, clock=lambda: self.now)  # type: ignore[arg-type]
        self.app.extensions["casemate-doorkeeper"].wait_s = lambda token: 0
        for role in ROLES:
            self.access.create_user(role, PASSWORD, role, at_ms=NOW)
        self.tokens = 0

    def token(self, role: str = "administrator", *named: str, maker: str = "administrator", **more: Any) -> str:
        person = self.access.user(maker)
        assert person is not None
        self.tokens += 1
        asked = {"networks": (), "days": 30, "at_ms": self.now} | more
        return self.access.create_admin_token(person, f"t{self.tokens}", role, named, **asked)[1]

    def whole(self, role: str = "administrator", maker: str = "administrator") -> str:
        """A token that names everything its role may and a token ever may."""
        named = [p for p in PERMISSIONS if may(role, p) and may(maker, p) and p not in NEVER_BY_TOKEN]
        return self.token(role, *named, maker=maker)

    def call(self, token: str, method: str, path: str, body: Any = None, **more: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.app.test_client().open(ROOT + path, method=method, json=body, headers=headers, **more)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Box:
    """For tests that leave all as it was."""
    return Box(tmp_path_factory.mktemp("box"))


def paths() -> list[tuple[str, str, str | None]]:
    return [(c.method, re.sub(r"{(\w+)}", lambda m: EXAMPLES.get(m[1], "vera"), c.path), c.permission) for c in CALLS]


def code(answer: TestResponse) -> str:
    assert answer.mimetype == "application/problem+json", answer.get_data()
    return str(answer.json["code"])  # type: ignore[index]


# --- every call x every token -------------------------------------------------------------------------------


def test_every_rule_of_the_api_is_in_its_table_and_carries_its_permission(shared: Box) -> None:
    rules = {(m, r.rule) for r in shared.app.url_map.iter_rules() if r.rule.startswith(ROOT) for m in r.methods or ()}
    made = {(c.method, ROOT + re.sub(r"{(\w+)}", r"<\1>", c.path).replace("<number>", "<int:number>")) for c in CALLS}
    assert {(m, r) for m, r in rules if m != "HEAD"} == made and len(CALLS) > 80
    assert all(c.permission is None or c.permission in PERMISSIONS.keys() - NEVER_BY_TOKEN for c in CALLS)


def test_nothing_opens_it_but_a_token_that_is_good(box: Box) -> None:
    person = box.access.user("administrator")
    assert person is not None
    cookie = box.access.start_session(person, NOW)
    revoked, expired, far, orphan = (box.whole() for _ in range(4))
    box.access.revoke_admin_token("t1", NOW)
    for sql, name in (("UPDATE admin_token SET expires_ms = 1 WHERE name = ?", "t2"), ("UPDATE admin_token SET networks = '[\"10.0.0.0/8\"]' WHERE name = ?", "t3"), ("UPDATE admin_token SET maker = 999 WHERE name = ?", "t4")):  # fmt: skip
        with box.access.writing() as conn:
            conn.execute(sql, (name,))
    disabled = box.token("security", maker="security")
    with box.access.writing() as conn:
        conn.execute("UPDATE person SET disabled_ms = 1 WHERE name = 'security'")
    key = box.access.create_api_key("core-banking")[1]
    mixed = revoked[:-1] + ("A" if revoked[-1] != "A" else "B")
    assert code(box.call(mixed, "GET", "/token")) == "unauthorized"
    leaks, people = [], box.access.users()
    client = box.app.test_client()
    client.set_cookie("casemate-session", cookie)
    others = itertools.cycle((far, orphan, disabled, key, cookie))
    for method, path, _ in paths():
        for token in ("", revoked, expired, next(others)):
            answer = box.call(token, method, path, {})
            shut = (401, 429) if token in (key, cookie) else (401,)  # guesses are slowed down
            leaks += [(method, path, answer.status_code)] if answer.status_code not in shut else []
        # A person's session is no token, with its CSRF token or without.
        answer = client.open(ROOT + path, method=method, json={}, headers={"X-CSRF-Token": csrf_of(cookie)})
        leaks += [(method, path, "session")] if answer.status_code != 401 else []
    assert leaks == [] and people == box.access.users() and set(box.peers.acts) <= {"token.refused"}
    assert {what for _, what, *_ in box.peers.log} == {"token.refused"} and len(box.peers.log) == 5


@pytest.mark.parametrize("role", ROLES)
def test_a_token_opens_what_its_role_may_and_it_names_and_nothing_else(shared: Box, role: str) -> None:
    maker = role
    plain, whole = shared.token(role, maker=maker), shared.whole(role, maker)
    one = shared.token(role, "overview.read", maker=maker)
    opened, leaks = 0, []
    for method, path, permission in paths():
        if permission is None:
            continue
        for token, right in (
            (plain, may(role, permission) and permission not in PROVEN),
            (whole, may(role, permission)),
            (one, permission == "overview.read"),
        ):
            if right and (method != "GET" or token == plain):
                continue  # done by the tests below, with a body
            if token != whole and not (permission in PROVEN if token == plain else role == "administrator"):
                continue  # as with all of the role
            before = list(shared.peers.acts)
            answer = shared.call(token, method, path, {})
            if right:
                opened += 1
                leaks += (
                    [(method, path, answer.status_code)]
                    if answer.status_code in (401, 403) or answer.status_code == 500
                    else []
                )
            elif answer.status_code != 403 or code(answer) != "forbidden" or before != shared.peers.acts:
                leaks.append((method, path, answer.status_code))
    assert leaks == [] and opened > 5


def test_with_the_permission_a_write_is_read_and_judged(shared: Box) -> None:
    """Else the walk above would pass over an API that is shut to all."""
    token, seen = shared.whole(), set()
    for method, path, permission in paths():
        if method == "GET" or permission is None or not may("administrator", permission):
            continue
        answer = shared.call(token, method, path, {"unknown": 1} if method != "DELETE" else None)
        seen.add(answer.status_code)
        assert answer.status_code not in (401, 403, 405, 500), (method, path, answer.get_data())
    assert seen <= {200, 202, 404, 409, 422, 503}


def test_a_token_never_may_more_than_who_made_it_may_now(box: Box) -> None:
    token = box.token("administrator", "users.write", "door.write", maker="administrator")
    assert box.call(token, "GET", "/door-accounts").status_code == 403  # not named
    box.access.create_user("second", PASSWORD, at_ms=NOW)
    box.access.set_role("administrator", "viewer")
    assert code(box.call(token, "PUT", "/users/vera", {"role": "viewer", "password": PASSWORD})) == "forbidden"
    assert box.call(token, "GET", "/token").json["allowed"] == []  # type: ignore[index]


def test_tokens_that_cannot_be_made(shared: Box) -> None:
    security = shared.access.user("security")
    assert security is not None
    for role, named, networks, days in (
        ("administrator", (), (), 30),
        ("security", ("messages.read",), (), 30),
        ("security", ("tokens.write",), (), 30),
        ("security", (), ("10.0.0.0/33",), 30),
        ("security", (), (), 0),
        ("security", (), (), 367),
        ("emperor", (), (), 30),
    ):
        with pytest.raises(Error) as refused:
            shared.access.check_new_admin_token(security, "x", role, named, networks, days)
        assert refused.value.code in ("invalid", "forbidden")


def test_others_wrong_tokens_hold_up_no_right_one(box: Box) -> None:
    token = box.token()
    codes = [code(box.call(f"cma_1_{'x' * 43}", "GET", "/token")) for _ in range(40)]
    assert codes[0] == "unauthorized" and codes[-1] == "rate_limited"
    assert box.call(token, "GET", "/token").status_code == 200  # from the same address even


def test_a_token_that_calls_too_fast_is_told_to_wait(box: Box) -> None:
    token = box.token()
    box.app.extensions["casemate-doorkeeper"] = bearer.Doorkeeper()
    answers = [box.call(token, "GET", "/token") for _ in range(60)]
    slow = [a for a in answers if a.status_code == 429]
    assert slow and code(slow[0]) == "rate_limited" and int(slow[0].headers["Retry-After"]) >= 1


def test_what_is_no_call_and_what_is_no_body(shared: Box) -> None:
    token = shared.whole()
    assert code(shared.call(token, "GET", "/nothing")) == "not_found"
    assert code(shared.call("", "GET", "/nothing")) == "unauthorized"
    wrong = shared.call(token, "PATCH", "/users/vera")
    assert code(wrong) == "method_not_allowed" and "PUT" in wrong.headers["Allow"]
    client, headers = shared.app.test_client(), {"Authorization": f"Bearer {token}"}
    put = f"{ROOT}/users/vera"
    assert code(client.put(put, data="{", headers=headers, content_type="application/json")) == "malformed"
    assert code(client.put(put, data="role=viewer", headers=headers)) == "unsupported_media"
    assert code(client.put(put, data=b"x" * 70_000, headers=headers, content_type="application/json")) == "too_large"
    told = shared.call(token, "PUT", "/users/vera", {"role": 1})
    assert code(told) == "invalid" and told.json["field"] == "role"  # type: ignore[index]
    assert code(shared.call(token, "GET", "/users?colour=red")) == "invalid"
    assert "Set-Cookie" not in told.headers and told.headers["Cache-Control"] == "no-store"


# --- the same again changes nothing ---------------------------------------------------------------------------


def put_twice(box: Box, token: str, path: str, body: dict[str, Any], method: str = "PUT") -> tuple[Any, Any]:
    answers = [box.call(token, method, path, body) for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 200], answers[0].get_data()
    assert [a.json["changed"] for a in answers] == [True, False], path  # type: ignore[index]
    return answers[0].json, answers[1].json


def test_putting_the_same_twice_changes_once(box: Box) -> None:
    token = box.whole()
    put_twice(box, token, "/users/vera", {"role": "viewer", "password": PASSWORD})
    put_twice(box, token, "/users/vera", {"role": "operator", "password": "another one of words"})
    assert box.access.check_password("vera", PASSWORD) is not None  # not set again
    first, second = put_twice(box, token, "/api-keys/core-banking", {"rate_per_s": 50})
    assert first["secret"].startswith("cm_") and "secret" not in second
    account = {"api_key": "core-banking", "networks": ["10.1.0.0/16"], "class": "otp"}
    made, again = put_twice(box, token, "/door-accounts/core", account)
    assert len(made["password"]) >= 8 and "password" not in again
    put_twice(box, token, "/door-accounts/core", account | {"binds_max": 2, "rate_per_s": None, "inbound": ["40404"]})
    link = {"settings": {"host": "smsc.operator.example", "port": 2775, "system_id": "bank"}}
    put_twice(box, token, "/settings/tables/link/north", link)
    put_twice(box, token, "/settings/values/limits.requests_per_s", {"value": 77})
    routes = '[[route]]\nprefix = "39"\nlinks = ["simulated"]\n'
    assert put_twice(box, token, "/routes", {"document": routes})[0]["version"] == 1
    body = {"locale": "en", "texts": {"en": "Hello {name}"}}
    put_twice(box, token, "/templates/hello", {"body": body})
    put_twice(box, token, "/senders/GB/MYBANK", {"state": "requested", "evidence": "ticket 7"})
    put_twice(box, token, "/senders/GB/MYBANK", {"state": "confirmed", "evidence": "ticket 7", "from": "2023-11-14"})
    put_twice(box, token, "/verifications/blocks/+39347", {"hours": 2})
    for path in (
        "/verifications/blocks/+39347",
        "/templates/hello",
        "/settings/tables/link/north",
        "/door-accounts/core",
        "/api-keys/core-banking",
        "/users/vera",
    ):
        put_twice(box, token, path, {}, "DELETE")
    assert "settings_approved" not in box.peers.log and {who for who, *_ in box.peers.log} == {"token:t1"}


def test_settings_keep_what_was_written_by_hand(box: Box) -> None:
    token = box.whole()
    document = '# ours\n[limits]\nrequests_per_s = 5 # few\n\n[[link]]\nname = "north"\nhost = "a.example"\nport = 1\n'
    put_twice(box, token, "/settings", {"document": document})
    put_twice(box, token, "/settings/tables/link/south", {"settings": {"host": "b.example", "port": 2}})
    put_twice(box, token, "/settings/tables/link/north", {"settings": {"host": "c.example", "port": 1}})
    now = box.call(token, "GET", "/settings").json["document"]  # type: ignore[index]
    assert now.startswith("# ours\n[limits]\nrequests_per_s = 5 # few\n") and 'host = "c.example"' in now
    names = [row["name"] for row in box.call(token, "GET", "/settings/tables/link").json["rows"]]  # type: ignore[index]
    assert names == ["north", "south"]
    assert code(box.call(token, "PUT", "/settings", {"document": "[limits]\nno_such = 1\n"})) == "settings_invalid"
    assert code(box.call(token, "PUT", "/settings/values/no.such", {"value": 1})) == "not_found"
    diff = box.call(token, "POST", "/settings/diff", {"document": document}).json["differences"]  # type: ignore[index]
    assert {row["setting"] for row in diff} >= {"link south.host", "link north.host"}
    back = box.call(token, "POST", "/settings/versions/1/back").json
    assert back["changed"] and back["version"] == 4  # type: ignore[index]
    assert box.call(token, "POST", "/settings/versions/1/back").json["changed"] is False  # type: ignore[index]


def test_apply_writes_where_it_may_and_says_so_where_not(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, file = box.whole(), tmp_path / "etc" / "casemate.toml"
    file.parent.mkdir()
    monkeypatch.setenv("CASEMATE_CONFIG", str(file))
    assert code(box.call(token, "POST", "/settings/apply")) == "not_found"
    box.call(token, "PUT", "/settings/values/limits.requests_per_s", {"value": 77})
    answers = [box.call(token, "POST", "/settings/apply").json["changed"] for _ in range(2)]  # type: ignore[index]
    assert answers == [True, False] and "requests_per_s = 77" in file.read_text()
    box.call(token, "PUT", "/settings/values/limits.requests_per_s", {"value": 78})
    monkeypatch.setattr("appliance.console.composing.writable", lambda path: False)
    monkeypatch.setattr("appliance.console.applying.SETTINGS_HAND_S_MAX", 0.0)
    monkeypatch.setattr("appliance.console.applying.LOOK_S", 0.0)
    assert code(box.call(token, "POST", "/settings/apply")) == "forbidden" and "= 77" in file.read_text()
    assert settings_due.take(box.settings.home) is None, "what nobody took does not wait on"


@pytest.mark.parametrize("problem", ["", "the audit log does not have that version 1 was approved"])
def test_apply_is_done_by_the_boxs_own_hand_where_the_console_may_not_write(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    token, taken = box.whole(), []
    (box.settings.home / "run").mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("CASEMATE_CONFIG", str(tmp_path / "casemate.toml"))
    monkeypatch.setattr("appliance.console.composing.writable", lambda path: False)

    def hand(home: Path, version: int) -> str:
        taken.append(settings_due.take(home))
        return problem

    monkeypatch.setattr(settings_due, "told", hand)
    box.call(token, "PUT", "/settings/values/limits.requests_per_s", {"value": 77})
    answer = box.call(token, "POST", "/settings/apply")
    assert [(due.version, due.who) for due in taken] == [(1, "token:t1")]
    assert answer.status_code == (403 if problem else 200) and (problem in answer.text or not problem)
    if not problem:
        assert answer.json["restart"] == "the processes start again with it"  # type: ignore[index]


# --- four eyes --------------------------------------------------------------------------------------------------


def test_where_two_people_decide_a_token_asks_once_and_its_maker_is_no_second_party(tmp_path: Path) -> None:
    box = Box(tmp_path, ("users", "apikeys"))
    asks, same_maker = box.whole(), box.whole()
    others = box.whole("security", "security")
    want = {"role": "viewer", "password": PASSWORD}
    assert code(box.call(asks, "PUT", "/users/vera", want)) == "invalid"  # no reason
    first = box.call(asks, "PUT", "/users/vera", want | {"reason": "ticket 7"})
    again = box.call(asks, "PUT", "/users/vera", want | {"reason": "ticket 7"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert (first.json["changed"], again.json["changed"]) == (True, False)  # type: ignore[index]
    number = first.json["change"]["number"]  # type: ignore[index]
    assert again.json["change"]["number"] == number and box.access.user("vera") is None  # type: ignore[index]
    assert code(box.call(same_maker, "POST", f"/changes/{number}/approve")) == "forbidden"
    maker = box.access.user("administrator")
    assert maker is not None
    cookie = box.access.start_session(maker, NOW)
    page = box.app.test_client()
    page.set_cookie("casemate-session", cookie)
    assert page.post(f"/approvals/{number}/approve", data={"csrf": csrf_of(cookie)}).status_code == 403
    done = box.call(others, "POST", f"/changes/{number}/approve").json["change"]  # type: ignore[index]
    assert done["state"] == "used" and done["through_token"] == "t1" and box.access.user("vera") is not None
    by = [(who, what) for who, what, *_ in box.peers.log]
    assert ("token:t1", "approval.asked") in by and ("token:t1", "console.user_created") in by
    assert ("token:t3", "approval.decided") in by
    assert box.call(asks, "PUT", "/users/vera", want).json["changed"] is False  # type: ignore[index]
    # An API key is shown to who asked, after another party's word.
    wanted = box.call(asks, "PUT", "/api-keys/core", {"reason": "ticket 8"}).json["change"]["number"]  # type: ignore[index]
    assert code(box.call(asks, "POST", f"/changes/{wanted}/use")) == "key_state"
    assert box.call(others, "POST", f"/changes/{wanted}/approve").status_code == 200
    assert code(box.call(others, "POST", f"/changes/{wanted}/use")) == "forbidden"
    secret = box.call(asks, "POST", f"/changes/{wanted}/use").json["secret"]  # type: ignore[index]
    assert box.access.verifier().check(secret) is not None


def test_what_a_revoked_token_asked_for_no_longer_stands(tmp_path: Path) -> None:
    box = Box(tmp_path, ("users",))
    asks, others = box.whole(), box.whole("security", "security")
    asked = box.call(asks, "PUT", "/users/vera", {"role": "viewer", "password": PASSWORD, "reason": "ticket 7"})
    number = asked.json["change"]["number"]  # type: ignore[index]
    assert box.call(asks, "DELETE", "/token").json == {"changed": True}
    assert box.call(asks, "GET", "/token").status_code == 401
    assert code(box.call(others, "POST", f"/changes/{number}/approve")) == "forbidden"
    assert box.access.user("vera") is None


def test_a_token_is_not_a_way_around_oneself(shared: Box) -> None:
    token = shared.whole()
    assert code(shared.call(token, "DELETE", "/users/administrator")) == "forbidden"
    assert code(shared.call(token, "PUT", "/users/administrator", {"role": "viewer"})) == "forbidden"
    assert code(shared.call(token, "DELETE", "/sessions/administrator")) == "forbidden"


# --- acts that other processes do -------------------------------------------------------------------------------


def test_links_are_drained_once_and_tried(box: Box) -> None:
    token = box.whole()
    answer = box.call(token, "PUT", "/links/simulated/drained", {"drained": True})
    assert answer.json == {"changed": True, "drained": True}
    assert box.call(token, "PUT", "/links/simulated/drained", {"drained": False}).json["changed"] is False  # type: ignore[index]
    assert box.call(token, "POST", "/links/simulated/test", {"to": "+393471234567"}).json["ok"] is True  # type: ignore[index]
    assert box.peers.acts == ["drain simulated True token:t1", "link_test simulated True token:t1"]
    assert code(box.call(token, "PUT", "/links/nowhere/drained", {"drained": True})) == "not_found"


def test_what_cannot_be_recorded_is_not_done(box: Box) -> None:
    token = box.whole()
    box.peers.down.add("auditor")
    answer = box.call(token, "PUT", "/users/vera", {"role": "viewer", "password": PASSWORD})
    assert answer.status_code == 503 and box.access.user("vera") is None
    assert box.call(token, "PUT", "/api-keys/core", {}).status_code == 503
    assert all(key.revoked_ms is not None for key in box.access.api_keys())


def test_no_number_and_no_text_is_in_an_answer(shared: Box) -> None:
    token = shared.whole()
    for path in ("/messages", "/inbound", "/in-doubt", f"/messages/{MESSAGE}"):
        text = shared.call(token, "GET", path).get_data(as_text=True)
        assert "sealed" not in text and "+39" not in text


# --- its description ----------------------------------------------------------------------------------------------


def test_the_document_describes_every_call(shared: Box) -> None:
    told = shared.call(shared.token(), "GET", "/openapi.json").json
    assert told == document()
    assert {(m.upper(), p) for p, ops in told["paths"].items() for m in ops} == {
        (c.method, ROOT + c.path) for c in CALLS
    }
    ids = [op["operationId"] for ops in told["paths"].values() for op in ops.values()]
    assert len(set(ids)) == len(ids) and all(op["summary"] for ops in told["paths"].values() for op in ops.values())


def test_a_token_is_over_when_its_days_are(box: Box) -> None:
    token = box.token("administrator", days=2)
    assert box.call(token, "GET", "/token").status_code == 200
    box.now += 2 * DAY_MS
    assert code(box.call(token, "GET", "/token")) == "unauthorized"

"""Every route by every method, for every role and for nobody: read from the map of routes, so that a new page is walked too.

Tried without a session, with one that is over, with another's CSRF token, without the second factor that is required, and when it is long ago that the
person showed who it is. What is shut records nothing and asks no process for anything.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from appliance.access import PERMISSIONS, PROVEN, ROLES, Access, may
from appliance.access.passwords import Passwords
from appliance.console import create_app
from appliance.console.guard import ENROLLING, PUBLIC, SAFE, csrf_of
from appliance.settings import parse

from .conftest import NOW, PASSWORD, Played

MESSAGE = "01a204ad-f726-707f-a054-9e4cb7a38f1b"
#: What stands in a path -> an example. A new kind of path names its own here.
EXAMPLES = {"message_id": MESSAGE, "number": "1", "name": "vera", "filename": "casemate.css", "key_id": "00"}
#: Opened by who has a session, asked again only by who changes something.
HOUR = 3_600_000


def routes(app: Flask) -> list[tuple[str, str, str]]:
    """Method, path and endpoint of every page, HEAD as Flask adds it. The admin API's calls, which no session opens, are walked in `test_admin_api.py`."""
    out = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("admin."):
            continue
        path = rule.rule
        for name in re.findall(r"<(?:\w+:)?(\w+)>", rule.rule):
            path = re.sub(rf"<(?:\w+:)?{name}>", EXAMPLES.get(name, "1"), path)
        out += [(method, path, rule.endpoint) for method in sorted((rule.methods or set()) - {"OPTIONS"})]
    return sorted(out)


class Walk:
    """One console, a person of each role, and everything that was asked of other processes."""

    def __init__(self, home: Path, **console: Any) -> None:
        self.settings = parse({"console": {"second_factor": False, "two_people": []} | console}, home, "test")
        self.access = Access(self.settings, passwords=Passwords(memory_kib=64, passes=1))
        self.peers, self.now = Played(), NOW
        self.app = create_app(self.settings, self.access, self.peers, clock=lambda: self.now)  # type: ignore[arg-type]
        for role in ROLES:
            self.access.create_user(role, PASSWORD, role, at_ms=NOW)

    def session(self, role: str, at_ms: int = NOW) -> tuple[FlaskClient, str]:
        person = self.access.user(role)
        assert person is not None
        token = self.access.start_session(person, at_ms)
        client = self.app.test_client()
        client.set_cookie("casemate-session", token)
        return client, csrf_of(token)


@pytest.fixture
def walk(tmp_path: Path) -> Walk:
    return Walk(tmp_path)


def permission(app: Flask, endpoint: str) -> str:
    return str(app.view_functions[endpoint].permission)  # type: ignore[attr-defined]


def to_sign_in(response: Any) -> bool:
    where = response.headers.get("Location", response.headers.get("HX-Redirect", ""))
    return response.status_code in (303, 401) and where.startswith("/sign-in")


def test_every_view_is_public_or_has_a_permission_of_the_table(walk: Walk) -> None:
    for endpoint, view in walk.app.view_functions.items():
        assert (
            endpoint in PUBLIC or endpoint.startswith("admin.") or getattr(view, "permission", None) in PERMISSIONS
        ), endpoint
    assert {e for _, _, e in routes(walk.app)} >= PUBLIC and len(routes(walk.app)) > 80


def test_nobody_and_who_was_here_before_see_nothing(walk: Walk) -> None:
    over, _ = walk.session("administrator", NOW - 9 * HOUR)
    idle, _ = walk.session("security", NOW - HOUR)
    other, _ = walk.session("operator")
    walk.session("operator")  # a second one, which ends the first
    removed, _ = walk.session("viewer")
    walk.access.remove_user("viewer")
    nobody, made_up = walk.app.test_client(), walk.app.test_client()
    made_up.set_cookie("casemate-session", "x" * 43)
    leaks = []
    for method, path, endpoint in routes(walk.app):
        if endpoint in PUBLIC:
            continue
        # Each that is over is deleted when it is first met; afterwards it is one that was made up.
        for client in (nobody, made_up, over, idle, other, removed):
            if not to_sign_in(client.open(path, method=method)):
                leaks.append((method, path))
    assert leaks == [] and walk.peers.acts == walk.peers.log == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_what_the_table_says_and_nothing_else(walk: Walk, role: str) -> None:
    client, csrf = walk.session(role)
    _, others = walk.session("viewer" if role != "viewer" else "operator")
    leaks, shut = [], 0
    for method, path, endpoint in routes(walk.app):
        if endpoint in PUBLIC or method == "HEAD":
            continue
        allowed = may(role, permission(walk.app, endpoint))
        before = (list(walk.peers.acts), list(walk.peers.log))
        for token in ("", others, *([csrf] if not allowed else [])) if method not in SAFE else ("",):
            status = client.open(path, method=method, data={"csrf": token} if token else {}).status_code
            right = 403 if not allowed else 400 if method not in SAFE else None
            if right is None:
                leaks += [(method, path, status)] if status in (401, 403) or status >= 500 else []
            elif status != right or before != (walk.peers.acts, walk.peers.log):
                leaks.append((method, path, status))
            shut += right is not None
    assert leaks == [] and shut > 40


def test_with_the_right_and_the_token_a_write_is_not_shut(walk: Walk) -> None:
    """Else the walk above would pass over a console that is shut to all."""
    opened = set()
    for method, path, endpoint in routes(walk.app):
        if method in SAFE or endpoint in PUBLIC or endpoint in ("sign.leave", "users.end_session", "users.remove"):
            continue
        client, csrf = walk.session("administrator")
        response = client.open(path, method=method, data={"csrf": csrf})
        if may("administrator", permission(walk.app, endpoint)) and endpoint != "audit.cosigned":
            assert response.status_code not in (400, 401, 403), (path, response.status_code)
            opened.add(endpoint)
    assert len(opened) > 30


def test_no_page_has_another_method(walk: Walk) -> None:
    """Neither by its name nor by what a front passes on in a header or a field."""
    client, csrf = walk.session("administrator")
    paths: dict[str, set[str]] = {}
    for method, path, _ in routes(walk.app):
        paths.setdefault(path, set()).add(method)
    for path, methods in paths.items():
        for method in {"DELETE", "TRACE"} - methods:
            response = client.open(path, method=method, data={"csrf": csrf, "_method": "POST"})
            assert response.status_code in (400, 403, 405), (method, path, response.status_code)
    assert walk.peers.acts == walk.peers.log == [] and client.get("/account").status_code == 200


def test_who_has_to_enrol_a_second_factor_goes_nowhere_else(tmp_path: Path) -> None:
    walk = Walk(tmp_path, second_factor=True)
    client, csrf = walk.session("administrator")
    for method, path, endpoint in routes(walk.app):
        if endpoint in PUBLIC or endpoint.split(".")[0] in ENROLLING or method == "HEAD":
            continue
        response = client.open(path, method=method, data={"csrf": csrf})
        if method in SAFE:
            assert response.headers.get("Location") == "/account/factors", path
        else:
            assert response.status_code == 403, path
    assert walk.peers.acts == []
    assert client.get("/account/factors").status_code == 200


def test_acts_that_ask_again_do_so_after_a_while_and_nothing_else_does(walk: Walk) -> None:
    client, csrf = walk.session("administrator")
    walk.now += 6 * 60_000
    asked = set()
    for method, path, endpoint in routes(walk.app):
        view = walk.app.view_functions[endpoint]
        if method in SAFE or endpoint in PUBLIC or not getattr(view, "proven", False):
            continue
        if not may("administrator", permission(walk.app, endpoint)):
            continue
        before = list(walk.peers.acts)
        response = client.open(path, method=method, data={"csrf": csrf}, headers={"Referer": "http://localhost/users"})
        assert response.headers.get("Location") == "/prove?next=/users" and walk.peers.acts == before, path
        asked.add(permission(walk.app, endpoint))
    assert asked >= {"users.write", "apikeys.write", "audit.export", "evidence.export"} and asked - PROVEN == {
        "changes.ask",
        "account.write",
    }
    assert client.get("/users").status_code == 200
    assert (
        client.post("/prove", data={"csrf": csrf, "password": PASSWORD, "next": "/users"}).headers["Location"]
        == "/users"
    )
    assert client.post("/users/viewer/end-session", data={"csrf": csrf}).status_code == 303

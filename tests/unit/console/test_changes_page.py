"""Two people: begun by one with the difference, asked for with a reason, approved by another, done whole or not at all; the emergency and its second look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from appliance.access import Access
from appliance.console import create_app
from appliance.errors import Error
from appliance.settings import Settings, parse

from .conftest import NOW, PASSWORD, Played, csrf_for, sign_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return parse({"console": {"second_factor": False}}, tmp_path, "test")


class Two:
    """The same console in two browsers, and a clock."""

    def __init__(self, settings: Settings, access: Access, peers: Played) -> None:
        self.now = NOW
        self.app = create_app(settings, access, peers, clock=lambda: self.now)  # type: ignore[arg-type]
        access.create_user("sonja", PASSWORD, "security", at_ms=NOW)
        self.csrf: dict[str, str] = {}
        self.clients: dict[str, FlaskClient] = {}
        for name in ("anna", "sonja", "carlo"):
            self.clients[name] = self.app.test_client()
            sign_in(self.clients[name], name)
            self.csrf[name] = csrf_for(self.clients[name])

    def does(self, who: str, path: str, /, **form: str) -> Any:
        return self.clients[who].post(path, data={"csrf": self.csrf[who], **form})

    def sees(self, name: str, path: str) -> str:
        return self.clients[name].get(path).text


@pytest.fixture
def two(settings: Settings, access: Access, peers: Played) -> Two:
    return Two(settings, access, peers)


def test_a_role_changes_when_another_said_yes_and_not_before(two: Two, access: Access, peers: Played) -> None:
    begun = two.does("anna", "/users/vera/role", role="operator")
    assert begun.headers["Location"] == "/approvals/1"
    page = two.sees("anna", "/approvals/1")
    assert "<del>viewer</del>" in page and "<ins>operator</ins>" in page
    assert two.clients["sonja"].get("/approvals/1").status_code == 404, "what was only begun is nobody else's business"
    assert two.does("anna", "/approvals/1/ask", reason=" ").status_code == 422
    assert two.does("anna", "/approvals/1/ask", reason="she is on shift from Monday").status_code == 303
    assert "1 change waits" in two.sees("sonja", "/") and "1 change waits" not in two.sees("anna", "/")
    assert two.does("anna", "/approvals/1/approve").status_code == 403, "who asked"
    assert access.user("vera").role == "viewer"  # type: ignore[union-attr]
    assert "on shift from Monday" in two.sees("sonja", "/approvals/1")
    assert two.does("sonja", "/approvals/1/approve").status_code == 303
    assert access.user("vera").role == "operator"  # type: ignore[union-attr]
    assert two.does("carlo", "/approvals/1/approve").status_code == 409, "once"
    said = [(e[0], e[1], e[3]) for e in peers.log if "login" not in e[1]]
    assert said == [
        ("console:anna", "approval.asked", "ok"),
        ("console:anna", "approval.decided", "refused"),
        ("console:sonja", "approval.decided", "ok"),
        ("console:sonja", "approval.used", "ok"),
        ("console:anna", "console.user_changed", "ok"),
    ]
    assert "used" in two.sees("anna", "/approvals") and "sonja" in two.sees("anna", "/approvals")


def test_a_user_is_made_with_the_password_that_nobody_else_saw(two: Two, access: Access) -> None:
    two.does("anna", "/users", name="olaf", role="operator", password="another four words here")
    two.does("anna", "/approvals/1/ask", reason="new colleague")
    assert "argon2" not in two.sees("sonja", "/approvals/1")
    assert access.user("olaf") is None and two.does("sonja", "/approvals/1/approve").status_code == 303
    assert access.check_password("olaf", "another four words here") is not None
    assert access.held_by_change(1) == "", "the hash is kept no longer than needed"


def test_an_api_key_is_shown_to_who_asked_for_it_once(two: Two, access: Access) -> None:
    two.does("anna", "/api-keys", name="cards", rate="10")
    two.does("anna", "/approvals/1/ask", reason="the card system moves")
    assert two.does("anna", "/approvals/1/use").status_code == 409
    two.does("sonja", "/approvals/1/approve")
    assert access.api_keys() == [] and two.does("sonja", "/approvals/1/use").status_code == 403
    made = two.does("anna", "/approvals/1/use")
    assert "cm_1_" in made.text and [k.name for k in access.api_keys()] == ["cards"]
    assert two.does("anna", "/approvals/1/use").status_code == 409
    two.does("anna", "/api-keys/1/revoke")
    two.does("anna", "/approvals/2/ask", reason="it was only a trial")
    assert two.does("sonja", "/approvals/2/refuse").status_code == 303
    assert access.api_key(1).revoked_ms is None and "refused" in two.sees("anna", "/approvals/2")  # type: ignore[union-attr]


def test_what_cannot_be_done_is_not_approved_either(two: Two, access: Access, peers: Played) -> None:
    two.does("anna", "/users/vera/remove")
    two.does("anna", "/approvals/1/ask", reason="left the bank")
    real = peers.record

    def record(who: str, what: str, on: str, outcome: str = "ok", **detail: Any) -> None:
        if what == "console.user_removed":
            peers.down.add("auditor")
        real(who, what, on, outcome, **detail)

    peers.record = record  # type: ignore[method-assign]
    assert two.does("sonja", "/approvals/1/approve").status_code == 503
    peers.down.clear()
    assert access.user("vera") is not None and access.change(1).state == "asked" and access.change(1).decided_by == ""


def test_in_time_or_not_at_all_and_withdrawn(two: Two, access: Access) -> None:
    two.does("anna", "/users/vera/remove")
    two.does("anna", "/approvals/1/ask", reason="left the bank")
    assert two.does("sonja", "/approvals/1/withdraw").status_code == 403
    two.does("anna", "/approvals/1/withdraw")
    assert access.change(1).state == "refused"
    two.does("anna", "/users/vera/remove")
    two.does("anna", "/approvals/2/ask", reason="left the bank")
    access.conn.execute("UPDATE change SET asked_ms = asked_ms - 86400000")
    assert two.does("sonja", "/approvals/2/approve").status_code == 409 and "expired" in two.sees(
        "anna", "/approvals/2"
    )


def test_an_emergency_is_done_alone_and_waits_for_a_second_look(two: Two, access: Access, peers: Played) -> None:
    two.does("anna", "/users/vera/remove")
    assert two.does("anna", "/approvals/1/now", reason="").status_code == 422
    assert two.does("anna", "/approvals/1/now", reason="her laptop was stolen").headers["Location"].startswith("/users")
    assert access.user("vera") is None and peers.log[-2][1] == "approval.emergency"
    assert "1 change waits" in two.sees("carlo", "/")
    assert two.does("anna", "/approvals/1/review").status_code == 403
    assert two.does("carlo", "/approvals/1/review").status_code == 303
    assert "1 change waits" not in two.sees("carlo", "/") and "looked at by carlo" in two.sees("anna", "/approvals/1")


def test_who_lost_the_right_meanwhile_gets_nothing_done(two: Two, access: Access) -> None:
    two.does("anna", "/users/vera/remove")
    two.does("anna", "/approvals/1/ask", reason="left the bank")
    access.set_role("anna", "viewer")
    assert two.does("sonja", "/approvals/1/approve").status_code == 403 and access.user("vera") is not None


def test_settings_have_versions_and_a_way_back(two: Two, access: Access) -> None:
    for n, days in enumerate((100, 90), 1):
        document = f"[store]\nretention_days = {days}\n"
        two.does("anna", "/settings", document=document)
        two.does("anna", f"/approvals/{n}/ask", reason="retention by the new policy")
        assert f"<ins>{days}</ins>" in two.sees("sonja", f"/approvals/{n}")
        assert two.does("sonja", f"/approvals/{n}/approve").status_code == 303
    assert [v.approved_by for v in access.settings_versions()] == ["console:sonja"] * 2
    assert two.does("anna", "/settings/2/back").status_code == 422, "it is the newest"
    begun = two.does("anna", "/settings/1/back").headers["Location"]
    page = two.sees("anna", begun)
    assert "<del>90</del>" in page and "<ins>100</ins>" in page
    assert "store.retention_days" in two.sees("anna", "/settings/2") and "90" in two.sees("carlo", "/settings")
    for wrong in ("not toml", "[store]\nretention_dayz = 1\n", "x" * 300_000):
        assert two.does("anna", "/settings", document=wrong).status_code in (422, 413), wrong[:20]


def test_a_link_of_the_settings_is_compared_by_its_name(two: Two) -> None:
    link = '[[link]]\nname = "north"\nhost = "10.1.1.1"\nport = 2775\npace = 50\n'
    two.does("anna", "/settings", document=link)
    assert "link north.pace" in two.sees("anna", "/approvals/1")


def test_both_hear_of_a_change_where_the_settings_say_so(access: Access, peers: Played, tmp_path: Path) -> None:
    told = {"changes_webhook": "https://desk.bank.example/changes", "changes_api_key": 3}
    two = Two(parse({"console": {"second_factor": False} | told}, tmp_path, "test"), access, peers)
    two.does("anna", "/users/vera/role", role="operator")
    assert peers.letters == [], "what is only begun is nobody else's business"
    two.does("anna", "/approvals/1/ask", reason="on shift from Monday, 347 1234567")
    two.does("sonja", "/approvals/1/approve")
    assert [(caller, url, what["event"], what["state"]) for caller, url, what in peers.letters] == [
        (3, told["changes_webhook"], "asked", "asked"),
        (3, told["changes_webhook"], "approved", "used"),
    ]
    what = peers.letters[1][2]
    assert (what["number"], what["act"], what["on"], what["page"]) == (1, "user.role", "vera", "/approvals/1")
    assert (what["asked_by"], what["decided_by"], what["by"]) == ("console:anna", "console:sonja", "console:sonja")
    assert "347" not in str(peers.letters), "the reason is read in the console"
    two.does("anna", "/users/vera/role", role="viewer")
    peers.down.add("courier")
    two.does("anna", "/approvals/2/ask", reason="back again")
    assert two.does("sonja", "/approvals/2/refuse").status_code == 303, "nothing waits for who is to be told"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"changes_webhook": "desk"}, "no address"),
        ({"changes_webhook": "https://desk.bank.example"}, "changes_api_key"),
    ],
)
def test_whom_to_tell_is_checked(given: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(Error, match=says):
        parse({"console": given}, tmp_path, "test")

"""People of the bank's directory at the console: made at their first sign-in, with the role that their groups give."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from appliance.access import Access
from appliance.errors import Error
from appliance.settings import Settings, parse

from .conftest import NOW, PASSWORD, Played, csrf_for, sign_in

CONSOLE = {"second_factor": False, "two_people": []}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return parse({"console": CONSOLE, "directory": {"urls": ["ldaps://dc1.bank.example"]}}, tmp_path, "test")


def test_who_the_directory_knows_comes_in_with_the_role_it_gives(
    client: FlaskClient, access: Access, peers: Played
) -> None:
    assert sign_in(client, "olaf").status_code == 303
    olaf = access.user("olaf")
    assert olaf is not None and (olaf.role, olaf.source) == ("operator", "directory")
    assert peers.log[-1][4] == {"role": "operator", "factor": "directory"}
    assert "Change password" not in client.get("/account").text
    sent = {"csrf": csrf_for(client), "current": PASSWORD, "new": "x" * 14, "again": "x" * 14}
    assert (
        client.post(
            "/account/password", data=sent | {"new": "other words than these"} | {"again": "other words than these"}
        ).status_code
        == 422
    )
    assert access.check_password("olaf", PASSWORD) is None, "the console keeps no password of theirs"
    for act in (lambda: access.set_role("olaf", "administrator"), lambda: access.set_password("olaf", PASSWORD)):
        with pytest.raises(Error, match=r"directory|not given here"):
            act()


def test_others_stay_outside(client: FlaskClient, access: Access, peers: Played) -> None:
    for name, password in (("nobodys", PASSWORD), ("odd", PASSWORD), ("olaf", "wrong"), ("stranger", PASSWORD)):
        assert sign_in(client, name, password).status_code == 401, name
        assert access.user(name) is None
    with pytest.raises(Error):
        access.from_directory("br eak", "viewer", NOW)


def test_the_consoles_own_accounts_are_not_the_directorys_to_open(
    client: FlaskClient, access: Access, peers: Played
) -> None:
    peers.down.add("courier")
    assert sign_in(client, "anna").status_code == 303, "also when the directory does not answer"
    assert access.user("anna").role == "administrator"  # type: ignore[union-attr]
    assert sign_in(client.application.test_client(), "olaf").status_code == 503
    with pytest.raises(Error, match="own"):
        access.from_directory("anna", "viewer", NOW)


def test_another_group_is_another_role_and_a_new_session(access: Access) -> None:
    olaf = access.from_directory("olaf", "operator", NOW)
    token = access.start_session(olaf, NOW)
    assert access.from_directory("OLAF", "operator", NOW).id == olaf.id and access.session(token, NOW)
    assert access.from_directory("olaf", "viewer", NOW).role == "viewer" and access.session(token, NOW) is None


def test_guesses_at_the_directory_are_throttled_here(client: FlaskClient, peers: Played) -> None:
    for _ in range(4):
        assert sign_in(client, "olaf", "wrong").status_code == 401
    peers.down.add("courier")
    assert sign_in(client, "olaf", "wrong").status_code == 429, "it is not asked"

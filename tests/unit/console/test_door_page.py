"""Accounts of the SMPP door in the console: made, shown once, changed and revoked, each on the record first."""

from __future__ import annotations

import re

from flask.testing import FlaskClient

from appliance.access import Access

from .conftest import Played, csrf_for, sign_in


def password_in(text: str) -> str:
    match = re.search(r'readonly value="([^"]+)"', text)
    assert match, text
    return match[1]


def make(client: FlaskClient, access: Access, **more: str) -> str:
    key = next((k for k in access.api_keys()), None) or access.create_api_key("core-banking")[0]
    form = {
        "csrf": csrf_for(client),
        "system_id": "corebank1",
        "key": str(key.id),
        "networks": "10.1.2.0/24, 127.0.0.1",
    }
    return client.post("/door", data=form | more).text


def test_an_account_is_made_and_its_password_shown_once(client: FlaskClient, access: Access, peers: Played) -> None:
    sign_in(client)
    password = password_in(make(client, access, inbound="43210", binds="2"))
    account = access.check_door("corebank1", password, "10.1.2.3")
    assert (account.networks, account.binds_max, account.inbound) == (("10.1.2.0/24", "127.0.0.1/32"), 2, ("43210",))
    assert peers.log[-1][:3] == ("console:anna", "door.account_created", "door:corebank1")
    page = client.get("/door").text
    assert "corebank1" in page and password not in page and password not in str(peers.log)


def test_a_new_password_ends_the_old_one(client: FlaskClient, access: Access, peers: Played) -> None:
    sign_in(client)
    make(client, access)
    number = access.all_door_accounts()[0].id
    fresh = password_in(client.post(f"/door/{number}/password", data={"csrf": csrf_for(client)}).text)
    assert access.check_door("corebank1", fresh, "127.0.0.1").id == number
    assert peers.log[-1][1] == "door.account_password"


def test_revoked_accounts_stay_in_sight(client: FlaskClient, access: Access, peers: Played) -> None:
    sign_in(client)
    make(client, access)
    number = access.all_door_accounts()[0].id
    assert client.post(f"/door/{number}/revoke", data={"csrf": csrf_for(client)}).status_code == 303
    assert "Revoked accounts" in client.get("/door").text
    assert peers.log[-1][1] == "door.account_revoked"
    assert client.post(f"/door/{number}/revoke", data={"csrf": csrf_for(client)}).status_code == 404


def test_what_cannot_be_is_said(client: FlaskClient, access: Access) -> None:
    sign_in(client)
    assert "not a network" in make(client, access, networks="10.1.2")
    assert "whole number" in make(client, access, rate="fast")
    assert "1 to 15 visible" in make(client, access, system_id="a b")
    assert "no valid API key" in make(client, access, key="x")
    assert access.all_door_accounts() == []


def test_without_the_audit_log_no_account_is_left(client: FlaskClient, access: Access, peers: Played) -> None:
    sign_in(client)
    key = access.create_api_key("core-banking")[0]
    csrf = csrf_for(client)
    peers.down.add("auditor")
    page = client.post("/door", data={"csrf": csrf, "system_id": "corebank1", "key": str(key.id)})
    assert page.status_code == 503 and "readonly" not in page.text
    assert access.all_door_accounts()[0].revoked_ms is not None


def test_only_administrators(client: FlaskClient, access: Access) -> None:
    sign_in(client, "carlo")
    assert client.get("/door").status_code == 403
    assert client.post("/door", data={"csrf": csrf_for(client)}).status_code == 403

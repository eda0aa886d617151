"""Saved searches of the audit log: kept under a name, looking back from now, without a number in them."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from appliance.console.searches import Searches
from appliance.errors import Error
from appliance.limits import SEARCHES_MAX
from appliance.settings import Settings

from .conftest import NOW, Played, csrf_for, sign_in


def save(client: FlaskClient, **form: str) -> int:
    return client.post("/audit/searches", data={"csrf": csrf_for(client), **form}).status_code


def test_a_filter_is_saved_found_again_and_removed(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    page = client.get("/audit?what=console.login&outcome=refused").text
    assert "Save this search as" in page
    form = {"name": "Refused sign-ins", "what": "console.login", "outcome": "refused", "days": "7", "who": ""}
    assert save(client, **form) == 303
    page = client.get("/audit/review").text
    assert "event console.login, outcome refused, of the last 7 days" in page and "console:carlo" in page
    href = re.search(r'href="(/audit\?[^"]+)">Refused', page)
    assert href is not None
    client.get(href[1].replace("&amp;", "&"))
    assert peers.sought == {"what": "console.login", "outcome": "refused", "since": "2023-11-07T22:13:20"}
    gone = {"csrf": csrf_for(client), "name": "Refused sign-ins"}
    assert client.post("/audit/searches/remove", data=gone).status_code == 303
    assert client.post("/audit/searches/remove", data=gone).status_code == 404
    assert "Refused sign-ins" not in client.get("/audit/review").text


@pytest.mark.parametrize(
    "form",
    [
        {"name": "", "what": "console.login"},
        {"name": "x" * 61, "what": "console.login"},
        {"name": "all", "days": "0"},
        {"name": "days", "what": "console.login", "days": "-1"},
        {"name": "days", "what": "console.login", "days": "9999"},
        {"name": "customer +39 347 1234567", "what": "console.login"},
        {"name": "her", "on": "message:+393471234567"},
    ],
)
def test_what_cannot_be_saved_is_said(client: FlaskClient, form: dict[str, str]) -> None:
    sign_in(client, "carlo")
    assert save(client, **form) == 422
    assert "Saved searches" not in client.get("/audit/review").text


def test_they_are_bounded_and_one_takes_the_place_of_its_namesake(settings: Settings) -> None:
    kept = Searches(settings)
    for n in range(SEARCHES_MAX):
        kept.save(f"s{n}", {"who": "console:eve"}, 0, "console:ann", NOW)
    kept.save("s1", {"who": "console:bob"}, 3, "console:ann", NOW)
    assert [s.sought for s in kept.all() if s.name == "s1"] == [{"who": "console:bob"}]
    with pytest.raises(Error):
        kept.save("more", {"who": "console:eve"}, 0, "console:ann", NOW)


def test_a_viewer_saves_nothing(client: FlaskClient) -> None:
    sign_in(client, "vera")
    assert save(client, name="mine", what="console.login") == 403

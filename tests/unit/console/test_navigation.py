"""The menu: who sees which place, where one is, in the language; made once for each of these."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from appliance.access import PERMISSIONS, ROLES, may
from appliance.console.navigation import PLACES, WITHIN

from .conftest import Played, sign_in


def entries(text: str) -> list[str]:
    return re.findall(r'<li><a href="([^"]+)"', text.partition("<nav")[2].partition("</nav>")[0])


def test_every_place_is_a_page_that_needs_what_its_entry_says(client: FlaskClient) -> None:
    app = client.application
    for place in PLACES:
        assert app.view_functions[place.endpoint].permission == place.permission in PERMISSIONS  # type: ignore[attr-defined]
    assert {place.endpoint.split(".")[0] for place in PLACES} >= set(WITHIN.values())


def test_each_sees_the_places_of_its_role_and_where_it_is(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "vera")
    seen = client.get("/messages").text
    assert len(entries(seen)) == sum(may("viewer", place.permission) for place in PLACES) and "/audit" not in entries(
        seen
    )
    assert re.findall(r'<a href="([^"]+)" aria-current="page">', seen) == ["/messages"]
    client.post("/sign-out", data={"csrf": re.search(r'name="csrf" value="([^"]+)"', seen)[1]})  # type: ignore[index]
    sign_in(client, "anna")
    assert "/audit" in entries(client.get("/messages").text), "what another was shown is not kept for everybody"
    assert 'href="/account" aria-current="page"' in client.get("/account/factors").text
    german = client.get("/messages", headers={"Accept-Language": "de"}).text
    assert "Nachrichten</a>" in german and "Messages</a>" in client.get("/messages").text


@pytest.mark.parametrize("role", ROLES)
def test_nobody_is_without_a_place(role: str) -> None:
    assert any(may(role, place.permission) for place in PLACES)

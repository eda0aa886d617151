"""The active routes, and why a number takes its link; the number is on no page and in no log."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from appliance.access import Access
from appliance.console import create_app
from appliance.router import RouteShelf
from appliance.settings import Settings, parse

from .conftest import NOW, Played, csrf_for, sign_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    link = {"host": "127.0.0.1", "port": 2775}
    routes = [
        {"prefix": "39", "links": ["simulated", "backup"], "name": "italy"},
        {"prefix": "39", "classes": ["otp"], "links": ["backup"], "name": "codes"},
    ]
    links = [{**link, "name": "simulated"}, {**link, "name": "backup"}]
    return parse(
        {"console": {"second_factor": False, "two_people": []}, "link": links, "route": routes}, tmp_path, "test"
    )


@pytest.fixture
def app(settings: Settings, access: Access, peers: Played) -> Flask:
    return create_app(settings, access, peers, clock=lambda: NOW)  # type: ignore[arg-type]


def test_the_table_and_its_versions(client: FlaskClient, settings: Settings) -> None:
    sign_in(client, "vera")
    page = client.get("/routes").text
    assert "from the settings file" in page and "italy" in page and "codes" in page and "Why this link" not in page
    assert "Nothing matches" in client.get("/routes?prefix=44").text
    shelf = RouteShelf(settings)
    heading = shelf.keep(settings.routes[:1], (), "cli:root", NOW)
    shelf.point(heading.version, heading.digest)
    page = client.get("/routes").text
    assert "version 1" in page and "codes" not in page and "cli:root" in page


def test_why_this_link_step_by_step(client: FlaskClient, peers: Played) -> None:
    sign_in(client, "carlo")
    form = {"csrf": csrf_for(client), "number": "+39 347 123 4567", "class": "otp", "sender": ""}
    page = client.post("/routes/explain", data=form)
    assert page.status_code == 200 and "codes" in page.text and 'id="steps"' in page.text
    assert "1234567" not in page.text.replace('placeholder="+39 347 123 4567"', "")
    assert peers.log[-1][1:3] == ("routes.explained", "routes:active")
    assert "It leaves over" not in page.text, "the engine knows no link of that name"
    nowhere = client.post("/routes/explain", data=form | {"number": "+44 7911 123456"})
    assert "No link takes it now" in nowhere.text


def test_bad_questions(client: FlaskClient, peers: Played) -> None:
    sign_in(client)
    form = {"csrf": csrf_for(client), "number": "+39 347 123 4567", "class": "otp"}
    for wrong in ({"number": "12"}, {"class": "urgent"}, {"sender": "a sender far too long"}):
        assert client.post("/routes/explain", data=form | wrong).status_code == 422
    assert [e[1] for e in peers.log] == ["console.login"]
    peers.down.add("engine")
    assert client.post("/routes/explain", data=form).status_code == 200


def test_a_viewer_does_not_ask_about_numbers(client: FlaskClient) -> None:
    sign_in(client, "vera")
    assert client.post("/routes/explain", data={"csrf": csrf_for(client), "number": "+393471234567"}).status_code == 403


def test_two_consoles_of_one_process_have_each_their_own_routes(
    client: FlaskClient, access: Access, peers: Played, tmp_path: Path
) -> None:
    sign_in(client, "vera")
    assert "italy" in client.get("/routes").text
    link = {"name": "simulated", "host": "127.0.0.1", "port": 2775}
    other = parse(
        {
            "console": {"second_factor": False},
            "link": [link],
            "route": [{"prefix": "44", "links": ["simulated"], "name": "britain"}],
        },
        tmp_path / "b",
        "test",
    )
    second = create_app(other, access, peers, clock=lambda: NOW).test_client()  # type: ignore[arg-type]
    sign_in(second, "vera")
    page = second.get("/routes").text
    assert "britain" in page and "italy" not in page

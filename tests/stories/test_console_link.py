"""The administrator adds a link in the console, a second person approves it, it is put into use, and it carries traffic: the whole appliance, real Chromium, two operators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from appliance.access import Access
from tests.stories.test_console import CHROMIUM, PASSWORD, Watched, browser
from tests.support.appliance import Appliance, wait_for
from tests.support.operator_process import Control, simulated_operator

pytestmark = [pytest.mark.stories, pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")]
playwright = pytest.importorskip("playwright.sync_api")
__all__ = ["browser"]  # the fixture

CONFIG = """
[console]
two_people = ["settings"]

[[link]]
name = "first"
host = "127.0.0.1"
port = {port}

[[route]]
links = ["first"]
"""
ADDED = """
[[link]]
name = "north"
host = "127.0.0.1"
port = {port}

[[route]]
prefix = "44"
links = ["north"]
"""
NUMBER, TEXT = "+447700900123", "Your card is on its way."


@pytest.fixture
def operators() -> Iterator[tuple[Control, Control]]:
    with simulated_operator() as first, simulated_operator() as north:
        yield first, north


def asked_for(watched: Watched, document: str) -> None:
    page = watched.page
    page.click("nav >> text=Settings")
    page.fill("#document", page.input_value("#document") + document)
    page.click("button:text-is('Compare and ask')")
    playwright.expect(page.locator("ins").filter(has_text="north").first).to_be_visible()
    page.fill("#reason", "a second operator, ticket 12")
    page.click("button:text-is('Ask for approval')")
    page.wait_for_selector("h1 >> text=asked")
    assert page.locator("button:has-text('Approve')").count() == 0, "who asked does not approve"


def approved(watched: Watched) -> None:
    page = watched.page
    page.click("text=1 change waits >> a")
    page.click("tbody th a")
    page.wait_for_selector("text=a second operator, ticket 12")
    page.click("button:text-is('Approve and do it')")
    page.wait_for_selector("h1 >> text=used")


def put_into_use(watched: Watched) -> None:
    page = watched.page
    page.click("nav >> text=Settings")
    page.click("button:text-is('Put version 1 into use')")
    page.wait_for_selector(".notice.good:has-text('at their next start')")
    assert page.locator("button:has-text('into use')").count() == 0


def left(*all_watched: Watched) -> None:
    for watched in all_watched:
        watched.context.close()
        assert watched.foreign == [] and watched.errors == []


def test_a_link_added_by_one_and_approved_by_another_carries_traffic(
    browser: Any,
    operators: tuple[Control, Control],
) -> None:
    first, north = operators
    with Appliance(CONFIG.format(port=first.port), patient=True) as box:
        access = Access(box.settings)
        for name, role in (("anna", "administrator"), ("sonja", "security"), ("olaf", "operator")):
            access.create_user(name, PASSWORD, role)
        anna, sonja = (Watched(browser, box.env["CASEMATE_CONSOLE"], locale="en") for _ in range(2))
        anna.sign_in("anna")
        asked_for(anna, ADDED.format(port=north.port))
        sonja.sign_in("sonja")
        approved(sonja)
        assert north.counters()["accepted"] == 0
        put_into_use(anna)
        left(anna, sonja)
        box.stop()
        box.start()

        olaf = Watched(browser, box.env["CASEMATE_CONSOLE"], locale="en")
        olaf.sign_in("olaf")
        page = olaf.page
        page.goto(olaf.url + "/links/north")
        playwright.expect(page.locator(".badge:text-is('bound')").first).to_be_visible(timeout=60_000)
        wait_for("the link to be up", lambda: state_of(box, "north") == "up", 60)
        sent = box.send(to=NUMBER, text=TEXT, class_="alert")
        box.until(sent["id"], "delivered", seconds=60)
        assert [each["text"] for each in north.received(NUMBER)] == [TEXT] and first.counters()["accepted"] == 0
        page.goto(f"{olaf.url}/messages/{sent['id']}")
        page.wait_for_selector("h1:has-text('delivered')")
        assert any("over north" in step for step in page.locator(".course > li").all_inner_texts())
        left(olaf)


def state_of(box: Appliance, name: str) -> str:
    return next(str(link["state"]) for link in box.state()["links"] if link["name"] == name)

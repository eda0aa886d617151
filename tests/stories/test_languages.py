"""People who read the console in their own language: real Chromium, the real console; also in a language from right to left that only exists here."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.access import Access
from appliance.console.languages import CATALOGUES
from appliance.message import id_text
from appliance.settings import Settings, parse
from tests.stories.test_console import (
    AXE,
    CHROMIUM,
    LINKS,
    PAGES,
    PASSWORD,
    RUN_AXE,
    SHOTS,
    TAGS,
    Watched,
    beyond_budget,
    browser,
    console,
    free_port,
)
from tests.support.box import Box, fill
from tests.support.pseudo import written

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
playwright = pytest.importorskip("playwright.sync_api")
__all__ = ["browser"]  # the fixture

#: Where somebody works all day: looked at by axe-core in every language, the other pages in one of them each.
DAILY = ("/", "/audit", "/account")
#: What stands beyond the page's edges, but for what may be scrolled to in its own place.
OUTSIDE = """() => [...document.querySelectorAll('body *')].filter((e) => {
    if (!e.checkVisibility() || e.closest('.scroll, pre, .hidden, .skip, svg, option, details:not([open]) > :not(summary)')) return false;
    const r = e.getBoundingClientRect();
    return r.width && (r.right > innerWidth + 1 || r.left < -1); }).map((e) => e.outerHTML.slice(0, 160))
  .concat(document.documentElement.scrollWidth > innerWidth ? ['the page itself: ' + document.documentElement.scrollWidth] : [])"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, list[bytes]]:
    settings = parse({"link": LINKS}, tmp_path_factory.mktemp("home"), "story")
    access = Access(settings)
    for name, role in (("anna", "administrator"), ("olaf", "operator")):
        access.create_user(name, PASSWORD, role)
    access.create_api_key("core-banking")
    return settings, fill(settings.store)


@pytest.fixture(scope="module")
def url(home: tuple[Settings, list[bytes]]) -> Iterator[str]:
    with Box(home[0]), console(home[0], f"127.0.0.1:{free_port()}") as (url, _):
        yield url


def enter(watched: Watched, name: str, then: str = "/") -> None:
    watched.page.goto(f"{watched.url}/sign-in")
    watched.page.fill("#name", name)
    watched.page.fill("#password", PASSWORD)
    watched.page.click("form:has(#password) button")
    watched.page.wait_for_url(f"{watched.url}{then}")


def speak(watched: Watched, tag: str) -> None:
    """Kept with the account: what this person chose in a story before goes before what the browser asks for."""
    watched.page.goto(f"{watched.url}/account")
    watched.page.click(f".languages button[value={tag}]")
    watched.page.wait_for_selector(f"html[lang={tag}]", state="attached")


def test_somebody_signs_in_in_german_and_goes_on_in_italian(browser: Any, url: str) -> None:
    watched = Watched(browser, url, locale="de-AT")
    page = watched.page
    page.goto(url + "/sign-in")
    assert page.title() == "Anmelden · Casemate" and page.get_attribute("html", "lang") == "de"
    page.fill("#name", "anna")
    page.fill("#password", "not the right words")
    page.click("button:text-is('Anmelden')")
    page.wait_for_selector("text=Benutzername oder Passwort ist falsch.")
    assert watched.errors == [f"401 {url}/sign-in"] or "401" in " ".join(watched.errors)
    watched.errors.clear()
    enter(watched, "anna")
    page.wait_for_selector("h1:text-is('Übersicht')")
    page.wait_for_selector("#live:text-is('live')")
    page.goto(url + "/account")
    assert re.search(r"\d\d\.\d\d\.20\d\d, \d\d:\d\d:\d\d UTC", page.inner_text(".facts"))
    page.click("button:text-is('Italiano')")
    page.wait_for_selector("h1:text-is('Account')")
    assert page.get_attribute("html", "lang") == "it" and "Registro di audit" in page.inner_text("nav")
    (kept,) = (c for c in watched.context.cookies() if c["name"] == "casemate-language")
    assert kept["value"] == "it" and kept["httpOnly"] and kept["sameSite"] == "Strict"
    page.goto(url + "/audit?what=console.login")
    row = page.inner_text("table tbody tr >> nth=0")  # what the log holds is said as it holds it
    assert re.search(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\s+console\.login\s+console:anna", row), row
    page.goto(url + "/no/such/page")
    page.wait_for_selector("h1:text-is('Qui non c’è nulla')")
    watched.errors.clear()  # a page that is not there is said to be so in the browser's console too
    page.click("button:text-is('Esci')")
    page.wait_for_selector("text=La sessione è chiusa.")
    watched.context.close()
    assert watched.foreign == [] and watched.errors == []


def test_an_operators_day_in_italian(browser: Any, url: str) -> None:
    """Is traffic healthy, where is this customer's message, which link is sick: never a word of another language on the way."""
    watched = Watched(browser, url, locale="it-IT")
    page = watched.page
    enter(watched, "olaf")
    page.wait_for_selector("h2:text-is('Salute')")
    assert "operatore di turno" in page.inner_text(".who")
    page.click("nav >> text=Messaggi")
    page.select_option("#status", label="fallito")
    page.click("button:text-is('Cerca')")
    playwright.expect(page.locator("tbody .badge").filter(has_not_text="fallito")).to_have_count(0)
    assert "status=failed" in page.url  # programs' words stay programs'
    page.click("tbody a.mono >> nth=0")
    page.wait_for_selector("h1:has-text('Messaggio')")
    assert page.locator(".timeline .event").all_inner_texts()[0] == "accettato"
    page.goto(url + "/messages")
    page.fill("#number", "+39 12")
    page.click("button:text-is('Cerca per numero')")
    page.wait_for_selector(".notice.bad:has-text('umero')")
    assert page.locator(".notice [lang=en]").count() == 0
    watched.errors.clear()
    page.goto(url + "/links/simulated")
    page.click("summary:has-text('Svuota per manutenzione')")
    page.click("button:text-is('Svuota simulated')")
    page.click("button:text-is('Riattiva il bind')")
    page.wait_for_selector("text=Il collegamento rifà il bind.")
    assert page.inner_text("body").count("The ") == 0
    watched.context.close()
    assert watched.foreign == [] and watched.errors == []


@pytest.mark.parametrize("tag", ["it", "de", "fr", "es"])
def test_pages_fit_a_telephone_and_are_accessible_in(
    browser: Any, home: tuple[Settings, list[bytes]], url: str, tag: str
) -> None:
    watched = Watched(browser, url, locale=tag, viewport={"width": 360, "height": 800})
    page, found = watched.page, []
    turn = ["it", "de", "fr", "es"].index(tag)
    page.goto(url + "/sign-in")
    look(page, found, "/sign-in")
    enter(watched, "anna")
    speak(watched, tag)
    for n, path in enumerate((*PAGES, f"/messages/{id_text(home[1][0])}")):
        page.goto(url + path)
        assert page.get_attribute("html", "lang") == tag
        found += [(path, each) for each in page.evaluate(OUTSIDE)]
        if path in DAILY:
            assert [each for each in beyond_budget(page) if each[0] == "octets"] == [], path
        if path in DAILY or n % 4 == turn:
            look(page, found, path)
        shot(page, path, tag)
    watched.context.close()
    assert found == [] and watched.foreign == [] and watched.errors == []


def look(page: Any, found: list[Any], name: str) -> None:
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found += [(name, *each) for each in page.evaluate(RUN_AXE, TAGS)]


def shot(page: Any, path: str, what: str) -> None:
    if SHOTS:
        name = path.strip("/").replace("/", "-") or "overview"
        page.screenshot(path=Path(SHOTS) / f"{name}-{what}.png", full_page=True)


# --- from right to left -----------------------------------------------------------------------------------

#: The console with one more language, whose catalogue the test wrote.
RUN = """
import sys
from pathlib import Path
from appliance.console import languages, main
from appliance.settings import parse
languages.LANGUAGES["ar"] = "ar"
languages.CATALOGUES = Path("{catalogues}")
main(parse({{"console": {{"listen": "{listen}", "second_factor": False}}, "link": {links}}}, Path("{home}"), "story"))
"""


@pytest.mark.parametrize("width", [360, 1360])
def test_a_longer_language_from_right_to_left_fits(
    browser: Any, tmp_path_factory: pytest.TempPathFactory, width: int, mirrored: str
) -> None:
    watched = Watched(browser, mirrored, locale="ar", viewport={"width": width, "height": 800})
    page, found = watched.page, []
    enter(watched, "anna")
    speak(watched, "ar")
    for path in PAGES if width < 1000 or SHOTS else ("/", "/messages", "/links/simulated", "/account", "/users"):
        page.goto(watched.url + path)
        assert page.get_attribute("html", "dir") == "rtl"
        found += [(path, each) for each in page.evaluate(OUTSIDE)]
        wrong = "[...document.querySelectorAll('.mono, .time, pre, code')].filter((e) => getComputedStyle(e).direction !== 'ltr').length"
        assert page.evaluate(wrong) == 0, path
        shot(page, path, f"rtl-{width}")
    page.goto(watched.url + "/messages")
    look(page, found, "/messages")
    if (
        width > 1000
    ):  # the menu is on the right, the first column of a table too, and a telephone number still begins with its plus
        assert page.evaluate("document.querySelector('.side').getBoundingClientRect().left") > width / 2
        cells = "[...document.querySelectorAll('tbody tr:first-child td')].map((e) => e.getBoundingClientRect().left)"
        places = page.evaluate(cells)
        assert places == sorted(places, reverse=True)
    watched.context.close()
    assert found == [] and watched.foreign == [] and watched.errors == []


@pytest.fixture(scope="module")
def mirrored(home: tuple[Settings, list[bytes]], url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second console beside the first, over the same box."""
    catalogues = tmp_path_factory.mktemp("catalogues")
    shutil.copytree(CATALOGUES, catalogues, dirs_exist_ok=True)  # a person's account may name any of them
    written(catalogues / "ar.po", "ar")
    listen = f"127.0.0.1:{free_port()}"
    code = RUN.format(listen=listen, links=LINKS, home=home[0].home, catalogues=catalogues)
    with console(home[0], listen, code) as (url, _):
        yield url

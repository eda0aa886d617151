"""How every page of the console looks: high contrast, forced colours, very wide, on paper; and its picture for the manual (`make shots`)."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from appliance.access import Access
from appliance.message import id_text
from appliance.settings import parse
from tests.stories.test_console import (
    AXE,
    CHROMIUM,
    CONTRAST,
    LINKS,
    PASSWORD,
    RUN_AXE,
    TAGS,
    Watched,
    beyond_budget,
    browser,
    console,
    free_port,
)
from tests.stories.test_languages import OUTSIDE
from tests.support.box import fill
from tests.support.furnished import Furnished, furnish, waiting_firmware
from tests.support.pictured import HEIGHT, MADE_FROM, PICTURED, PICTURES, WIDTH, made_from, small, words_of

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
playwright = pytest.importorskip("playwright.sync_api")
__all__ = ["browser"]  # the fixture

#: `some`: pictures of pages that say something else now; `all`: every one.
SHOTS = os.environ.get("CASEMATE_SHOTS", "")
WIDE = {"width": 3840, "height": 2160}
USUAL = {"width": WIDTH, "height": HEIGHT}
#: Looked at by axe-core in each theme: what is on the others is made of the same pieces.
BUSY = ("overview", "message", "messages", "webhooks", "audit", "workflow", "settings", "account")

SOME = re.compile(r"[3-9]\d|\d{3,}")  # points of the chart: half a minute of them

Paths = dict[str, str]


@pytest.fixture(scope="module")
def furnished(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Paths]]:
    """A console over a box with something on every page, and where these are."""
    settings = parse({"link": LINKS}, tmp_path_factory.mktemp("home"), "story")
    access = Access(settings)
    for name, role in (("anna", "administrator"), ("carlo", "compliance"), ("olaf", "operator")):
        access.create_user(name, PASSWORD, role)
    access.create_api_key("core-banking")
    fill(settings.store, number="+393330000001")
    ids, wrote = furnish(settings)
    waiting_firmware(settings)
    with Furnished(settings, ids) as _, console(settings, f"127.0.0.1:{free_port()}") as (url, _):
        known = {"message": id_text(ids[-1]), "wrote": id_text(wrote), "change": asked(browser, url)}
        yield url, {name: path.format(**known) for name, path in PICTURED.items()}


def asked(browser: Any, url: str) -> str:
    """The number of a change that waits for another person."""
    watched = Watched(browser, url)
    watched.sign_in("anna")
    watched.page.goto(url + "/settings")
    watched.page.fill("#document", "[store]\nretention_days = 90\n")
    watched.page.click("button:text-is('Compare and ask')")
    watched.page.fill("#reason", "the new policy of retention")
    watched.page.click("button:text-is('Ask for approval')")
    watched.page.wait_for_selector("h1 >> text=asked")
    number = str(watched.page.url.rsplit("/", 1)[1].partition("?")[0])
    watched.context.close()
    return number


def entered(browser: Any, url: str, **context: Any) -> Watched:
    watched = Watched(browser, url, **context)
    watched.sign_in("anna")
    return watched


def left(watched: Watched, found: list[Any]) -> None:
    watched.context.close()
    assert found == [] and watched.foreign == [] and watched.errors == []


@pytest.mark.parametrize(
    "theme",
    [
        {"contrast": "more", "color_scheme": "light"},
        {"contrast": "more", "color_scheme": "dark"},
        {"forced_colors": "active", "color_scheme": "dark"},
    ],
    ids=["more-light", "more-dark", "forced"],
)
def test_in_high_contrast_all_can_be_read(browser: Any, furnished: tuple[str, Paths], theme: dict[str, str]) -> None:
    url, paths = furnished
    watched, found = entered(browser, url, viewport=USUAL, **theme), []
    page = watched.page
    for name in BUSY:
        page.goto(url + paths[name])
        page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
        # Forced colours are the reader's own: how well one is seen on another is not the page's to say.
        found += [
            (name, *each) for each in page.evaluate(RUN_AXE, TAGS) if each[0] != "color-contrast" or "contrast" in theme
        ]
        if "contrast" in theme:
            found += [(name, *each) for each in page.evaluate(CONTRAST)]
    if "contrast" in theme:  # what the chart reads of the page's colours is a colour
        page.goto(url)
        lines = "getComputedStyle(document.documentElement).getPropertyValue('--line').trim()"
        assert page.evaluate(lines).startswith("#")
    left(watched, found)


def test_on_a_very_wide_screen_lines_do_not_become_hairs(browser: Any, furnished: tuple[str, Paths]) -> None:
    url, paths = furnished
    watched, found = entered(browser, url, viewport=WIDE), []
    page = watched.page
    for name in BUSY:
        page.goto(url + paths[name])
        found += [(name, each) for each in page.evaluate(OUTSIDE)]
        size = page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)")
        part = page.evaluate("document.querySelector('main').getBoundingClientRect().right / innerWidth")
        assert 24 <= size <= 30 and 0.7 <= part <= 1, (name, size, part)
    left(watched, found)


#: What has no place on paper, and what would lose its words at the edge of the sheet.
ON_PAPER = """() => [...document.querySelectorAll('.side, form, .skip, .card:has(form):not(:has(table, dl, ul, ol, pre, .empty, .notice))')]
    .filter((e) => e.checkVisibility()).map((e) => ['is printed', e.outerHTML.slice(0, 120)])
  .concat([...document.querySelectorAll('td, th, dd, p')].filter((e) => e.checkVisibility() && !e.closest('details, pre, .hidden') && e.getBoundingClientRect().right > innerWidth + 1)
    .map((e) => ['is cut', e.outerHTML.slice(0, 120)]))"""


def test_on_paper_there_is_the_page_and_nothing_to_press(browser: Any, furnished: tuple[str, Paths]) -> None:
    url, paths = furnished
    watched, found = (
        entered(browser, url, viewport={"width": 720, "height": 1000}),
        [],
    )  # A4 with usual margins, at 96 to the inch
    page = watched.page
    for name, path in paths.items():
        if name != "sign_in":
            page.goto(url + path)
            found += [(name, *each) for each in beyond_budget(page)]
            page.emulate_media(media="print")
            found += [(name, *each) for each in page.evaluate(ON_PAPER)]
            page.emulate_media(media="screen")
    left(watched, found)


@pytest.mark.skipif(not SHOTS, reason="pictures are made by `make shots`")
def test_every_page_has_its_picture(browser: Any, furnished: tuple[str, Paths]) -> None:
    url, paths = furnished
    known = made_from()
    guest = Watched(browser, url, viewport=USUAL, color_scheme="light", locale="en")
    watched = entered(browser, url, viewport=USUAL, color_scheme="light", locale="en")
    PICTURES.mkdir(exist_ok=True)
    for name, path in sorted(paths.items(), key=lambda each: each[0] == "help_page"):  # which shows the others
        if SHOTS != "all" and known.get(name) == words_of(name) and (PICTURES / f"{name}.png").exists():
            continue
        page = (guest if name == "sign_in" else watched).page
        page.goto(url + path)
        if name == "overview":
            playwright.expect(page.locator("#chart")).to_have_attribute("data-points", SOME, timeout=90_000)
        page.wait_for_load_state("networkidle") if name == "help_page" else None
        whole = Image.open(io.BytesIO(page.screenshot()))
        small(whole).save(PICTURES / f"{name}.png", optimize=True)
        known[name] = words_of(name)
    lines = [f"{name} {known[name]}" for name in PICTURED]
    MADE_FROM.write_text("\n".join(lines) + "\n", encoding="utf-8")
    guest.context.close()
    left(watched, [])

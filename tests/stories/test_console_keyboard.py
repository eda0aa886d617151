"""The console without a mouse: every flow by Tab, Enter, Space and the arrows, the focus seen at each step, in the order of the page, and never caught."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from appliance.access import Access
from appliance.message import id_text
from appliance.settings import parse
from tests.stories.test_console import CHROMIUM, LINKS, PASSWORD, RUN, Watched, browser, console, free_port
from tests.support.box import fill
from tests.support.furnished import NUMBER, TEXT, Furnished, furnish

pytestmark = [pytest.mark.stories, pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")]
playwright = pytest.importorskip("playwright.sync_api")
__all__ = ["browser"]  # the fixture

STEPS_MAX: Final = 200  # of Tab on one page: more is a trap

#: What has the focus: its words, its id, whether the focus is seen and on the screen, and its place in the page's order.
FOCUS = """() => {
  const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
  const all = [...document.querySelectorAll('*')];
  return {
    words: (e.innerText || e.getAttribute('aria-label') || '').trim(), id: e.id, body: e === document.body,
    seen: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2,
    shown: r.width > 0 && r.height > 0 && r.bottom > 0 && r.top < innerHeight,
    place: all.indexOf(e), tabindex: e.tabIndex,
  };
}"""
#: How many places of a page the keyboard has to reach: what can be pressed, written in or scrolled, and is shown.
REACHABLE = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')]
  .filter((e) => e.tabIndex >= 0 && !e.disabled && e.type !== 'hidden' && e.checkVisibility()).length"""


class Keys:
    """A person who has only a keyboard. Nothing here clicks."""

    def __init__(self, watched: Watched) -> None:
        self.watched, self.page = watched, watched.page

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def write(self, text: str) -> None:
        self.page.keyboard.type(text)

    def focus(self) -> dict[str, Any]:
        found: dict[str, Any] = self.page.evaluate(FOCUS)
        return found

    def to(self, wanted: str) -> None:
        """Tab until what has the focus has this id (`#number`) or these words; each stop on the way is seen, shown and further on (a date has several)."""
        place = self.focus()["place"]
        for _ in range(STEPS_MAX):
            self.press("Tab")
            now = self.focus()
            if now["body"]:
                place = -1
                continue
            assert now["seen"] and now["shown"], (self.page.url, now)
            assert now["place"] >= place, (self.page.url, now, "the order of the keyboard is the page's")
            place = now["place"]
            if wanted in (f"#{now['id']}", now["words"]):
                return
        pytest.fail(f"the keyboard does not reach {wanted!r} on {self.page.url}")

    def do(self, wanted: str, key: str = "Enter") -> None:
        self.to(wanted)
        self.press(key)

    def sign_in(self, name: str) -> None:
        self.page.goto(f"{self.watched.url}/sign-in")
        playwright.expect(self.page.locator("#name")).to_be_focused()  # by itself
        self.write(name)
        self.to("#password")
        self.write(PASSWORD)
        self.do("Sign in")
        self.page.wait_for_url(f"{self.watched.url}/")

    def skip(self) -> None:
        """Past the menu, by the first thing that the keyboard meets."""
        self.press("Tab")
        assert self.page.evaluate("document.activeElement.className") == "skip"
        self.press("Enter")
        assert self.focus()["id"] == "content"

    def go(self, path: str) -> None:
        self.page.goto(self.watched.url + path)
        self.skip()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Furnished, str]]:
    """Address, box, and a message that opens."""
    settings = parse({"link": LINKS}, tmp_path_factory.mktemp("home"), "story")
    access = Access(settings)
    people = (("anna", "administrator"), ("sonja", "security"), ("olaf", "operator"), ("carlo", "compliance"))
    for name, role in people:
        access.create_user(name, PASSWORD, role)
    fill(settings.store, number="+393330000001")
    ids, _ = furnish(settings)
    listen = f"127.0.0.1:{free_port()}"
    code = RUN.format(listen=listen, links=LINKS, home=settings.home)
    with Furnished(settings, ids) as box, console(settings, listen, code) as (url, _):
        yield url, box, id_text(ids[-1])


@pytest.fixture
def keys(browser: Any, place: tuple[str, Furnished, str]) -> Iterator[Callable[[str], Keys]]:
    """`keys("anna")`: somebody who has signed in."""
    made: list[Watched] = []

    def enter(name: str) -> Keys:
        made.append(Watched(browser, place[0], locale="en", viewport={"width": 1280, "height": 800}))
        person = Keys(made[-1])
        person.sign_in(name)
        return person

    yield enter
    for watched in made:
        watched.context.close()
        assert watched.foreign == [] and watched.errors == []


def test_a_message_is_found_and_revealed(keys: Callable[[str], Keys], place: tuple[str, Furnished, str]) -> None:
    carlo = keys("carlo")
    page = carlo.page
    carlo.do("Messages")
    page.wait_for_url("**/messages")
    carlo.skip()
    carlo.to("#status")
    carlo.press("ArrowDown")  # a choice by the arrows
    assert page.input_value("#status") != ""
    carlo.to("#number")
    carlo.write(NUMBER)
    carlo.do("Search by number")
    page.wait_for_url("**/messages/by-number")  # not a pattern that the page before fits, too
    carlo.go(f"/messages/{place[2]}")
    carlo.to("Why this link?")
    carlo.press("Space")  # what is folded, by Space
    playwright.expect(page.locator("details[open] >> text=link backup").first).to_be_visible()
    carlo.go(f"/messages/{place[2]}")
    carlo.to("#why")
    carlo.write("complaint 18")
    carlo.do("Reveal")
    page.wait_for_selector(f"text={TEXT}")
    assert NUMBER in page.content()


def test_a_link_is_added_and_approved(keys: Callable[[str], Keys]) -> None:
    anna = keys("anna")
    page = anna.page
    anna.do("Settings")
    page.wait_for_url("**/settings")
    anna.skip()
    anna.to("#document")
    anna.press("Control+End")
    anna.write('\n[[link]]\nname = "north"\nhost = "10.9.8.7"\n')
    anna.do("Compare and ask", "Space")  # a button by Space; Tab leaves the text
    page.wait_for_selector("ins >> nth=0")
    anna.skip()
    anna.to("#reason")
    anna.write("ticket 12")
    anna.do("Ask for approval")
    page.wait_for_selector("h1 >> text=asked")

    sonja = keys("sonja")
    sonja.do("approvals")  # the word of the notice
    sonja.page.wait_for_url("**/approvals")
    sonja.skip()
    number = page.url.rsplit("/", 1)[1].partition("?")[0]
    sonja.do(sonja.page.locator("tbody th a").first.inner_text())
    sonja.page.wait_for_url(re.compile(rf"/approvals/{number}$"))
    sonja.skip()
    sonja.do("Approve and do it")
    sonja.page.wait_for_selector("h1 >> text=used")


def test_a_day_is_reviewed_and_the_log_taken_away(
    keys: Callable[[str], Keys], place: tuple[str, Furnished, str], tmp_path: Path
) -> None:
    carlo = keys("carlo")
    place[1].a_day_passes()
    page = carlo.page
    carlo.do("Audit log")
    page.wait_for_url("**/audit")
    carlo.skip()
    carlo.do("Review")
    page.wait_for_url("**/audit/review")
    carlo.skip()
    carlo.do("Mark as reviewed")
    page.wait_for_selector(".notice.good:has-text('marked as reviewed')")
    carlo.go("/audit")
    carlo.to("Signed archive")
    with page.expect_download() as download:
        carlo.press("Enter")
    download.value.save_as(tmp_path / "log.tar")
    assert (tmp_path / "log.tar").stat().st_size > 10_000


def test_who_it_is_is_shown_again_and_the_console_left(keys: Callable[[str], Keys]) -> None:
    anna = keys("anna")
    anna.go("/prove?next=/users")
    anna.to("#password")
    anna.write(PASSWORD)
    anna.press("Enter")
    anna.page.wait_for_url("**/users")
    anna.do("Sign out")
    anna.page.wait_for_selector("text=You are signed out")
    anna.page.goto(anna.watched.url + "/users")
    assert "/sign-in" in anna.page.url


PAGES: Final = ("/", "/messages", "/audit", "/links/simulated", "/settings", "/users", "/reports")


def test_the_keyboard_reaches_everything_and_is_never_caught(keys: Callable[[str], Keys]) -> None:
    anna = keys("anna")
    for path in PAGES:
        anna.page.goto(anna.watched.url + path)
        wanted, met = anna.page.evaluate(REACHABLE), list[int]()
        for _ in range(STEPS_MAX):
            anna.press("Tab")
            now = anna.focus()
            if now["body"] or (met and now["place"] < met[-1]):
                break
            assert now["seen"] and now["shown"], (path, now)
            met.append(now["place"])
        else:
            pytest.fail(f"the keyboard is caught on {path}")
        assert len(set(met)) >= wanted, (path, len(set(met)), wanted)


def test_a_part_that_is_swapped_keeps_the_focus(keys: Callable[[str], Keys]) -> None:
    olaf = keys("olaf")
    olaf.page.goto(olaf.watched.url + "/links")
    olaf.to("simulated")
    for _ in range(2):
        with olaf.page.expect_response("**/links/now"):
            pass
    playwright.expect(olaf.page.locator("a:focus")).to_have_text("simulated")

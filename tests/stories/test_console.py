"""A person at the console: real Chromium, the real console under gunicorn, a real audit log; the engine and the HSM are played."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from appliance.access import Access
from appliance.clock import monotonic_s
from appliance.message import id_text
from appliance.settings import Settings, parse
from tests.support.box import Box, fill

playwright = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "four unrelated words here"
NUMBER = "+393471234567"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RUN = """
import sys
from pathlib import Path
from appliance.console import main
from appliance.settings import parse
main(parse({{"console": {{"listen": "{listen}", "second_factor": False, "two_people": ["senders", "settings", "users"], "prove_minutes": 480}}, "link": {links}}}, Path("{home}"), "story"))
"""
LINKS = [
    {"name": "simulated", "host": "127.0.0.1", "port": 2775},
    {"name": "backup", "host": "127.0.0.1", "port": 2776},
]

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def console(settings: Settings, listen: str, code: str = "") -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    code = code or RUN.format(listen=listen, links=LINKS, home=settings.home)
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE)
    url = f"http://{listen}"
    try:
        until_s = monotonic_s() + 90  # on a busy machine
        while monotonic_s() < until_s and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                signal.sigtimedwait([], 0.05)
        else:
            pytest.fail("the console did not become ready")
        yield url, process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)  # on a busy machine; how soon it stops has a test of its own


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Box, list[bytes]]]:
    home = tmp_path_factory.mktemp("home")
    listen = f"127.0.0.1:{free_port()}"
    settings = parse({"link": LINKS}, home, "story")
    access = Access(settings)
    access.create_user("anna", PASSWORD, "administrator")
    access.create_user("katja", PASSWORD, "security")
    access.create_user("sonja", PASSWORD, "security")
    access.create_api_key("core-banking")
    ids = fill(settings.store, number=NUMBER)
    with Box(settings) as running, console(settings, listen) as (url, _):
        yield url, running, ids


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Watched:
    """A page of which every foreign request, console error and failed answer is remembered."""

    def __init__(self, browser: Any, url: str, **context: Any) -> None:
        self.url = url
        self.foreign: list[str] = []
        self.errors: list[str] = []
        self.context = browser.new_context(accept_downloads=True, **context)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.route("**/*", self._see)
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.errors.append(str(e)))
        self.page.on("response", lambda r: self.errors.append(f"{r.status} {r.url}") if r.status >= 400 else None)

    def _see(self, route: Any) -> None:
        if route.request.url.startswith(self.url + "/"):
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def press(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            self.page.keyboard.press(key)

    def tab_to(self, words: str) -> None:
        """Presses Tab until what has the focus reads `words`; fails after 40."""
        for _ in range(40):
            self.page.keyboard.press("Tab")
            has = self.page.evaluate("(document.activeElement.innerText || document.activeElement.id || '').trim()")
            if has == words:
                return
        pytest.fail(f"the keyboard does not reach {words!r}")

    def sign_in(self, name: str = "anna", then: str = "/") -> None:
        self.page.goto(f"{self.url}/sign-in")
        self.page.fill("#name", name)
        self.page.fill("#password", PASSWORD)
        self.page.click("button:text-is('Sign in')")
        self.page.wait_for_url(f"{self.url}{then}")


@pytest.fixture
def watched(browser: Any, box: tuple[str, Box, list[bytes]]) -> Iterator[Watched]:
    watched = Watched(browser, box[0])
    yield watched
    watched.context.close()
    assert watched.foreign == [], "no page asks anything of another origin"
    assert watched.errors == [], "no error and no CSP violation in the browser's console"


def test_signing_in_and_moving_about_by_keyboard_alone(watched: Watched) -> None:
    page = watched.page
    page.goto(watched.url + "/messages")
    assert page.title() == "Sign in · Casemate"
    watched.type("anna")  # the field has the focus already
    watched.press("Tab")
    watched.type(PASSWORD)
    watched.press("Enter")
    page.wait_for_url(watched.url + "/messages")
    watched.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    watched.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.goto(watched.url + "/")
    watched.tab_to("Audit log")
    watched.press("Enter")
    page.wait_for_url(watched.url + "/audit")
    watched.tab_to("Verify now")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus is seen"
    watched.press("Enter")
    page.wait_for_selector("#verdict >> text=The log verifies")
    watched.press("Home")
    page.goto(watched.url + "/account")
    watched.tab_to("Sign out")
    watched.press("Enter")
    page.wait_for_selector("text=You are signed out")
    page.goto(watched.url + "/")
    assert page.url.endswith("/sign-in")


def test_a_security_key_is_enrolled_opens_the_console_and_shows_again_who_it_is(
    browser: Any, box: tuple[str, Box, list[bytes]]
) -> None:
    """A virtual authenticator of Chromium's own, by the DevTools protocol; everything else is as with a real one."""
    watched = Watched(browser, box[0].replace("127.0.0.1", "localhost"))
    page = watched.page
    tools = watched.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    key = tools.send(
        "WebAuthn.addVirtualAuthenticator",
        {"options": options | {"isUserVerified": True, "automaticPresenceSimulation": True}},
    )["authenticatorId"]
    watched.sign_in("katja")
    page.goto(watched.url + "/account/factors")
    page.fill("#name", "blue key")
    page.click("button:text-is('Enrol a security key')")
    page.wait_for_selector("text=The second factor is in use from now on")
    page.wait_for_selector(".row-name:text-is('blue key')")

    page.goto(watched.url + "/account")
    page.click("text=Sign out")
    page.click("button:text-is('Sign in with a security key')")
    page.wait_for_url(watched.url + "/")
    page.click("text=Sign out")
    page.wait_for_selector("text=You are signed out")
    watched.sign_in("katja", "/sign-in/second?next=/")
    page.click("button:text-is('Use a security key')")
    page.wait_for_url(watched.url + "/")
    page.goto(watched.url + "/prove?next=/users")
    page.click("button:text-is('Use a security key')")
    page.wait_for_url(watched.url + "/users")
    assert watched.errors == [], "no error and no CSP violation in the browser's console"

    tools.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": False})
    page.goto(watched.url + "/account")
    page.click("text=Sign out")
    page.click("button:text-is('Sign in with a security key')")
    page.wait_for_selector("text=The security key did not answer")  # alone it has to ask for a PIN or a finger
    page.goto(watched.url + "/links")
    assert "/sign-in" in page.url and watched.foreign == []
    watched.context.close()


def test_one_asks_for_other_settings_and_another_approves(browser: Any, box: tuple[str, Box, list[bytes]]) -> None:
    anna, sonja = Watched(browser, box[0]), Watched(browser, box[0])
    anna.sign_in()
    anna.page.goto(anna.url + "/settings")
    anna.page.fill("#document", "[store]\nretention_days = 90\n")
    anna.page.click("button:text-is('Compare and ask')")
    playwright.expect(anna.page.locator("ins")).to_have_text("90")
    anna.page.fill("#reason", "the new policy of retention")
    anna.page.click("button:text-is('Ask for approval')")
    anna.page.wait_for_selector("h1 >> text=asked")
    assert anna.page.locator("button:has-text('Approve')").count() == 0
    sonja.sign_in("sonja")
    sonja.page.click("text=1 change waits >> a")
    sonja.page.click("tbody th a")
    sonja.page.wait_for_selector("text=the new policy of retention")
    sonja.page.click("button:text-is('Approve and do it')")
    sonja.page.wait_for_selector("h1 >> text=used")
    anna.page.goto(anna.url + "/settings")
    playwright.expect(anna.page.locator("[aria-label='Table of versions'] tbody tr")).to_have_count(1)
    for watched in (anna, sonja):
        watched.context.close()
        assert watched.foreign == [] and watched.errors == []


def test_the_overview_moves(watched: Watched) -> None:
    watched.sign_in()
    page = watched.page
    page.wait_for_selector("#live.on")
    before = page.get_attribute("#chart", "data-last")
    # `expect` looks from outside; `wait_for_function` polls inside the page, which the page's policy refuses.
    playwright.expect(page.locator("#chart")).not_to_have_attribute("data-last", before or "", timeout=60_000)
    playwright.expect(page.locator("[data-rate=submitted]")).to_have_text(
        re.compile(r"[1-9][0-9,]{2,}"), timeout=60_000
    )
    inked = """() => { const c = document.querySelector('#chart canvas');
        return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v !== 0); }"""
    assert page.evaluate(inked)
    assert page.inner_text("#now").count("simulated") == 1
    with page.expect_response("**/overview/now") as swapped:
        pass
    assert swapped.value.status == 200


def test_finding_a_message_and_its_life(watched: Watched, box: tuple[str, Box, list[bytes]]) -> None:
    watched.sign_in()
    page, ids = watched.page, box[2]
    page.goto(watched.url + "/messages")
    assert page.locator("tbody tr:not(.more)").count() == 50
    page.click("text=Older messages")
    playwright.expect(page.locator("tbody tr:not(.more)")).to_have_count(100)
    page.select_option("#status", "failed")
    page.press("#status", "Enter")
    page.click("button:text-is('Search')")
    playwright.expect(page.locator("tbody .badge").filter(has_not_text="failed")).to_have_count(0)
    assert set(page.locator("tbody .badge").all_inner_texts()) == {"failed"}
    page.fill("#number", "+39 347 123 4567")
    page.click("text=Search by number")
    playwright.expect(page.locator("tbody tr")).to_have_count(43)
    assert NUMBER not in page.content()
    page.fill("#id", id_text(ids[0]))
    page.click("button:text-is('Search')")
    page.wait_for_selector(".timeline")
    events = page.locator(".timeline .event").all_inner_texts()
    assert events[:3] == ["accepted", "sealed", "queued"] and events[-2:] == ["delivered", "told to the bank"]
    assert list(dict.fromkeys(e for e in events if e in STEPS)) == list(STEPS)
    assert page.locator(".sealed").count() == 2
    page.click("summary:text-is('submit_sm') >> nth=0")
    pdu = page.locator("pre").filter(has_text="service_type").first
    playwright.expect(pdu).to_be_visible()
    assert "destination_addr         sealed" in pdu.inner_text() and NUMBER[1:] not in page.content()
    page.goto(watched.url + "/audit?what=message.searched_by_number")
    assert "347" not in page.inner_text("table") and "console:anna" in page.inner_text("table")


STEPS = ("submitted", "taken by the operator", "sent", "receipt")


def test_exporting_what_verifies_elsewhere(watched: Watched, tmp_path: Path) -> None:
    watched.sign_in()
    page = watched.page
    page.goto(watched.url + "/audit")
    with page.expect_download() as download:
        page.click("text=Export")
    download.value.save_as(tmp_path / "audit.tar")
    with tarfile.open(tmp_path / "audit.tar") as tar:
        # Debian 12's Python 3.11.2 has no filters yet.
        tar.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    verifier = [sys.executable, str(ROOT / "appliance/audit/verify.py"), str(tmp_path / "casemate-audit")]
    done = subprocess.run(verifier, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_api_key_is_shown_once(watched: Watched) -> None:
    watched.sign_in()
    page = watched.page
    page.goto(watched.url + "/api-keys")
    page.fill("#name", "cards")
    page.click("button:text-is('Create')")
    token = page.input_value(".token input")
    assert token.startswith("cm_2_")
    page.goto(watched.url + "/api-keys")
    assert token not in page.content()
    page.click("summary:has-text('Revoke cards')")
    page.click("button:text-is('Revoke cards')")
    page.wait_for_selector("text=The key is revoked")


PAGES = (
    *(
        "/",
        "/messages",
        "/in-doubt",
        "/links",
        "/links/simulated",
        "/links/simulated/trace",
        "/routes",
        "/templates",
        "/audit",
        "/audit/review",
    ),
    *(
        "/consent",
        "/verifications",
        "/api-keys",
        "/door",
        "/senders",
        "/users",
        "/tokens",
        "/account",
        "/account/factors",
        "/approvals",
        "/release",
        "/settings",
        "/system",
        "/help",
        "/help/engine",
        "/prove",
        "/erasure",
        "/register",
        "/reports",
        "/usage",
        "/inbound",
        "/webhooks",
    ),
)


def test_a_link_is_tested_traced_drained_and_bound_again(browser: Any, box: tuple[str, Box, list[bytes]]) -> None:
    watched = Watched(browser, box[0])
    watched.sign_in()
    page = watched.page
    page.goto(watched.url + "/links")
    page.click("a:text-is('simulated')")
    page.fill("#to", NUMBER)
    page.click("button:text-is('Test')")
    page.wait_for_selector("text=check system_id and password_file")
    assert NUMBER not in page.content()
    page.click("button:text-is('Start a trace')")
    page.wait_for_selector("h2:has-text('enquire_link')")
    page.goto(watched.url + "/links/simulated")
    page.click("summary:has-text('Drain')")
    page.click("button:text-is('Drain simulated')")
    page.wait_for_selector("button:text-is('Bind again')")
    page.click("button:text-is('Bind again')")
    page.wait_for_selector("summary:has-text('Drain')")
    assert [sorted(a) for a in box[1].acts] == [["link", "minutes", "who"], *[["link", "on", "who"]] * 2]
    watched.context.close()
    assert watched.foreign == [] and watched.errors == []


def test_why_a_message_takes_its_link(browser: Any, box: tuple[str, Box, list[bytes]]) -> None:
    watched = Watched(browser, box[0])
    watched.sign_in()
    page = watched.page
    page.goto(watched.url + "/routes")
    page.fill("#number", NUMBER)
    page.click("button:text-is('Explain')")
    page.wait_for_selector("h2:has-text('It leaves over simulated')")
    assert NUMBER not in page.content()
    watched.context.close()
    assert watched.foreign == [] and watched.errors == []


PAGE_OCTETS_MAX = 150_000
HEAD_OCTETS = 300  # of an answer, as Resource Timing counts them
SHOTS = os.environ.get("CASEMATE_SHOTS", "")  # a folder: pictures of all pages, for the manual
#: What the page and everything it asked for weighs on a first visit; how far anything moved after it was painted (Layout Instability, W3C); what it waits for
#: before it is painted (Resource Timing); when that was.
WEIGHT = """async () => {
  const later = new Set([...document.querySelectorAll('img[loading=lazy]')].map((e) => e.src));  // of the manual: brought when a reader comes near
  const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource').filter((e) => e.initiatorType !== 'fetch' && !later.has(e.name))];
  const shift = await new Promise((done) => { new PerformanceObserver((l) => done(l.getEntries().reduce((n, e) => n + (e.hadRecentInput ? 0 : e.value), 0)))
    .observe({ type: 'layout-shift', buffered: true }); setTimeout(() => done(0), 50); });
  const waits = all.filter((e) => e.renderBlockingStatus === 'blocking' && e.entryType === 'resource').map((e) => e.name.split('/').pop().split('?')[0]);
  const paint = performance.getEntriesByName('first-contentful-paint').map((e) => Math.round(e.startTime));
  return { octets: all.reduce((n, e) => n + e.encodedBodySize + HEAD, 0), shift: Math.round(shift * 1000) / 1000, waits, paint };
}""".replace("HEAD", str(HEAD_OCTETS))


def beyond_budget(page: Any) -> list[Any]:
    """What of an open page is more than it may cost. Nothing here is a time: that depends on the machine; what a first paint waits for does not."""
    found: dict[str, Any] = page.evaluate(WEIGHT)
    wrong: list[Any] = []
    wrong += [("octets", found["octets"])] if not 0 < found["octets"] <= PAGE_OCTETS_MAX else []
    wrong += [("moved", found["shift"])] if found["shift"] > SHIFT_MAX else []
    wrong += [("painted after", name) for name in found["waits"] if not name.endswith(".css")]  # no script, no font
    return wrong


SHIFT_MAX = 0.0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1360])
def test_pages_fit_and_can_be_read(browser: Any, box: tuple[str, Box, list[bytes]], scheme: str, width: int) -> None:
    watched = Watched(browser, box[0], color_scheme=scheme, viewport={"width": width, "height": 800})
    watched.sign_in()
    page = watched.page
    for path in PAGES:
        page.goto(watched.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        faint = page.evaluate(CONTRAST)
        assert faint == [], (path, scheme, faint)
        assert beyond_budget(page) == [], path
        if SHOTS:
            page.screenshot(
                path=Path(SHOTS) / f"{path.strip('/').replace('/', '-') or 'overview'}-{scheme}-{width}.png"
            )
    watched.context.close()
    assert watched.foreign == [] and watched.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(browser: Any, box: tuple[str, Box, list[bytes]], scheme: str) -> None:
    """axe-core finds nothing against WCAG 2.2 AA on any page, and none that has been forgotten here."""
    watched = Watched(browser, box[0], color_scheme=scheme, viewport={"width": 1360, "height": 900})
    page = watched.page
    found = []

    def look(name: str) -> None:
        page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
        for each in page.evaluate(RUN_AXE, TAGS):
            found.append((scheme, name, *each))

    page.goto(f"{watched.url}/sign-in")
    look("sign-in")
    watched.sign_in()
    for path in (*PAGES, f"/messages/{id_text(box[2][0])}"):
        page.goto(watched.url + path)
        look(path)
    page.goto(watched.url + "/audit")
    page.click("text=Verify now")
    page.wait_for_selector("#verdict >> text=The log verifies")
    look("a verdict")
    assert watched.errors == []
    page.goto(watched.url + "/no/such/page")
    look("a refusal")
    watched.context.close()
    assert found == []


AXE = ROOT / "tests" / "support" / "vendor" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN_AXE = """async (tags) => (await axe.run(document, {runOnly: {type: 'tag', values: tags}})).violations
    .map((v) => [v.id, v.help, v.nodes.map((n) => n.html.slice(0, 120)).slice(0, 3)])"""

#: Texts whose contrast with what is behind them is below WCAG 2.2 AA (1.4.3): 4.5, or 3 for large text.
CONTRAST = """() => {
  const parse = (c) => (c.match(/[0-9.]+/g) || []).map(Number);
  const part = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const behind = (e) => { for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  const out = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement, s = getComputedStyle(e);
    if (!texts.currentNode.data.trim() || !e.checkVisibility() || e.closest('.hidden, .skip, option')) continue;
    const [a, b] = [light(parse(s.color)), light(behind(e))].sort((x, y) => y - x);
    const size = parseFloat(s.fontSize), large = size >= 24 || (size >= 18.66 && s.fontWeight >= 700);
    if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5)) out.push([e.className, e.innerText.slice(0, 20), ((a + 0.05) / (b + 0.05)).toFixed(2)]);
  }
  return out;
}"""


def test_it_stops_when_asked_with_a_page_open(tmp_path: Path) -> None:
    settings = parse({}, tmp_path, "story")
    with console(settings, f"127.0.0.1:{free_port()}") as (url, process):
        held = urllib.request.urlopen(f"{url}/sign-in", timeout=5)
        silent = socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), 5)  # as browsers keep them
        asked_s = monotonic_s()
        process.terminate()
        assert process.wait(12) == 0
        assert monotonic_s() - asked_s < 10
        held.close()
        silent.close()
        assert process.stderr is not None and b"Traceback" not in process.stderr.read()


def test_slow_strangers_hold_no_page_up(tmp_path: Path) -> None:
    settings = parse({}, tmp_path, "story")
    listen = f"127.0.0.1:{free_port()}"
    where = ("127.0.0.1", int(listen.rsplit(":", 1)[1]))
    with console(settings, listen) as (url, process):
        slow = []
        for n in range(60):
            sock = socket.create_connection(where, 5, source_address=("127.0.0.2", 0))
            sock.settimeout(20)
            half = (
                b"GET /sign-in?who=+393471234567 HTTP/1.1\r\nX: "
                if n % 2
                else b"POST /sign-in HTTP/1.1\r\n" + SLOW_BODY
            )
            sock.sendall(half)
            slow.append(sock)
        began_s = monotonic_s()
        with urllib.request.urlopen(f"{url}/sign-in", timeout=5) as answer:
            assert answer.status == 200
        assert monotonic_s() - began_s < 3
        for sock in slow:
            with suppress(OSError):
                while sock.recv(4096):  # each is shown out by itself
                    pass
            sock.close()
        assert monotonic_s() - began_s < 15
        with socket.create_connection(where, 5) as sock:
            sock.sendall(b"GET /?number=+393471234567 HTTP/1.1\r\nHost : x\r\n\r\n")
            assert b" 400 " in sock.recv(4096)
        process.terminate()
        assert process.wait(12) == 0
        assert process.stderr is not None and b"393471234567" not in process.stderr.read()


SLOW_BODY = b"Host: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\n\r\nname=a"

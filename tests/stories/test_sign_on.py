"""The bank's sign-on, end to end: real Chromium, the real console and courier, and an OpenID provider that nobody here wrote (Django OAuth Toolkit)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from appliance.access import Access
from appliance.clock import monotonic_s
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.settings import Settings, parse
from tests.stories.test_console import AXE, CHROMIUM, ROOT, RUN_AXE, TAGS, browser, free_port  # noqa: F401 - a fixture
from tests.support.box import Box
from tests.support.certificate import self_signed
from tests.support.oidc_provider import CLIENT_ID, PASSWORD, SECRET

pytest.importorskip("playwright.sync_api")
pytest.importorskip("oauth2_provider")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")

RUN = """
import asyncio, json, sys
from pathlib import Path
from appliance.settings import parse
settings = parse(json.loads(sys.argv[2]), Path(sys.argv[1]), "story")
if sys.argv[3] == "console":
    from appliance.console import main
    main(settings)
else:
    from appliance.courier import serve
    asyncio.run(serve(settings))
"""


@contextmanager
def process(arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        yield running
    finally:
        running.terminate()
        with suppress(subprocess.TimeoutExpired):
            running.wait(20)
        if running.poll() is None:
            running.kill()
            running.wait(20)


def until(what: Any) -> None:
    end_s = monotonic_s() + 90  # on a busy machine
    while monotonic_s() < end_s:
        with suppress(OSError, Error):
            if what():
                return
        signal.sigtimedwait([], 0.05)
    pytest.fail("it did not become ready")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[tuple[str, Settings]]:
    """Provider, courier and console; the console's address."""
    at, provider = free_port(), free_port()
    self_signed(tmp_path)
    (tmp_path / "secret").write_text(SECRET + "\n")
    url = f"http://localhost:{at}"
    raw: dict[str, Any] = {
        "console": {"listen": f"127.0.0.1:{at}", "second_factor": False, "two_people": []},
        "oidc": {
            "issuer": f"https://localhost:{provider}/o", "ca": str(tmp_path / "authority.pem"), "client_id": CLIENT_ID,
            "secret_file": str(tmp_path / "secret"), "roles": {"operator": "console operators"},
        },
    }  # fmt: skip
    home = tmp_path / "home"
    home.mkdir()
    settings = parse(raw, home, "story")
    Access(settings).create_user("anna", PASSWORD, "administrator")
    program = ["-c", RUN, str(home), json.dumps(raw)]
    serving = [
        str(ROOT / "tests/support/oidc_provider.py"),
        str(tmp_path),
        str(provider),
        f"{url}/sign-in/with-bank/back",
    ]
    with Box(settings), process(serving) as sso, process([*program, "courier"]), process([*program, "console"]):
        assert sso.stdout is not None and sso.stdout.readline() == b"ready\n"
        courier = BlockingClient(settings.socket("courier"))
        until(lambda: courier.call("ping", {})["ready"])
        until(lambda: urllib.request.urlopen(f"{url}/readyz", timeout=10).status == 200)
        yield url, settings


def test_people_of_the_bank_sign_in_with_its_sign_on(browser: Any, console: tuple[str, Settings]) -> None:  # noqa: F811
    url, settings = console

    def go(name: str) -> Any:
        context = browser.new_context(
            ignore_https_errors=True
        )  # the browser does not know the test's authority; the courier does
        page = context.new_page()
        page.set_default_timeout(60_000)
        errors: list[str] = []
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.goto(f"{url}/sign-in")
        page.click("text=Sign in with the bank's sign-on")
        page.fill("input[name=username]", name)
        page.fill("input[name=password]", PASSWORD)
        page.click("button:text-is('Log in')")
        page.wait_for_url(f"{url}/**")
        page.wait_for_selector("h1:has-text('Overview'), #problem")
        assert errors == []
        return page

    page = go("olga")
    assert page.url == f"{url}/" and page.inner_text(".who strong") == "olga"
    olga = Access(settings).user("olga")
    assert olga is not None and (olga.role, olga.source) == ("operator", "sign-on")
    page.goto(f"{url}/messages")
    assert page.title().startswith("Messages")
    for stranger in ("nora", "anna"):  # in no group; an account of the console's own
        page = go(stranger)
        assert page.locator("#problem").count() == 1 and "/sign-in" in page.url
        page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
        assert page.evaluate(RUN_AXE, TAGS) == []
        page.goto(f"{url}/messages")
        assert "/sign-in" in page.url
    assert Access(settings).user("nora") is None

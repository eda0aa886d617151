"""Days of those who live in the console: an operator on shift, a compliance officer. Real Chromium, real console, a box that people have worked with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.access import Access
from appliance.message import id_text
from appliance.settings import parse
from tests.stories.test_console import CHROMIUM, LINKS, PASSWORD, ROOT, Watched, browser, console, free_port
from tests.support.box import fill
from tests.support.furnished import HOST, NUMBER, REFERENCE, TEXT, WROTE, Furnished, furnish

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
playwright = pytest.importorskip("playwright.sync_api")
__all__ = ["browser"]  # the fixture


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Furnished, list[bytes]]]:
    settings = parse({"link": LINKS}, tmp_path_factory.mktemp("home"), "story")
    access = Access(settings)
    access.create_user("olaf", PASSWORD, "operator")
    access.create_user("carlo", PASSWORD, "compliance")
    access.create_api_key("core-banking")
    fill(settings.store, number="+393330000001")
    ids, _ = furnish(settings)
    with Furnished(settings, ids) as box, console(settings, f"127.0.0.1:{free_port()}") as (url, _):
        yield url, box, ids


@pytest.fixture
def watched(browser: Any, shift: tuple[str, Furnished, list[bytes]]) -> Iterator[Watched]:
    watched = Watched(browser, shift[0])
    yield watched
    watched.context.close()
    assert watched.foreign == [] and watched.errors == []


def test_an_operator_finds_in_three_clicks_why_a_customer_got_nothing(watched: Watched) -> None:
    watched.sign_in("olaf")
    page, clicks = watched.page, []

    def click(what: str) -> None:
        clicks.append(what)
        page.click(what)

    click("nav >> text=Messages")
    page.fill("#number", NUMBER)
    click("button:text-is('Search by number')")
    click("tbody a.mono >> nth=0")
    page.wait_for_selector("h1:has-text('failed')")
    assert len(clicks) <= 3
    steps = page.locator(".course > li").all_inner_texts()
    receipt = next(step for step in steps if step.startswith("receipt"))
    assert "understood as failed, absent subscriber" in receipt
    assert any(step.startswith("routed") and "over simulated" in step for step in steps)
    assert NUMBER not in page.content() and TEXT not in page.content()
    page.click("summary:text-is('Why this link?')")
    playwright.expect(page.locator("li:has-text('link backup')").last).to_be_visible()


def test_an_operator_tells_the_bank_now(watched: Watched, shift: tuple[str, Furnished, list[bytes]]) -> None:
    box, ids = shift[1], shift[2]
    watched.sign_in("olaf")
    page = watched.page
    page.goto(f"{watched.url}/messages/{id_text(ids[0])}")
    page.wait_for_selector(f"text=waits to be told to {HOST}: 3 attempts so far")
    page.click("nav >> text=Webhooks")
    row = page.locator("tr", has_text=HOST).first
    assert "fails" in row.inner_text() and "503" in row.inner_text()
    assert page.locator("section[aria-labelledby=waiting] tbody tr").count() == 3
    row.locator("a").click()
    page.wait_for_selector(f"h2:has-text('Waiting for {HOST}')")
    page.click(f"button[aria-label='Tell now: {HOST}']")
    page.wait_for_selector(".notice.good:has-text('3 that wait are told now.')")
    page.wait_for_selector("text=Nothing waits")
    assert box.hastened == [HOST]
    page.goto(f"{watched.url}/messages/{id_text(ids[0])}")
    page.wait_for_selector("text=nothing waits: all was taken by the bank")


def test_an_officer_reads_what_a_customer_wrote_and_that_is_on_record(watched: Watched) -> None:
    watched.sign_in("carlo")
    page = watched.page
    page.click("nav >> text=Inbound")
    assert page.locator("tbody tr").count() == 3 and WROTE not in page.content()
    page.click("tbody th a >> nth=0")
    page.fill("#why", "my number is 347 123 4567")
    page.click("button:text-is('Reveal')")
    page.wait_for_selector(".notice.bad:has-text('without a telephone number')")
    assert WROTE not in page.content()
    watched.errors.clear()  # a refusal is said in the browser's console too
    page.fill("#why", "complaint 17")
    page.click("button:text-is('Reveal')")
    page.wait_for_selector(f"text={WROTE}")
    assert NUMBER in page.content()
    page.reload()  # the browser asks nobody again: a new look is a new reason
    page.goto(watched.url + "/audit?what=message.viewed")
    row = page.inner_text("tbody tr >> nth=0")
    assert "console:carlo" in row and "complaint 17" in row


def test_an_officer_reads_one_message_down_to_its_octets(
    watched: Watched, shift: tuple[str, Furnished, list[bytes]]
) -> None:
    watched.sign_in("carlo")
    page = watched.page
    page.goto(f"{watched.url}/messages/{id_text(shift[2][-1])}")
    page.click("summary:text-is('submit_sm')")
    assert "sealed" in page.inner_text("pre[aria-label=submit_sm]")
    page.fill("#why", "complaint 18")
    page.click("button:text-is('Reveal')")
    page.wait_for_selector(f"text={REFERENCE}")
    page.click("summary:text-is('submit_sm')")
    pdu = page.inner_text("pre[aria-label=submit_sm]")
    assert f'"{NUMBER[1:]}"' in pdu and "Il tuo codice" in pdu and "sequence not kept" in pdu


def test_an_officer_reviews_a_day_takes_the_evidence_away_and_checks_it(
    watched: Watched, shift: tuple[str, Furnished, list[bytes]], tmp_path: Path
) -> None:
    watched.sign_in("carlo")
    shift[1].a_day_passes()
    page = watched.page
    page.goto(watched.url + "/audit")
    page.click("a:text-is('Review')")
    page.wait_for_selector("h1:has-text('Review of the audit log')")
    day = page.locator("section[aria-labelledby=days] tbody tr").first
    assert "nobody yet" in day.inner_text()
    page.click("button:text-is('Mark as reviewed')")
    page.wait_for_selector(".notice.good:has-text('marked as reviewed')")
    assert "console:carlo" in day.inner_text() and "nobody yet" not in day.inner_text()
    assert page.locator("button:text-is('Mark as reviewed')").count() == 0
    page.goto(watched.url + "/audit")
    assert "by console:carlo" in page.inner_text("section[aria-labelledby=review]")
    with page.expect_download() as download:
        page.locator("section.card", has_text="Take away").locator("button:text-is('Signed archive')").click()
    page.goto(watched.url + "/evidence")
    with page.expect_download() as evidence:
        page.click("button:text-is('Export')")
    file = tmp_path / "evidence.zip"
    evidence.value.save_as(file)
    key = tmp_path / "key"
    download.value.save_as(tmp_path / "log.tar")
    import tarfile

    with tarfile.open(tmp_path / "log.tar") as tar:
        name = next(n for n in tar.getnames() if n.endswith("verifier.vkey"))
        found = tar.extractfile(name)
        assert found is not None
        key.write_bytes(found.read())
    check = [sys.executable, "-m", "appliance.cli", "evidence", "verify", str(file), "--key", key.read_text().strip()]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "the archive is whole" in done.stdout, done.stdout + done.stderr
    page.goto(watched.url + "/audit?what=evidence.exported")
    assert "console:carlo" in page.inner_text("tbody tr >> nth=0")

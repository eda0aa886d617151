"""An officer's reports: made in real Chromium from a real store and a real audit log, checked elsewhere with the log's key."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from appliance.clock import day_name
from appliance.store import Readers
from tests.stories.test_console import AXE, ROOT, RUN_AXE, TAGS, Watched, box, browser, watched  # noqa: F401 - fixtures
from tests.support.box import Box

playwright = pytest.importorskip("playwright.sync_api")


def test_a_day_is_read_printed_taken_away_and_checked_elsewhere(
    watched: Watched,  # noqa: F811
    box: tuple[str, Box, list[bytes]],  # noqa: F811
    tmp_path: Path,
) -> None:
    watched.sign_in()
    page = watched.page
    page.goto(watched.url + "/reports")
    last = page.locator("#day").evaluate("e => e.max")
    page.fill("#day", last)
    daily = page.locator("section[aria-labelledby=daily]")
    daily.locator("button:text-is('Show')").click()
    page.wait_for_selector("h1:has-text('Operations of')")
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    assert page.evaluate(RUN_AXE, TAGS) == []
    page.emulate_media(media="print")
    assert page.locator("header.side").is_hidden() and page.locator("section.report").first.is_visible()
    page.emulate_media(media="screen")
    page.go_back()
    page.fill("#day", day_name(Readers(box[1].settings.stores).days()[-1]))
    with page.expect_download() as download:
        page.locator("section[aria-labelledby=daily] button:text-is('PDF, CSV and proof')").click()
    file = tmp_path / "report.zip"
    download.value.save_as(file)
    with zipfile.ZipFile(file) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("summary.csv").decode())))
        key = archive.read("verifier.vkey").decode().strip()
    assert rows[0] == {"figure": "messages accepted", "this day": "130", "day before": "0"}
    check = [sys.executable, "-m", "appliance.cli", "evidence", "verify", str(file), "--key", key]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "the archive is whole" in done.stdout, done.stdout + done.stderr
    page.goto(watched.url + "/audit?what=report.made")
    assert "report:daily" in page.inner_text("table")


def test_an_incident_has_its_forms(watched: Watched) -> None:  # noqa: F811
    watched.sign_in()
    page = watched.page
    page.goto(watched.url + "/reports")
    until = page.input_value("#inc-until")
    for name in ("from", "detected", "classified"):
        page.fill(f"#inc-{name}", until[:11] + "00:00")
    page.fill("#inc-until", until[:11] + "23:59")
    page.locator("section[aria-labelledby=incident] button:text-is('Show')").click()
    page.wait_for_selector("h2:has-text('Form: final')")
    assert page.locator("section[aria-labelledby=t-dora-final] tbody tr").count() == 76

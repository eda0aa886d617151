"""A release through the web console: uploaded in pieces, looked into by a process apart, refused with its reason or asked for, approved by another, installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.access import Access
from appliance.settings import load
from appliance.updates import Machine, Updates
from firmware import building
from tests.stories.test_console import CHROMIUM, FLAGS, PASSWORD, ROOT, SHOTS, Watched, free_port, playwright
from tests.support import box as played
from tests.support.appliance import wait_for
from tests.support.release_keys import NOW, YEAR, Issuer, parts, release, trusted
from tests.support.slots import Box

pytestmark = [pytest.mark.stories, pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")]


@contextmanager
def console(home: Path, config: Path, url: str) -> Iterator[None]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("CASEMATE_")}
    env |= {"CASEMATE_HOME": str(home), "CASEMATE_CONFIG": str(config), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-P", "-m", "appliance.cli", "run", "console"]
    process = subprocess.Popen(words, cwd=ROOT, env=env, stdin=subprocess.DEVNULL)

    def ready() -> bool:
        assert process.poll() is None
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        wait_for("the console", ready, 120)
        yield
    finally:
        process.terminate()
        process.wait(30)


def test_a_release_is_uploaded_asked_for_approved_and_installed(tmp_path: Path) -> None:
    vendor = Issuer("Vendor", tmp_path / "vendor")
    key = vendor.issued("Release", NOW - YEAR, NOW + 10 * YEAR)
    new = release("0.2.0", hardware=("x86_64-*",))
    bundle = tmp_path / "casemate-0.2.0.raucb"
    made = parts(tmp_path / "parts")
    made["components"].write_bytes(os.urandom(1_200_000))  # a bundle of several pieces, for slots as small as these
    building.build(made, new, "verity", key, bundle)
    bad = tmp_path / "bad/casemate-0.2.1.raucb"
    bad.parent.mkdir()
    shutil.copyfile(bundle, bad)
    with bad.open("r+b") as file:
        file.seek(500_000)
        octet = file.read(1)[0]
        file.seek(500_000)
        file.write(bytes([octet ^ 1]))
    (tmp_path / "box").mkdir()
    box = Box(tmp_path / "box", release("0.1.0"))
    listen = f"127.0.0.1:{free_port()}"
    config = tmp_path / "casemate.toml"
    config.write_text(
        f'{box.settings()}trust = "{trusted(tmp_path / "trust", vendor)}"\nserial = "SN-1"\n'
        f'[console]\nlisten = "{listen}"\nsecond_factor = false\ntwo_people = []\nprove_minutes = 480\n'
    )
    home = tmp_path / "home"
    settings = load(config, home)
    access = Access(settings)
    access.create_user("anna", PASSWORD, "administrator")
    access.create_user("sonja", PASSWORD, "security")
    url = f"http://{listen}"
    with played.Box(settings), console(home, config, url), playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        anna, sonja = Watched(browser, url), Watched(browser, url)
        anna.sign_in()
        _uploaded(anna, bad)
        anna.page.wait_for_selector("text=the content was changed although the signature is right")
        assert anna.page.query_selector("text=Ask for it") is None
        anna.page.click("button:text-is('Take it away')")
        _uploaded(anna, bundle)
        anna.page.fill("#reason", "release of November")
        anna.page.click("button:text-is('Ask for it')")
        anna.page.wait_for_selector("text=Another person approves it on this page")
        sonja.sign_in("sonja")
        sonja.page.goto(f"{url}/release")
        assert "landlock" in (home / "updates/offered/verdict.json").read_text() or not _landlock()
        sonja.page.click("button:text-is('Approve')")
        sonja.page.wait_for_selector("text=The box begins within five minutes")
        updates = Updates(settings, Machine(box.root))
        found = updates.approved()
        assert found is not None and (found.asked_by, found.decided_by) == ("console:anna", "console:sonja")
        assert updates.install(Path(found.path), "cli:root", lambda *_: None, found.number) == "0.2.0"
        sonja.page.wait_for_selector("text=Release 0.2.0 is written and read back")
        if SHOTS:
            sonja.page.screenshot(path=f"{SHOTS}/release.png", full_page=True)
        assert box.slots("a") == {"a": "good", "b": "written"}
        browser.close()
    for watched in (anna, sonja):
        assert watched.foreign == [] and watched.errors == []


def _uploaded(watched: Any, bundle: Path) -> None:
    """By the form of the page; until somebody has looked into it."""
    watched.page.goto(f"{watched.url}/release")
    watched.page.set_input_files("#bundle", str(bundle))
    watched.page.click("button:text-is('Upload')")
    watched.page.wait_for_selector(f"dd:text-is('{bundle.name}')")
    watched.page.wait_for_selector("text=Take it away")
    watched.page.wait_for_selector("#reason, .notice.bad")


def _landlock() -> bool:
    """Whether this kernel has it."""
    import ctypes

    return bool(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint32(1)) >= 1)

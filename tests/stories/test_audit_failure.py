"""An audit store that is full or broken, on a disk of its own: privileged acts stop, the alarm is there, and it comes back by itself."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.audit import BlockingRecorder, commands
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.settings import Settings, parse
from tests.support.keystub import KeyStub
from tests.support.process import Running
from tests.support.small_disk import SmallDisk, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with SmallDisk(24) as disk:
        yield disk


@pytest.fixture
def settings(disk: SmallDisk) -> Iterator[Settings]:
    home = Path(tempfile.mkdtemp(prefix="casemate-"))
    (home / "audit").symlink_to(disk.path)
    made = parse({}, home, "test")
    stub, loop = KeyStub(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(stub.start(made.socket("keys")), loop).result(10)
    yield made
    asyncio.run_coroutine_threadsafe(stub.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
    shutil.rmtree(home)


def ask(settings: Settings, op: str) -> Any:
    client = BlockingClient(settings.socket("auditor"))
    try:
        return client.call(op, {}, 30.0)
    finally:
        client.close()


def refusal(settings: Settings) -> str:
    """What an act is refused with; empty when it is on the record."""
    recorder = BlockingRecorder(settings)
    try:
        recorder.record("cli:anna", "link.down", "link:main", why="x" * 8_000)
    except Error as e:
        assert e.code == "audit_unavailable"
        return str(e.detail["cause"])
    finally:
        recorder.close()
    return ""


def until(wanted: Callable[[], Any], patience_s: float = 20.0) -> Any:
    end = time.monotonic() + patience_s
    while not (found := wanted()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def test_a_full_disk_stops_acts_loudly_and_mends(disk: SmallDisk, settings: Settings) -> None:
    auditor = Running("audit", "auditor", settings)
    try:
        assert refusal(settings) == ""
        with disk.full():
            until(lambda: refusal(settings) == "store_full")
            pong = ask(settings, "ping")
            assert not pong["ready"] and pong["why"].startswith("store_full: ")
            assert ask(settings, "state")["failing_since_ms"]
            assert "NOTHING IS RECORDED" in auditor.log.read_text()
            assert commands.entries(settings).result["entries"]  # reading goes on
        until(lambda: ask(settings, "ping")["ready"])
        assert refusal(settings) == ""
        (stalled,) = commands.entries(settings, what="audit.stalled").result["entries"]
        assert stalled["entry"]["detail"]["code"] == "store_full"
        assert commands.verify_running(settings).ok
    finally:
        assert auditor.stop() == 0


def test_a_disk_that_fails_refuses_until_it_is_mended(disk: SmallDisk, settings: Settings) -> None:
    """Read-only after an error of the disk: the same, and after a mended disk and a new start all that was answered is there."""
    auditor = Running("audit", "auditor", settings)
    for _ in range(5):
        assert refusal(settings) == ""
    disk.fail()
    until(lambda: refusal(settings) in ("store_full", "store_damaged"))
    assert not ask(settings, "ping")["ready"]
    auditor.kill()
    disk.mend()
    auditor = Running("audit", "auditor", settings)
    assert refusal(settings) == ""
    assert len(commands.entries(settings, what="link.down").result["entries"]) >= 6
    assert commands.verify_running(settings).ok
    assert auditor.stop() == 0

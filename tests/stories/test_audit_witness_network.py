"""A witness on the network cosigns the log over HTTPS; its notes and proofs are judged by Debian's golang.org/x/mod."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.audit import BlockingRecorder, commands
from appliance.audit.verify import verify
from appliance.intercom import BlockingClient
from appliance.settings import Settings, load
from tests.support import go
from tests.support.certificate import self_signed
from tests.support.keystub import KeyStub
from tests.support.process import Running

pytestmark = pytest.mark.skipif(bool(go.missing()), reason=go.missing())
NAME = "witness.example/w1"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go.build(tmp_path_factory.mktemp("gowitness"), "gowitness")


class Bank:
    """A box, its keys process in a thread, and a witness elsewhere."""

    def __init__(self, patch: pytest.MonkeyPatch, program: Path) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="casemate-"))
        self.program, self.state_file = program, self.home / "witness-state"
        self.certificate, self.key = self_signed(self.home)
        self.file = self.home / "casemate.toml"
        patch.setenv("CASEMATE_CONFIG", str(self.file))
        self.file.write_text("")
        self.settings = load(home=self.home)
        self.stub, self.loop = KeyStub(), asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.stub.start(self.settings.socket("keys")), self.loop).result(10)
        self.witness: subprocess.Popen[str] | None = None

    def call_witness(self, log_key: str) -> tuple[str, int]:
        """Starts it; its key and its port."""
        words = [NAME, "07" * 32, log_key, str(self.certificate), str(self.key), str(self.state_file)]
        self.witness = subprocess.Popen([str(self.program), *words], stdout=subprocess.PIPE, text=True)
        assert self.witness.stdout is not None
        return self.witness.stdout.readline().strip(), int(self.witness.stdout.readline())

    def end_witness(self) -> None:
        if self.witness is not None:
            self.witness.kill()
            self.witness.communicate(timeout=10)
            self.witness = None

    def set(self, vkey: str, port: int, ca: Path | None = None) -> Settings:
        self.file.write_text(
            f'[audit]\nwitnesses = ["{vkey}"]\nwitness_urls = ["https://localhost:{port}/w"]\n'
            f'witness_ca = "{ca or self.home / "authority.pem"}"\nwitness_s = 1\n'
        )
        return load(home=self.home)

    def state(self) -> dict[str, Any]:
        client = BlockingClient(self.settings.socket("auditor"))
        try:
            found: dict[str, Any] = client.call("state", {}, 10.0)
            return found
        finally:
            client.close()

    def await_state(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        until = time.monotonic() + 90
        while not wanted(state := self.state()):
            assert time.monotonic() < until, state
            time.sleep(0.05)
        return state

    def close(self) -> None:
        self.end_witness()
        asyncio.run_coroutine_threadsafe(self.stub.stop(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
        shutil.rmtree(self.home)


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch, program: Path) -> Iterator[Bank]:
    made = Bank(monkeypatch, program)
    yield made
    made.close()


def why(state: dict[str, Any]) -> str:
    (one,) = state["network_witnesses"]
    return str(one["why"])


def log_key(bank: Bank) -> str:
    """As it is known once the box has run."""
    auditor = Running("audit", "auditor", bank.settings)
    bank.await_state(lambda s: s["vkey"])
    key = str(bank.state()["vkey"])
    assert auditor.stop() == 0
    return key


def test_it_cosigns_as_the_log_grows_and_is_missed_when_it_is_away(bank: Bank, tmp_path: Path) -> None:
    key = log_key(bank)
    vkey, port = bank.call_witness(key)
    settings = bank.set(vkey, port)
    auditor = Running("audit", "auditor", settings)
    recorder = BlockingRecorder(settings)
    try:
        for n in range(600):
            recorder.record("cli:anna", "message.viewed", f"message:{n}", why="case 7")
        state = bank.await_state(lambda s: s["cosigned_size"] >= 600)
        assert state["cosigned_by"] == NAME and why(state) == ""
        bank.end_witness()
        bank.await_state(lambda s: "no connection" in why(s))
        recorder.record("cli:anna", "message.viewed", "message:later", why="case 7")  # nothing waits for a witness
        vkey, other = bank.call_witness(key)  # it comes back, elsewhere, with what it remembers
        assert auditor.stop() == 0
        settings = bank.set(vkey, other)
        auditor = Running("audit", "auditor", settings)  # which has forgotten what it was asked last
        before = state["cosigned_size"]
        # Where it was is asked as well until two people agree that it is not.
        back = bank.await_state(
            lambda s: s["cosigned_size"] > before and "" in [w["why"] for w in s["network_witnesses"]]
        )
        assert len(back["network_witnesses"]) == 2
        commands.export(settings, tmp_path / "out.tar", "archive")
        assert len(list((bank.home / "audit/log/cosigned").iterdir())) <= 4  # of one day, not one a second
    finally:
        recorder.close()
        assert auditor.stop() == 0
    report = verify(tmp_path / "out.tar", key, (), [vkey])
    assert report.ok, report.problems
    assert max(report.witnessed)[0] > before


def test_a_log_that_was_rewritten_is_refused_and_that_is_on_the_record(bank: Bank) -> None:
    """The witness has seen more than there is (a backup was restored), or another beginning (it was rewritten)."""
    key = log_key(bank)
    vkey, port = bank.call_witness(key)
    bank.state_file.write_text("100000 " + "A" * 43 + "=\n")
    settings = bank.set(vkey, port)
    auditor = Running("audit", "auditor", settings)
    try:
        bank.await_state(lambda s: "cosigned 100000 entries, and this log has" in why(s))
        bank.state_file.write_text("2 " + "A" * 43 + "=\n")
        bank.await_state(lambda s: "does not continue what it cosigned before" in why(s))
        found = commands.entries(settings, what="audit.cosigned", outcome="refused").result["entries"]
        assert [row["entry"]["on"] for row in found] == ["witness:localhost"] * 2
        assert bank.state()["cosigned_size"] == 0
    finally:
        assert auditor.stop() == 0
    assert "CRITICAL" in auditor.log.read_text()


def test_a_server_that_cannot_show_who_it_is_is_asked_nothing(bank: Bank, tmp_path: Path) -> None:
    key = log_key(bank)
    vkey, port = bank.call_witness(key)
    other = tmp_path / "other"
    other.mkdir()
    self_signed(other)
    settings = bank.set(vkey, port, other / "authority.pem")
    auditor = Running("audit", "auditor", settings)
    try:
        bank.await_state(lambda s: "its certificate is refused" in why(s))
        assert not bank.state_file.exists()
    finally:
        assert auditor.stop() == 0

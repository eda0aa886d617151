"""The log at the bank's SIEM: a real rsyslog, and a real syslog-ng, takes every entry intact and in order, whatever breaks; bad certificates are said."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.audit import BlockingRecorder, commands
from appliance.audit.entry import canonical
from appliance.intercom import BlockingClient
from appliance.settings import Settings, load
from tests.support import rsyslog, syslog_ng
from tests.support.certificate import self_signed
from tests.support.keystub import KeyStub
from tests.support.process import Running
from tests.support.rsyslog import Rsyslog
from tests.support.syslog_ng import SyslogNg

pytestmark = pytest.mark.skipif(bool(rsyslog.missing()), reason=rsyslog.missing())
PEERS = (
    "rsyslog",
    pytest.param("syslog-ng", marks=pytest.mark.skipif(bool(syslog_ng.missing()), reason=syslog_ng.missing())),
)


class Bank:
    """A box's home with its settings, a keys process in a thread, and a SIEM of the bank's."""

    def __init__(self, patch: pytest.MonkeyPatch, peer: str = "rsyslog") -> None:
        self.home = Path(tempfile.mkdtemp(prefix="casemate-"))
        self.folder = self.home / "siem"
        self.folder.mkdir()
        self.certificate, self.key = self_signed(self.folder)
        made: type[Rsyslog | SyslogNg] = Rsyslog if peer == "rsyslog" else SyslogNg
        self.siem = made(self.folder, self.folder / "authority.pem", self.certificate, self.key)
        self.file = self.home / "casemate.toml"
        patch.setenv("CASEMATE_CONFIG", str(self.file))
        self.settings = self.set()
        self.stub, self.loop = KeyStub(), asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self.stub.start(self.settings.socket("keys")), self.loop).result(10)

    def set(self, **changed: str) -> Settings:
        given = {
            "target": f"localhost:{self.siem.port}",
            "tls_ca": str(self.folder / "authority.pem"),
            "tls_certificate": str(self.certificate),
            "tls_key": str(self.key),
            **changed,
        }
        self.file.write_text("[siem]\n" + "".join(f'{name} = "{value}"\n' for name, value in given.items() if value))
        return load(home=self.home)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.stub.stop(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
        shutil.rmtree(self.home)

    def state(self) -> dict[str, Any]:
        client = BlockingClient(self.settings.socket("auditor"))
        try:
            found: dict[str, Any] = client.call("state", {}, 10.0)["siem"]
            return found
        finally:
            client.close()

    def record(self, first: int, count: int) -> None:
        recorder = BlockingRecorder(self.settings)
        for n in range(first, first + count):
            recorder.record("cli:anna", "link.down", f'link:"q]{n}\\', why=f"é={n}|")
        recorder.close()

    def stored(self) -> list[str]:
        """Every entry's octets, in order."""
        found = commands.entries(self.settings, limit=500).result["entries"]
        return [canonical(row["entry"]).decode() for row in reversed(found)]

    def received(self) -> list[str]:
        """The octets of entries as the SIEM has them, each once; asserts that none came before one that it follows."""
        told: dict[int, str] = {}
        for line in self.siem.lines():
            found = re.fullmatch(
                r'<\d+>1 \S+ \S+ casemate auditor \S+ \[casemate@32473 index="(\d+)".*sequenceId="\d+"\] (\{.*\})', line
            )
            assert found, line
            index = int(found[1])
            assert index <= len(told), f"{index} came before {len(told)}"
            assert told.setdefault(index, found[2]) == found[2]
        return list(told.values())


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Bank]:
    made = Bank(monkeypatch, getattr(request, "param", "rsyslog"))
    yield made
    made.close()


def until(wanted: Callable[[], Any], patience_s: float = 20.0) -> Any:
    end = time.monotonic() + patience_s
    while not (found := wanted()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("bank", PEERS, indirect=True)
def test_the_siem_has_all_of_it_in_order_whatever_breaks(bank: Bank) -> None:
    """The SIEM is killed, is away while entries come, comes back; the box is killed as by a power cut, and starts again."""
    bank.siem.start()
    auditor = Running("audit", "auditor", bank.settings)
    try:
        bank.record(0, 50)
        until(lambda: bank.received() == bank.stored())
        bank.siem.stop(kill=True)
        bank.record(50, 50)
        state = until(lambda: (s := bank.state())["why"] and s)
        assert not state["connected"] and state["behind"] >= 50 and not state["late"]
        bank.siem.start()
        until(lambda: bank.received() == bank.stored())
        assert {"siem.connected", "siem.lost"} <= {
            row["entry"]["what"] for row in commands.entries(bank.settings, limit=500).result["entries"]
        }
        bank.record(100, 20)
        auditor.kill()
        auditor = Running("audit", "auditor", bank.settings)
        bank.record(120, 20)
        until(lambda: bank.received() == bank.stored())
        until(lambda: bank.state()["cursor"] > 100)  # on disk: acknowledged, and its connection lived on
        assert auditor.stop() == 0
        begun = len(bank.siem.lines())
        auditor = Running("audit", "auditor", bank.settings)
        until(lambda: bank.received() == bank.stored())
        assert len(bank.siem.lines()) - begun < 60  # from the cursor, not from the beginning
        parts = bank.siem.lines("parts")
        facility = "security" if isinstance(bank.siem, SyslogNg) else "audit"  # what each calls facility 13
        assert parts[1].startswith(facility + '.info casemate link.down [casemate@32473 index="1" who="cli:anna"'), (
            parts[1]
        )
    finally:
        auditor.stop()
        bank.siem.stop()


@pytest.mark.parametrize("bank", PEERS, indirect=True)
def test_cef_comes_whole(bank: Bank) -> None:
    bank.set(format="cef")
    bank.siem.start()
    auditor = Running("audit", "auditor", bank.settings)
    try:
        bank.record(0, 3)
        lines = until(lambda: len(found := [x for x in bank.siem.lines() if "|link.down|" in x]) >= 3 and found)
        assert re.search(
            r"auditor link\.down - CEF:0\|Casemate\|Casemate\|[^|]+\|link\.down\|[^|]+\|3\|externalId=1 rt=\d{13} ",
            lines[0],
        )
        assert r"cs1=link:\"q]0" not in lines[0] and 'cs1=link:"q]0\\\\ ' in lines[0]
    finally:
        auditor.stop()
        bank.siem.stop()


@pytest.mark.parametrize("whose", ["ours", "none", "theirs", "name"])
def test_bad_certificates_are_refused_and_said(bank: Bank, whose: str) -> None:
    """Nothing goes to a SIEM that cannot show who it is; one that refuses us is not taken for one that listens."""
    other = bank.home / "other"
    other.mkdir()
    certificate, key = self_signed(other)
    changed = {
        "ours": {"tls_certificate": str(certificate), "tls_key": str(key)},
        "none": {"tls_certificate": "", "tls_key": ""},
        "theirs": {"tls_ca": str(other / "authority.pem")},
        "name": {"tls_name": "siem.bank.example"},
    }[whose]
    bank.set(**changed)
    bank.siem.start()
    auditor = Running("audit", "auditor", bank.settings)
    try:
        bank.record(0, 3)
        state = until(lambda: (s := bank.state())["why"] and s)
        assert state["connected"] is False and state["cursor"] == 0
        assert re.search(
            "it refuses ours|closed by the SIEM|reset" if whose in ("ours", "none") else "its certificate is refused",
            state["why"],
        )
        assert "siem.lost" in {row["entry"]["what"] for row in commands.entries(bank.settings).result["entries"]}
        assert bank.siem.lines() == []
        assert "the log goes on" in auditor.log.read_text()
        print(state["why"])
    finally:
        auditor.stop()
        bank.siem.stop()

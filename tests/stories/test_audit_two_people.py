"""Where the settings want two people for an export of the log, one alone gets nowhere, and two get it once."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.audit import commands
from appliance.audit.verify import verify
from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.settings import Settings, load
from tests.support.process import Running


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    home = Path(tempfile.mkdtemp(prefix="casemate-"))
    (home / "casemate.toml").write_text("[audit]\nexport_approval = true\n")
    monkeypatch.setenv("CASEMATE_CONFIG", str(home / "casemate.toml"))
    yield load(home=home)
    shutil.rmtree(home)


class Office:
    """A keys process, and people who ask and decide."""

    def __init__(self, settings: Settings) -> None:
        self.client = BlockingClient(settings.socket("keys"))

    def asked(self, act: str, on: int = 0) -> int:
        said = {"act": act, "on": on, "reason": "case 7", "who": "console:ann"}
        return int(self.client.call("ask", said, 60.0)["request"])

    def approved(self, act: str, on: int = 0) -> int:
        number = self.asked(act, on)
        self.client.call("decide", {"request": number, "yes": True, "who": "console:bob"}, 60.0)
        return number


def test_a_weaker_settings_file_is_not_obeyed_before_two_people_agree(settings: Settings) -> None:
    """The SIEM is taken out of the file: the auditor goes on towards it, says so, and leaves it only after two have decided that very change."""
    file = settings.home / "casemate.toml"
    file.write_text('[siem]\ntarget = "127.0.0.1:9"\n[audit]\nexport_approval = true\n')
    keys, auditor = Running("keys", "keys", settings), Running("audit", "auditor", settings)
    office = Office(settings)

    def restarted() -> Running:
        assert auditor.stop() == 0
        return Running("audit", "auditor", settings)

    def state() -> dict[str, Any]:
        return dict(commands.status(settings).result)

    try:
        assert state()["siem"]["target"] == "127.0.0.1:9" and not state()["weaker"]
        _prompt(settings)
        file.write_text("[audit]\nexport_approval = true\n")
        auditor = restarted()
        assert state()["siem"]["target"] == "127.0.0.1:9", "it goes on"
        told = commands.weaker(settings, 0)
        assert (told.ok, [c["name"] for c in told.result["weaker"]]) == (False, ["siem.target"])
        assert "127.0.0.1:9 -> none" in told.lines[0]
        with pytest.raises(Error) as caught:
            commands.weaker(settings, office.asked("weaken-audit", told.result["number"]))
        assert caught.value.code == "forbidden", "one person alone"
        with pytest.raises(Error) as caught:
            commands.weaker(settings, office.approved("weaken-audit", told.result["number"] - 1))
        assert caught.value.code == "forbidden", "approved for another change"
        commands.weaker(settings, office.approved("weaken-audit", told.result["number"]))
        assert state()["siem"]["target"] == "127.0.0.1:9", "until the next start"
        auditor = restarted()
        assert not state()["siem"] and not state()["weaker"]
        acts = commands.entries(settings, what="audit.weakened").result["entries"]
        assert [e["entry"]["outcome"] for e in acts] == ["ok", "refused"], "once each"
        assert {e["entry"]["detail"]["changed"] for e in acts} == {"siem.target"}
    finally:
        office.client.close()
        auditor.stop()
        keys.stop()


def _prompt(settings: Settings) -> None:
    """How soon the keys process's own entries came and were signed: everything that was counted is told, whatever it took on this machine."""
    until = time.monotonic() + 60
    while not ((told := commands.status(settings)).result["sequencing"]["count"] and told.result["signing"]["count"]):
        assert time.monotonic() < until, told.lines
        time.sleep(0.05)
    for name in ("sequencing", "signing"):
        row = told.result[name]
        assert sum(row["counts"]) == row["count"] >= row["late"] and row["sum_ms"] >= row["max_ms"] >= 0
    assert "later than 1000 ms" in told.lines[1] and "from the log to a checkpoint" in told.lines[2]


def test_an_export_is_approved_by_another_and_made_once(settings: Settings, tmp_path: Path) -> None:
    keys, auditor = Running("keys", "keys", settings), Running("audit", "auditor", settings)
    office = Office(settings)
    client, asked = office.client, office.asked

    def refused(request: int, **how: str) -> str:
        with pytest.raises(Error) as caught:
            commands.export(settings, tmp_path / "out.tar", "archive", request, **how)
        assert caught.value.code == "forbidden"
        assert not (tmp_path / "out.tar").exists()
        return caught.value.message

    try:
        assert "needs the approval of another person" in refused(0)
        with pytest.raises(Error):
            commands.paper(settings, tmp_path / "out.pdf")
        number = asked("export-log")
        assert "is asked" in refused(number)
        with pytest.raises(Error):  # the one who asked
            client.call("decide", {"request": number, "yes": True, "who": "console:ann"}, 30.0)
        other = asked("rotate-root")
        client.call("decide", {"request": other, "yes": True, "who": "console:bob"}, 30.0)
        assert "is for something else" in refused(other)
        client.call("decide", {"request": number, "yes": True, "who": "console:bob"}, 30.0)
        with pytest.raises(Error):  # it is the auditor's to use
            client.call("do", {"request": number, "who": "console:ann"}, 30.0)
        commands.export(settings, tmp_path / "out.tar", "archive", number)
        shutil.move(tmp_path / "out.tar", tmp_path / "kept.tar")
        assert "is used" in refused(number)
        until = time.monotonic() + 60
        while not commands.entries(settings, what="approval.used").lines:  # from the outbox of the keys process
            assert time.monotonic() < until
            time.sleep(0.05)
        report = commands.report(settings, "pci-dss", "2020-01-01", "2100-01-01", tmp_path / "report.pdf")
        acts = [row["event"] for row in report.result["rows"] if row["requirement"] == "10.2.1.2"]
        assert {"approval.asked", "approval.decided", "approval.used"} <= set(acts)
        assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")
    finally:
        client.close()
        assert auditor.stop() == 0
        assert keys.stop() == 0
    assert verify(tmp_path / "kept.tar").ok

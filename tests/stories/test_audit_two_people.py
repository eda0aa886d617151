"""Where the settings want two people for an export of the log, one alone gets nowhere, and two get it once."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

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


def test_an_export_is_approved_by_another_and_made_once(settings: Settings, tmp_path: Path) -> None:
    keys, auditor = Running("keys", "keys", settings), Running("audit", "auditor", settings)
    client = BlockingClient(settings.socket("keys"))

    def asked(act: str, on: int = 0) -> int:
        said = {"act": act, "on": on, "reason": "case 7", "who": "console:ann"}
        return int(client.call("ask", said, 30.0)["request"])

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

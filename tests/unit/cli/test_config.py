"""`casemate config`: what differs, only what was approved, and nothing the second time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance.access import Access, digest_of, settings_due
from appliance.cli import config as command
from appliance.errors import Error
from appliance.settings import load

OLD = "[store]\nretention_days = 400\n"
NEW = '[store]\nretention_days = 90\n\n[[link]]\nname = "north"\nhost = "10.1.1.1"\nport = 2775\n'


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    config = tmp_path / "casemate.toml"
    config.write_text(OLD)
    config.chmod(0o600)
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CASEMATE_CONFIG", str(config))
    said: list[Any] = []
    monkeypatch.setattr(command.Desk, "record", lambda self, what, on, **detail: said.append((what, detail)))
    (tmp_path / "new.toml").write_text(NEW)
    return tmp_path


def run(*words: str) -> Any:
    result = CliRunner().invoke(command.config, words, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def test_what_differs_is_said_by_name(box: Path) -> None:
    result = run("diff", str(box / "new.toml"))
    assert result.return_value == 1 and "store.retention_days" in result.output and "link north.port" in result.output
    assert run("diff", str(box / "casemate.toml")).return_value == 0
    assert run("export").output == OLD


def test_only_what_was_approved_is_put_into_use_and_once(box: Path) -> None:
    with pytest.raises(Error, match="nobody has approved"):
        run("apply", str(box / "new.toml"))
    access = Access(load())
    run("keep")
    assert "already" in run("keep").output
    access.add_settings(NEW, "console:anna", "console:sonja", 1)
    assert "version 2" in run("apply").output
    assert (box / "casemate.toml").read_text() == NEW and (box / "casemate.toml").stat().st_mode & 0o777 == 0o600
    assert run("apply", str(box / "new.toml")).output == "nothing to change\n"
    found = access.settings_version(2)
    assert found.in_use_ms is not None
    (box / "old.toml").write_text(OLD)
    assert "version 1" in run("apply", str(box / "old.toml")).output, "an earlier one was approved too"


def test_a_file_with_a_mistake_changes_nothing(box: Path) -> None:
    (box / "bad.toml").write_text("[store]\nretention_dayz = 1\n")
    for words in (("diff",), ("apply",), ("ask", "--reason", "x", "--user", "anna")):
        with pytest.raises(Error):
            run(words[0], str(box / "bad.toml"), *words[1:])
    assert (box / "casemate.toml").read_text() == OLD


@pytest.fixture
def hand(box: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The audit log of the box: entries that say what was approved; what is recorded is put after them."""
    log: list[Any] = []
    monkeypatch.setattr(command, "_approved_on_record", lambda settings, digest: ("settings.approved", digest) in log)
    monkeypatch.setattr(
        "appliance.audit.BlockingRecorder.record",
        lambda self, who, what, on, outcome, **detail: log.append((who, what, detail)),
    )
    (box / "home" / "run").mkdir(parents=True)
    return log


def test_the_boxs_hand_puts_into_use_what_is_newest_and_approved_on_the_log(box: Path, hand: list[Any]) -> None:
    access, home = Access(load()), box / "home"
    assert run("apply", "--due").output == "nothing waits to be put into use\n"
    number = access.add_settings(NEW, "console:anna", "console:sonja", 1)
    due = settings_due.Due(number, "console:anna")
    for wrong, why in ((due._replace(version=7), "not the newest"), (due, "audit log does not have")):
        settings_due.ask(home, wrong)
        with pytest.raises(Error, match=why):
            run("apply", "--due")
        assert why in str(settings_due.told(home, wrong.version)) and hand == []
    assert (box / "casemate.toml").read_text() == OLD
    hand.append(("settings.approved", digest_of(NEW)))
    settings_due.ask(home, due)
    assert settings_due.told(home, number) is None, "what was said of another time is not said of this"
    assert run("apply", "--due").return_value == 0 and (box / "casemate.toml").read_text() == NEW
    assert settings_due.told(home, number) == "" and access.settings_version(number).in_use_ms is not None
    assert hand[1] == ("console:anna", "settings.applied", {"digest": digest_of(NEW), "version": number})
    assert not settings_due.withdraw(home), "it is taken once"


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"version": true, "who": "console:anna"}', '{"version": 1, "who": "cli:root"}', '{"version": 1, "who": "console:a b"}', '{"who": "console:anna"}', "x" * 9_000],
)  # fmt: skip
def test_what_is_no_request_is_thrown_away(tmp_path: Path, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "settings-due.json").write_text(content)
    assert settings_due.take(tmp_path) is None and list((tmp_path / "run").iterdir()) == []


def test_a_link_that_another_process_left_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "elsewhere").write_text('{"version": 1, "who": "console:anna", "problem": ""}')
    for name in ("settings-due.json", "settings-said.json"):
        (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    assert settings_due.told(tmp_path, 1) is None and settings_due.take(tmp_path) is None
    settings_due.tell(tmp_path, 2, "")
    assert '"version": 1' in (tmp_path / "elsewhere").read_text()

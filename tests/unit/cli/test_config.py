"""`casemate config`: what differs, only what was approved, and nothing the second time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance.access import Access
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

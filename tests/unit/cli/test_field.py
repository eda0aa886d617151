"""`casemate field`: started on further lines by what settings and firmware say, and there with the defaults when the settings cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.cli import field as command
from appliance.errors import Error


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CASEMATE_CONFIG", str(tmp_path / "casemate.toml"))
    return tmp_path / "casemate.toml"


def test_the_console_is_there_when_the_settings_cannot_be_read(config: Path) -> None:
    config.write_text("[field]\nspeling = 1\n")
    settings, fault = command._settings(strict=False)
    assert "speling" in fault and settings["field.idle_minutes"] == 10
    with pytest.raises(Error, match="speling"):
        command._settings(strict=True)
    config.write_text('[field]\nlines = ["nonsense"]\n')
    settings, fault = command._settings(strict=False)
    assert fault == "" and "ttyS0" in command._lines(settings), "a wrong line takes no other away"


def test_its_unit_is_started_on_each_further_line(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr("appliance.field.programs.ran", lambda *words: started.append(words) or [])
    monkeypatch.setattr("appliance.field.lines.found", lambda texts: {"ttyS0": 115_200, **dict.fromkeys(texts, 9_600)})
    config.write_text('[field]\nlines = ["ttyS2", "ttyS1"]\n')
    assert CliRunner().invoke(command.field, ["--lines"]).exit_code == 0
    assert started == [("line", "casemate-field@ttyS1.service"), ("line", "casemate-field@ttyS2.service")]

"""`casemate verification`: a prefix is blocked and opened, on the record first; mistakes told."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.program import main

people = importlib.import_module("appliance.cli.people")


def test_a_prefix_is_blocked_and_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    (tmp_path / "casemate.toml").write_text("")
    monkeypatch.setenv("CASEMATE_CONFIG", str(tmp_path / "casemate.toml"))
    log: list[tuple[str, str]] = []

    def record(self: Any, who: str, what: str, on: str, outcome: str = "ok", **detail: Any) -> None:
        log.append((what, on))

    monkeypatch.setattr(people.BlockingRecorder, "record", record)
    assert main(["verification", "block", "+3934712"]) != 0 and main(["verification", "open", "+39347"]) != 0
    assert log == []
    assert main(["verification", "block", "+39347", "--hours", "2"]) == 0
    capsys.readouterr()
    assert main(["verification", "blocks", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["prefix"], row["why"]) == ("+39347", "person")
    assert main(["verification", "open", "+39347"]) == 0
    assert log == [("verification.prefix_blocked", "prefix:+39347"), ("verification.prefix_opened", "prefix:+39347")]
    capsys.readouterr()
    for what in ("blocks", "prefixes", "purposes"):
        assert main(["verification", what, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == []
    assert main(["verification", "prefixes", "--by-operator", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []

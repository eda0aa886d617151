"""`casemate sender`: on the record first, mistakes told, evidence shown."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.program import main

people = importlib.import_module("appliance.cli.people")


@pytest.fixture(autouse=True)
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    (tmp_path / "casemate.toml").write_text(
        '[senders]\nmandatory = ["IT"]\n[[link]]\nname = "op"\nhost = "127.0.0.1"\n[[route]]\nlinks = ["op"]\n'
    )
    monkeypatch.setenv("CASEMATE_CONFIG", str(tmp_path / "casemate.toml"))
    log: list[tuple[str, str]] = []

    def record(self: Any, who: str, what: str, on: str, outcome: str = "ok", **detail: Any) -> None:
        log.append((what, on))

    monkeypatch.setattr(people.BlockingRecorder, "record", record)
    return log


def test_the_life_of_a_sender(recorded: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]) -> None:
    where, number = ["MYBANK", "--country", "IT"], ["MYBANK", "--to", "+393331234567"]
    assert main(["sender", "check", *number]) == 1
    assert main(["sender", "confirm", *where]) == 1 and recorded == []
    assert main(["sender", "add", *where]) == 0
    assert main(["sender", "add", *where]) == 2
    assert main(["sender", "confirm", *where]) == 2  # without evidence
    assert main(["sender", "confirm", *where, "--evidence", "mail", "--until", "2999-01-01"]) == 0
    assert main(["sender", "check", *number]) == 0
    assert main(["sender", "list"]) == 0 and main(["sender", "rules"]) == 0
    capsys.readouterr()
    assert main(["sender", "show", *where]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], [a["state"] for a in told["acts"]]) == ("confirmed", ["requested", "confirmed"])
    assert main(["sender", "expire", *where]) == 0 and main(["sender", "check", *number]) == 1
    assert recorded == [
        ("sender.requested", "sender:new"), ("sender.confirmed", "sender:1"), ("sender.expired", "sender:1"),
    ]  # fmt: skip


def test_a_campaigns_rate_is_shared_by_its_senders(capsys: pytest.CaptureFixture[str]) -> None:
    for sender in ("+12125550123", "+12125550124"):
        options = ["--campaign-id", "C1", "--per-minute", "240", "--evidence", "x"]
        assert main(["sender", "add", sender, "--country", "US"]) == 0
        assert main(["sender", "confirm", sender, "--country", "US", *options]) == 0
    capsys.readouterr()
    assert main(["sender", "campaigns", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"campaign": "C1", "senders": "+12125550123 +12125550124", "per_minute": 240, "brand": "C1", "per_day": None}
    ]


def test_templates_of_a_header_come_from_the_platforms_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "dlt.csv"
    file.write_text('Template ID,Text\n11,"Dear {#var#},\nwelcome"\n12,{#var#} is your code\n')
    where = ["MYBANK", "--country", "IN"]
    assert main(["sender", "add", *where, "--templates", str(file)]) == 0
    capsys.readouterr()
    assert main(["sender", "show", *where]) == 0
    assert json.loads(capsys.readouterr().out)["details"]["templates"] == {
        "11": "Dear {#var#},\nwelcome", "12": "{#var#} is your code",
    }  # fmt: skip
    for wrong in ("11\n", "11,a\n11,b\n", "11,{#var#}\n"):
        file.write_text(wrong)
        assert main(["sender", "confirm", *where, "--templates", str(file)]) != 0

"""The command line: its help is complete, mistakes are two lines and an exit code, never a traceback."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import click
import pytest

from appliance.cli import main
from appliance.cli.exits import EXITS
from appliance.cli.program import COMMANDS, program
from appliance.cli.settings import table
from appliance.cli.status import lines
from appliance.errors import CODES
from appliance.settings import SETTINGS, TABLES

messages = importlib.import_module("appliance.cli.messages")  # modules, not the commands of the same names
people = importlib.import_module("appliance.cli.people")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, (_, _, line) in COMMANDS.items():
        assert f"  {name} " in out
        assert line.split(";")[0] in " ".join(out.split()), "folded or not"


def walk(command: click.Command, path: list[str]) -> list[list[str]]:
    if not isinstance(command, click.Group):
        return [path]
    ctx = click.Context(command)
    return [path] + [
        leaf
        for name in command.list_commands(ctx)
        for leaf in walk(command.get_command(ctx, name), [*path, name])  # type: ignore[arg-type]
    ]


def test_every_command_has_help_and_every_option_too(capsys: pytest.CaptureFixture[str]) -> None:
    paths = walk(program, [])
    assert len(paths) > 20
    for path in paths:
        assert main([*path, "--help"]) == 0, path
        command: click.Command = program
        for name in path:
            command = command.get_command(click.Context(command), name)  # type: ignore[attr-defined]
        assert command.help, path
        assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == [], path
    capsys.readouterr()


def test_every_code_has_an_exit_code() -> None:
    assert set(EXITS) == set(CODES)
    assert set(EXITS.values()) == {1, 2}


def test_an_unknown_command_or_option_is_a_usage_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nonsense"]) == 2
    assert main(["status", "--nonsense"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_mistake_in_the_settings_is_one_line_with_code_and_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[api]\nlisen = 'x'\n", encoding="utf-8")
    assert main(["settings", "--check", str(file)]) == 2
    err = capsys.readouterr().err.splitlines()
    assert err[0].startswith("casemate: ")
    assert err[0].endswith("[settings_invalid]")
    assert "api.listen" in err[1]


def test_settings_print_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    names = {f"{row['section']}.{row['name']}" for row in rows}
    assert names == {"[{}].{}".format(*s.name.split(".")) for s in SETTINGS} | {
        f"[[{table}]].{s.name}" for table, inner in TABLES.items() for s in inner
    }
    assert main(["settings"]) == 0
    out = capsys.readouterr().out
    for found in table().values():
        for row in found:
            assert f"  {row.name} = " in out
            assert row.help in out


@pytest.mark.parametrize("words", [["audit", "entries"], ["audit", "export", "x"], ["apikey", "create", "bank"]])
def test_what_needs_a_running_appliance_says_so(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    err = capsys.readouterr().err
    assert "_unavailable]" in err
    assert "Traceback" not in err


def test_messages_without_a_key_says_where_to_get_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["messages"]) == 1
    assert "casemate apikey create" in capsys.readouterr().err


def test_status_of_nothing_is_told_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 1
    assert "nothing runs here: `casemate up` starts" in capsys.readouterr().out
    assert main(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["processes"] == []


def test_status_does_not_believe_what_a_killed_supervisor_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    row = {"name": "keys", "state": "ready", "pid": 7, "restarts": 0, "since_ms": 1, "why": ""}
    written = {"supervisor": 4_194_305, "processes": [row]}  # above the highest process id that Linux gives
    (tmp_path / "run" / "state.json").write_text(json.dumps(written))
    assert main(["status"]) == 1
    out = capsys.readouterr().out
    assert "ready" not in out and "nothing runs here" in out


def test_a_list_of_nothing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    assert main(["apikey", "list"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "none yet\n")


@pytest.mark.parametrize("words", [["a/b"], [""], ["bank", "--rate", "-1"], ["Taken"]])
def test_an_api_key_that_is_refused_is_not_on_record_as_made(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    recorded: list[str] = []
    monkeypatch.setattr(people.BlockingRecorder, "record", lambda self, who, what, *rest, **more: recorded.append(what))
    assert main(["apikey", "create", "taken"]) == 0
    assert main(["apikey", "create", *words]) == 2
    assert recorded == ["apikey.created"]
    assert "[invalid]" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["anna", "no good", "new"])
def test_a_user_that_is_refused_is_not_on_record_as_made(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    recorded: list[str] = []
    monkeypatch.setattr(people.BlockingRecorder, "record", lambda self, who, what, *rest, **more: recorded.append(what))
    (tmp_path / "good").write_text("correct horse battery staple\n")
    (tmp_path / "bad").write_text("x\n")
    assert main(["user", "create", "anna", "--password-file", str(tmp_path / "good")]) == 0
    file = "bad" if name == "new" else "good"
    assert main(["user", "create", name, "--password-file", str(tmp_path / file)]) == 2
    assert recorded == ["console.user_created"]


def test_numbers_are_shown_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"id": "i", "to": "+393331234567", "accepted_at": "t", "class": "otp", "status": "sent", "segments": 1}
    monkeypatch.setattr(messages, "get", lambda *_: {"messages": [dict(row)], "next": None})
    assert main(["messages", "list", "--json"]) == 0
    assert "+39" not in capsys.readouterr().out
    assert main(["messages", "list", "--json", "--content"]) == 0
    assert "+39" in capsys.readouterr().out


def test_an_empty_search_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(messages, "get", lambda *_: {"messages": [], "next": None})
    assert main(["messages"]) == 0
    assert capsys.readouterr().err == "no messages\n"


def test_one_of_a_thing_is_told_in_the_singular() -> None:
    process = {"name": "keys", "state": "ready", "pid": 7, "restarts": 1, "since_ms": 1_000, "why": ""}
    hsm = {"ready": True, "token": "t", "keys": 1}
    shown = "\n".join(lines({"home": "h", "processes": [process], "engine": {}, "hsm": hsm, "audit": {}}, 61_000))
    assert "1 restart\n" in shown and "1 data key\n" in shown


def test_status_shows_why_a_process_is_not_ready() -> None:
    process = {"name": "keys", "state": "unready", "pid": 7, "restarts": 2, "since_ms": 1_000, "why": "token is gone"}
    shown = lines({"home": "h", "processes": [process], "engine": {}, "hsm": {}, "audit": {}}, 61_000)
    (row,) = [line for line in shown if line.startswith("keys")]
    assert "1 min, 2 restarts  token is gone" in row


def test_status_says_how_the_siem_is() -> None:
    siem = {"target": "siem:6514", "connected": True, "connected_ms": 1_000, "behind": 0, "late": False, "why": ""}
    found = {"home": "h", "processes": [], "engine": {}, "hsm": {}, "audit": {"ready": True, "siem": siem}}
    assert "SIEM          connected to siem:6514 for 1 min, 0 entries behind" in lines(found, 61_000)
    lost = {**siem, "connected": False, "lost_since_ms": 1_000, "behind": 7, "late": True, "why": "connection refused"}
    shown = lines({**found, "audit": {"ready": True, "siem": lost}}, 61_000)
    assert "SIEM          siem:6514 NOT CONNECTED FOR 1 min: connection refused; 7 entries behind" in shown

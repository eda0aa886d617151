"""The command line: its help is complete, mistakes are two lines and an exit code, never a traceback."""

from __future__ import annotations

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


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name, (_, _, line) in COMMANDS.items():
        assert f"  {name} " in out
        assert line.split(";")[0] in out


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
    assert "engine" in capsys.readouterr().out
    assert main(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["processes"] == []


def test_status_shows_why_a_process_is_not_ready() -> None:
    process = {"name": "keys", "state": "unready", "pid": 7, "restarts": 2, "since_ms": 1_000, "why": "token is gone"}
    shown = lines({"home": "h", "processes": [process], "engine": {}, "hsm": {}, "audit": {}}, 61_000)
    (row,) = [line for line in shown if line.startswith("keys")]
    assert "1 min, 2 restarts  token is gone" in row

"""`casemate link` without an appliance: profiles are shown, files are checked, and nothing is asked of an engine that is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.cli.links import _pace
from appliance.settings import profile_names


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CASEMATE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_profile_is_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link", "profiles"]) == 0
    listed = capsys.readouterr().out
    for name in profile_names():
        assert f"{name} " in listed
        assert main(["link", "profile", name]) == 0
        shown = capsys.readouterr().out
        assert f"{name}: " in shown and "  from " in shown
    assert main(["link", "profiles", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == profile_names()


def test_a_profile_says_what_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link", "profile", "clicksend"]) == 0
    shown = capsys.readouterr().out
    assert "window = 10  (otherwise 100)" in shown and "data_coding_default = 0  (as without it)" in shown
    assert main(["link", "profile", "clicksend", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["link"]["window"] == 10


def test_a_profile_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link", "profile", "clikcsend"]) == 2
    assert "clicksend" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ('[profile]\nname = "x"\ntitle = "X"\nsource = ["S"]\n[link]\nwindow = 7\n', 0, "a profile named x"),
        ('[profile]\nname = "x"\ntitle = "X"\nsource = ["S"]\n[link]\nwindwo = 7\n', 2, "`window`"),
        ('[profile]\nname = "x"\ntitle = "X"\nsource = ["S"]\n[link]\nhost = "h"\n', 2, "belongs to the link"),
        ('[profile]\nname = "x"\ntitle = "X"\nsource = ["S"]\n[link]\ndata_coding_ucs2 = 0\n', 2, "tell them apart"),
        ('[profile]\nname = "x"\ntitle = "X"\nsource = ["S"]\n[link]\nid_pattern = "(a+)+"\n', 2, "id_pattern"),
        ('[[link]]\nname = "a"\nhost = "h"\n', 0, "1 links, 1 routes"),
        ('[[link]]\nname = "a"\nhost = "h"\nnumber_prefix = "00"\n', 0, "says it twice"),
        ('[[link]]\nname = "a"\nhost = "h"\nservice_type = "TOOLONG"\n', 2, "service_type"),
        ('[[link]]\nname = "a"\nhost = "h"\ndefault_sender = "B\\u4e2d"\nsender_charset = "gsm7"\n', 2, "link a"),
        ("[[link\n", 2, "cannot be read"),
    ],
)
def test_a_file_is_checked(text: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "given.toml"
    file.write_text(text, encoding="utf-8")
    assert main(["link", "check", str(file)]) == code
    out = capsys.readouterr()
    assert said in out.out + out.err and "Traceback" not in out.err


@pytest.mark.parametrize(
    "words",
    [["list"], ["show", "a"], ["drain", "a"], ["resume", "a"], ["test", "a"], ["trace", "a"], ["trace", "a", "--off"]],
)
def test_without_an_engine_it_says_so(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link", *words]) == 1
    assert "does not answer" in capsys.readouterr().err


def test_off_and_minutes_are_two_things(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link", "trace", "a", "--off", "--minutes", "3"]) == 2


def test_the_pace_that_is_left_shows() -> None:
    assert _pace({"pace": 0.0, "pace_now": 0.0}) == "no limit"
    assert _pace({"pace": 100.0, "pace_now": 100.0}) == "100/s"
    assert _pace({"pace": 100.0, "pace_now": 50.0}) == "50 of 100/s"
    assert _pace({"pace": 0.0, "pace_now": 50.0}) == "50/s for now"

"""`casemate template`: on the record first, mistakes told, and a try that sends nothing."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.program import main

people = importlib.import_module("appliance.cli.people")
TEXTS = """
locale = "en"
[texts]
en = "{n, plural, one {# payment} other {# payments}}"
it = "{n, plural, one {# pagamento} other {# pagamenti}}"
"""


@pytest.fixture(autouse=True)
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    log: list[tuple[str, str]] = []

    def record(self: Any, who: str, what: str, on: str, outcome: str = "ok", **detail: Any) -> None:
        log.append((what, on))

    monkeypatch.setattr(people.BlockingRecorder, "record", record)
    return log


def test_the_life_of_a_template(
    tmp_path: Path, recorded: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "paid.toml"
    file.write_text(TEXTS, encoding="utf-8")
    assert main(["template", "save", "paid", str(file), "--check"]) == 0 and recorded == []
    assert main(["template", "save", "paid", str(file)]) == 0
    assert recorded == [("template.saved", "template:paid")]
    assert main(["template", "list"]) == 0 and main(["template", "show", "paid"]) == 0
    assert main(["template", "show", "paid", "--json"]) == 0
    capsys.readouterr()
    assert main(["template", "try", "paid", "--params", '{"n": 2}']) == 0
    assert capsys.readouterr().out == "en: 2 payments  (GSM-7, 1)\nit: 2 pagamenti  (GSM-7, 1)\n"
    assert main(["template", "try", "new", "--file", str(file), "--locale", "it", "--params", '{"n": 1}']) == 0
    assert capsys.readouterr().out == "it: 1 pagamento  (GSM-7, 1)\n"
    assert main(["template", "remove", "paid"]) == 0
    assert main(["template", "remove", "paid"]) == 1
    assert recorded[1:] == [("template.removed", "template:paid")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("locale = ", "is no template file"),
        ('locale = "en"\n[texts]\nen = "{n"', "en: a comma or }"),
        ('locale = "en"\nwrong = 1\n[texts]\nen = "x"', "unknown field `wrong`"),
        ('locale = "en"', "missing required field `texts`"),
    ],
)
def test_files_that_are_wrong(
    tmp_path: Path, recorded: list[tuple[str, str]], capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    file = tmp_path / "x.toml"
    file.write_text(text, encoding="utf-8")
    assert main(["template", "save", "x", str(file)]) != 0
    assert said in capsys.readouterr().err and recorded == []


@pytest.mark.parametrize("params", ["{", "[]", '{"n": 1.5}', '{"m": 1}'])
def test_parameters_that_are_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], params: str) -> None:
    file = tmp_path / "paid.toml"
    file.write_text(TEXTS, encoding="utf-8")
    assert main(["template", "try", "paid", "--file", str(file), "--params", params]) != 0
    assert capsys.readouterr().err.startswith("casemate: ")

"""`casemate numbers`: progress, bad lines told without a number, on the record first, a way back."""

from __future__ import annotations

import importlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.program import main
from appliance.errors import Error

cli = importlib.import_module("appliance.cli.numbers")

TOML = """
[[link]]
name = "op"
host = "127.0.0.1"
[[operator]]
name = "tim"
prefixes = ["39335"]
codes = ["22201"]
[[route]]
links = ["op"]
"""


@pytest.fixture(autouse=True)
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    monkeypatch.setenv("CASEMATE_HOME", str(tmp_path))
    (tmp_path / "casemate.toml").write_text(TOML)
    monkeypatch.setenv("CASEMATE_CONFIG", str(tmp_path / "casemate.toml"))
    log: list[tuple[str, str, dict[str, Any]]] = []

    def record(self: Any, who: str, what: str, on: str, outcome: str = "ok", **detail: Any) -> None:
        if log and log[-1][0] == "down":
            raise Error("audit_unavailable", "the act was not recorded")
        log.append((what, on, detail))

    monkeypatch.setattr(cli.BlockingRecorder, "record", record)
    return log


def test_import_lookup_back(
    recorded: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    csv = tmp_path / "it.csv"
    csv.write_text("393331234567,22201\n393331234568,vf\n" * 2)
    assert main(["numbers", "import", str(csv), "--book", "IT"]) == 0
    said = capsys.readouterr()
    assert "book IT, version 1: 2 numbers in" in said.out and "2 named more than once" in said.out
    assert "reading 100%" in said.err and "merging 100%" in said.err and "no [[operator]] names vf: 2 rows" in said.err
    assert "the engine does not answer" in said.out
    what, on, detail = recorded[-1]
    assert (what, on, detail["rows"], len(detail["digest"])) == ("numbers.imported", "numbers:IT", 2, 64)
    monkeypatch.setattr("sys.stdin", io.StringIO("+39 333 1234567\n"))
    assert main(["numbers", "lookup", "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out)[0] | {"country": 0} == {
        "country": 0, "type": "mobile", "operator": "tim", "ported": True, "code": "22201", "rule": "ported to 22201 (book IT, version 1)",
    }  # fmt: skip
    assert "3331234567" not in out + str(recorded)
    csv.write_text("393331234567,vf\n")
    assert main(["numbers", "import", str(csv), "--book", "IT", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 1
    assert main(["numbers", "back"]) == 0 and "IT version 1 in use again" in capsys.readouterr().out
    assert main(["numbers", "status", "--json"]) == 0
    assert [(r["book"], r["version"], r["rows"]) for r in json.loads(capsys.readouterr().out)] == [("IT", 1, 2)]
    assert [row[0] for row in recorded] == ["numbers.imported", "number.looked_up", "numbers.imported", "numbers.back"]


def test_bad_lines_end_with_2_and_nothing_is_in_use_that_is_not_on_record(
    recorded: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv = tmp_path / "it.csv"
    csv.write_text("393331234567,tim\n39333bad,tim\n")
    assert main(["numbers", "import", str(csv)]) == 1
    assert "line 2: number_invalid" in capsys.readouterr().err and recorded == []
    assert main(["numbers", "import", str(csv), "--anyway"]) == 2
    assert "  line 2: number_invalid" in capsys.readouterr().err
    assert main(["numbers", "status"]) == 0
    (tmp_path / "numbers" / "active").unlink()
    recorded.append(("down", "", {}))
    assert main(["numbers", "import", str(csv), "--anyway"]) != 0
    assert not (tmp_path / "numbers" / "active").exists()
    assert main(["numbers", "import", str(csv), "--separator", "ab"]) == 2
    assert main(["numbers", "back"]) == 2


def test_a_damaged_book_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    csv = tmp_path / "it.csv"
    csv.write_text("393331234567,tim\n")
    assert main(["numbers", "import", str(csv)]) == 0
    (tmp_path / "numbers" / "national-000001.book").write_bytes(b"x")
    assert main(["numbers", "status"]) == 2 and "national-000001.book" in capsys.readouterr().err

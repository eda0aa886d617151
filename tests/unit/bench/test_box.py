"""How the bench finds its appliance, and what it calls its processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.bench.box import added, attached, read_env
from appliance.bench.load import Load
from appliance.bench.spending import name_of
from appliance.errors import Error


def test_processes_have_the_names_people_use() -> None:
    assert name_of(["python", "-m", "appliance.cli", "run", "engine"]) == "engine"
    assert name_of(["python", "-m", "appliance.cli", "run", "--config", "/x/run/demo.toml", "engine"]) == "engine"
    assert name_of(["casemate", "run", "gateway", "--index", "0"]) == "gateway"
    assert name_of(["casemate", "run", "door"]) == "door"
    assert name_of(["/usr/sbin/bearerbox", "kannel.conf"]) == "bearerbox"
    assert name_of(["casemate", "simulate", "operator", "--listen", "x"]) == "simulator"
    assert name_of(["casemate", "up", "--demo"]) == "supervisor"
    assert name_of(["python", "-m", "hsm.worker"]) == "hsm worker"
    assert name_of(["gunicorn: worker"]) == "console"
    assert name_of([]) == "other"


def test_a_file_in_shell_syntax(tmp_path: Path) -> None:
    path = tmp_path / "demo.env"
    path.write_text("# a demo\nexport CASEMATE_API='http://127.0.0.1:8080'\nCASEMATE_API_KEY=cm_1_x\n\n")
    assert read_env(path) == {"CASEMATE_API": "http://127.0.0.1:8080", "CASEMATE_API_KEY": "cm_1_x"}


def test_attaching_needs_an_address_and_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CASEMATE_API", "CASEMATE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Error, match="no running appliance"):
        attached(tmp_path)
    monkeypatch.setenv("CASEMATE_API", "http://127.0.0.1:1")
    monkeypatch.setenv("CASEMATE_API_KEY", "cm_1_x")
    box = attached(tmp_path)
    assert box.engine.path == tmp_path / "run" / "engine-0.sock"


def test_the_load_stays_on_loopback_clear_text() -> None:
    with pytest.raises(Error, match="invalid"):
        Load.batches("https://box.example", "k", [b"{}"], 1, 100)


def test_several_engines_are_one() -> None:
    one = {
        "queues": {"otp": 1},
        "links": [{"name": "a"}],
        "ready": True,
        "process": "engine-0",
        "stages": {"write_s": 0.5},
    }
    other = {
        "queues": {"otp": 2},
        "links": [{"name": "b"}],
        "ready": True,
        "process": "engine-1",
        "stages": {"write_s": 0.25},
    }
    assert added(one, other) == {
        "queues": {"otp": 3}, "links": [{"name": "a"}, {"name": "b"}], "ready": True, "process": "engine-0",
        "stages": {"write_s": 0.75},
    }  # fmt: skip

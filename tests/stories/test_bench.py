"""`casemate bench` for real, briefly: an appliance and an operator of its own, a report, a picture, a comparison; and what a kill leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from appliance.bench.outcome import read

pytestmark = pytest.mark.stories
ROOT = Path(__file__).resolve().parents[2]


def bench(home: Path, *words: str) -> str:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("CASEMATE_")}
    ended = subprocess.run(
        [sys.executable, "-m", "appliance.cli", "bench", *words],
        cwd=ROOT,
        env={**environ, "CASEMATE_HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_a_short_batch_is_reported_drawn_and_compared(tmp_path: Path) -> None:
    figures, picture = tmp_path / "a.json", tmp_path / "a.svg"
    page = bench(tmp_path / "home", "batch", "--seconds", "2", "--json", str(figures), "--svg", str(picture))
    assert "us a message" in page and "SQLite" in page
    report = read(figures.read_bytes())
    (outcome,) = report.outcomes
    assert outcome.of("receipt durable (a full life)") > 0 and outcome.left == 0
    assert {"engine", "gateway", "simulator", "door", "load (bench)"} <= set(outcome.cpu_us)
    assert report.hardware["cores"] >= 1 and report.hardware["fsync_us_median"] > 0
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    assert "full life" in bench(tmp_path / "home", "compare", str(figures), str(figures))
    assert not list((tmp_path / "home").glob("bench-*")), "the folder of a run is gone after it"


def test_two_hsms_are_measured(tmp_path: Path) -> None:
    told = json.loads(bench(tmp_path / "home", "keys", "--seconds", "0.5", "--two", "--json"))
    assert [row["what"] for row in told["rows"]] == ["unwrap", "mac", "wrap", "unwrap, the second alone"]
    assert all(row["per_s"] > 0 for row in told["rows"])
    assert told["wrong"] == 0


def test_a_killed_box_sends_all_that_was_queued(tmp_path: Path) -> None:
    figures = tmp_path / "a.json"
    bench(tmp_path / "home", "recover", "--count", "10000", "--json", str(figures))
    (outcome,) = read(figures.read_bytes()).outcomes
    assert outcome.faults == [] and outcome.of("queued when it was killed") == 10_000
    assert outcome.of("first submit after the start") > 0

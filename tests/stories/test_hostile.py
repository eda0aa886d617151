"""The whole appliance at full speed against an operator that throttles, drops, lies and sleeps: nothing is lost, nothing is unexplained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.stories, pytest.mark.long]
ROOT = Path(__file__).resolve().parents[2]


def test_half_a_minute_with_a_hostile_operator(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    environ = {k: v for k, v in os.environ.items() if not k.startswith("CASEMATE_")}
    ended = subprocess.run(
        [sys.executable, "-m", "appliance.cli", "bench", "hostile", "--seconds", "25", "--json", str(figures)],
        cwd=ROOT,
        env={**environ, "CASEMATE_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=270,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(figures.read_text(encoding="utf-8"))
    assert told["faults"] == []
    assert told["counts"]["delivered"] > 1_000
    # The operator was as hostile as it claims to be.
    for what in ("throttled", "refused", "nacked", "duplicates", "aliens", "garbage"):
        assert told["operator"][what] > 0, what
    assert told["operator"]["unbinds"] + told["operator"]["dropped"] > 0

"""The simulation in CI: every seed that ever showed a bug, 200 more, and proof that its checks see what they are for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .running import run_seed
from .sabotage import SABOTAGE

ROOT = Path(__file__).resolve().parents[2]
#: How many seeds that nobody has run; 0: the fixed ones, because what the chance would find is known (README).
FRESH = int(os.environ.get("CASEMATE_SIM_FRESH", "0"))
SEEDS_MAX = 60  # of which one must show a sabotage


def simulated(*words: str) -> str:
    """`python -m tests.sim`, in a process of its own: the order of sets is the same in each."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.sim", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_seeds_that_once_showed_a_bug_and_the_first_ones() -> None:
    assert " 0 with violations" in simulated("--named")


@pytest.mark.timeout(600)
def test_seeds_that_nobody_has_run_or_the_fixed_ones() -> None:
    """A failure prints the seed and how to repeat it."""
    chosen = ("--fresh", str(FRESH)) if FRESH else ("--seeds", "1..200")
    assert " 0 with violations" in simulated(*chosen)


def test_a_seed_does_the_same_every_time() -> None:
    assert simulated("--digest", "--seeds", "1..8") == simulated("--digest", "--seeds", "1..8")


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_bug_put_in_on_purpose_is_found(name: str) -> None:
    with SABOTAGE[name]():
        found = next((seed for seed in range(1, SEEDS_MAX) if run_seed(seed).violations), None)
    assert found is not None, f"{SEEDS_MAX} seeds, and nobody saw {name}"

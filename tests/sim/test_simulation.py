"""The simulation in CI: every seed that ever showed a bug, 200 that nobody has run, and proof that its checks see what they are for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .running import run_seed
from .sabotage import SABOTAGE
from .seeds import fresh

ROOT = Path(__file__).resolve().parents[2]
#: How many seeds that nobody has run; 0: seeds 1 to 200, to tell a bug that was just made from one that was just found.
FRESH = int(os.environ.get("CASEMATE_SIM_FRESH", "200"))
#: What must be among what happened in the named seeds, so that a kind of trouble that no longer occurs is noticed.
HAPPENS = (
    "cancel",
    "redact",
    "resend",
    "close",
    "drain",
    "STOP in force",
    "letter",
    "answer of the box",
    "doubt",
    "sent again",
    "told by text",
    "told by time of acceptance",
    "restart",
    "power cut",
    "clock set",
)
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
    """And what is to go wrong in them does: what people ask for is done, links lose answers, boxes die."""
    said = simulated("--named")
    assert " 0 with violations" in said
    happened = dict(each.rsplit(" ", 1) for each in said.rpartition("happened: ")[2].strip().split(", "))
    assert {name for name in HAPPENS if not int(happened.get(name, 0))} == set(), happened


@pytest.mark.timeout(600)
def test_seeds_that_nobody_has_run() -> None:
    """Which they are is printed first; a failure also prints the one that failed, and how to repeat it."""
    seeds = fresh(FRESH) if FRESH else range(1, 201)
    print(f"python -m tests.sim --seeds {seeds[0]}..{seeds[-1]}")
    said = simulated("--seeds", f"{seeds[0]}..{seeds[-1]}", "--jobs", "2")
    assert sum(int(n) for n in re.findall(r"^(\d+) seeds, 0 with violations, \d+\.\d s", said, re.M)) == len(seeds)


def test_a_seed_does_the_same_every_time() -> None:
    assert simulated("--digest", "--seeds", "1..8") == simulated("--digest", "--seeds", "1..8")


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_bug_put_in_on_purpose_is_found(name: str) -> None:
    """By the check that is for it: the others may be struck by what follows from it."""
    planted = SABOTAGE[name]
    seen: Counter[str] = Counter()
    with planted.begun():
        for seed in range(planted.seed, planted.seed + SEEDS_MAX):
            said = run_seed(seed).violations
            if any(re.search(planted.said, each) for each in said):
                return
            seen.update(re.sub(r"\d+", "N", each) for each in said[:1])
    raise AssertionError(f"{SEEDS_MAX} seeds, and nobody saw {name}; instead: {seen.most_common(3)}")

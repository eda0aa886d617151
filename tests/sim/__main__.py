"""Runs seeds: `python -m tests.sim --seed 17`, `--seeds 1..1000`, `--fresh 200`; what a seed does is the same every time."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise


def main() -> int:
    """0 when nothing was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed, with all that happened in it")
    parser.add_argument("--seeds", help="A..B, both included")
    parser.add_argument("--fresh", type=int, help="so many seeds that nobody has run before")
    parser.add_argument("--named", action="store_true", help="the seeds that once showed a bug, and the first ones")
    parser.add_argument("--digest", action="store_true", help="a line for each seed that is the same every time")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the seeds")
    parser.add_argument("--quiet", action="store_true", help="only what was violated, and the sum")
    given = parser.parse_args()
    from .running import run_seeds
    from .seeds import FIXED, NAMED, fresh

    seeds: Sequence[int]
    if given.named:
        seeds = [*NAMED, *FIXED]
    elif given.seed is not None:
        seeds = range(given.seed, given.seed + 1)
    elif given.seeds:
        first, _, last = given.seeds.partition("..")
        seeds = range(int(first), int(last or first) + 1)
    else:
        seeds = fresh(given.fresh or 200)
        print(f"fresh seeds {seeds[0]}..{seeds[-1]}", flush=True)
    if given.jobs > 1 and isinstance(seeds, range):
        return shared(seeds, given.jobs)
    return run_seeds(seeds, told=given.seed is not None and not given.quiet, digest=given.digest)


def shared(seeds: range, jobs: int) -> int:
    """A process for each part of the seeds; what they say comes one after the other. 1 if any of them found something."""
    cuts = [seeds.start + len(seeds) * n // jobs for n in range(jobs + 1)]
    parts = [f"{first}..{end - 1}" for first, end in pairwise(cuts) if end > first]
    command = [sys.executable, "-m", "tests.sim", "--seeds"]
    running = [subprocess.Popen([*command, part], stdout=subprocess.PIPE, text=True) for part in parts]
    for each in running:
        print(each.communicate()[0], end="", flush=True)
    return max(each.returncode for each in running)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of what happens
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]])
    sys.exit(main())

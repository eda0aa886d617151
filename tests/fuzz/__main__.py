"""`python -m tests.fuzz TARGET --runs N`: one target under atheris in a process of its own; prints count, coverage, time, memory.

Exits with 1 when an input broke something; that input, made small, is what to keep (see README.md).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from .corpus import VECTORS, seeds, write_vectors

PULSE = re.compile(r"#(\d+)\s+(\w+)\s+cov: (\d+) ft: (\d+) corp: (\d+)\S*.*?rss: (\d+)Mb")
HANG_S = 5
RSS_MIB_MAX = 1_024


def run(target: str, runs: int, folder: Path, seconds: int) -> int:
    """Runs the target and prints one line; 0 when nothing broke."""
    corpus, broken = folder / target, folder / "broken" / target
    for each in (corpus, broken):
        each.mkdir(parents=True, exist_ok=True)
    for n, octets in enumerate(seeds(target)):
        (corpus / f"seed-{n:05}").write_bytes(octets)
    words = [f"-runs={runs}", f"-artifact_prefix={broken}/", f"-timeout={HANG_S}", f"-rss_limit_mb={RSS_MIB_MAX}"]
    words += ["-max_len=600", "-print_final_stats=1", "-verbosity=1", f"-max_total_time={seconds}"]
    command = [sys.executable, "-m", "tests.fuzz.under_atheris", target, *words, str(corpus)]
    began = time.monotonic()
    pulses: list[re.Match[str]] = []
    tail: list[str] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as child:
        assert child.stderr is not None
        for line in child.stderr:
            tail = [*tail[-40:], line]
            if found := PULSE.match(line):
                pulses.append(found)
        code = child.wait()
    if code or not pulses:
        sys.stderr.write("".join(tail))
        print(f"{target}: BROKEN after {time.monotonic() - began:.0f} s, see {broken}")
        return 1
    settled = next((p for p in pulses if int(p[1]) * 10 >= int(pulses[-1][1])), pulses[0])
    first, last = settled, pulses[-1]
    took = time.monotonic() - began
    print(
        f"{target}: {int(last[1]):,} inputs in {took:.0f} s ({int(last[1]) / took:,.0f}/s), coverage {last[3]}, features {last[4]}, "
        f"corpus {last[5]}, RSS {first[6]} MiB after a tenth, {last[6]} MiB at the end",
        flush=True,
    )
    return 0


def main() -> int:
    from .targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("--runs", type=int, default=100_000, help="inputs [100000]")
    parser.add_argument("--seconds", type=int, default=3_600, help="at most so long each [3600]")
    parser.add_argument("--folder", type=Path, default=Path(os.environ.get("TMPDIR", "/tmp")) / "casemate-fuzz")
    parser.add_argument("--keep", action="store_true", help=f"write what runs kept to {VECTORS.name}/")
    given = parser.parse_args()
    targets = list(TARGETS) if given.target == "all" else [given.target]
    if given.keep:
        return max(write_vectors(target, given.folder) for target in targets)
    return max(run(target, given.runs, given.folder, given.seconds) for target in targets)


if __name__ == "__main__":
    sys.exit(main())

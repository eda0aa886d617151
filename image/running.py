"""How the build runs other programs: one visible step at a time, output to a log, the end of it shown when a step fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from image.recipe import Fault

TAIL_LINES = 25


class Steps:
    """Names each step as it starts and says how long it took; keeps the times for the report."""

    def __init__(self, log: Path, count: int) -> None:
        self.log = log
        self.count = count
        self.took: dict[str, float] = {}
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("", encoding="utf-8")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One line on the screen before, one after. A Fault passes through with the name of the step before it."""
        began = time.monotonic()
        number = len(self.took) + 1
        print(f"[{number:2}/{self.count}] {name} ...", flush=True)
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"\n=== {name}\n")
        try:
            yield
        except Fault as e:
            raise Fault(f"{name}: {e}", e.hint) from None
        self.took[name] = time.monotonic() - began
        print(f"[{number:2}/{self.count}] {name}: {self.took[name]:.0f} s", flush=True)

    def run(
        self,
        words: Sequence[str | Path],
        *,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        seen: Callable[[str], None] | None = None,
    ) -> None:
        """Runs a program to its end; its output goes to the log, each line also to `seen`. Raises Fault with the end of it."""
        command = [str(word) for word in words]
        tail: list[str] = []
        with self.log.open("a", encoding="utf-8", errors="replace") as log:
            log.write("$ " + " ".join(command) + "\n")
            with subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                errors="replace",
                env={**plain_environment(), **(env or {})},
                cwd=cwd,
            ) as child:
                assert child.stdout is not None
                for line in child.stdout:
                    log.write(line)
                    tail = [*tail[-TAIL_LINES:], line.rstrip()]
                    if seen is not None:
                        seen(line)
        if child.returncode:
            raise Fault(
                f"{command[0]} ended with {child.returncode}:\n" + "\n".join(tail), f"all of it is in {self.log}"
            )


def plain_environment() -> dict[str, str]:
    """What a step's program sees of ours: nothing that could change what it makes."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TERM", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "PATH": kept.get("PATH", "") + ":/usr/sbin:/sbin"}


def output_of(words: Sequence[str | Path]) -> str:
    """What a short program prints. Raises Fault when it fails or is not there."""
    command = [str(word) for word in words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=plain_environment(), check=False)
    except FileNotFoundError:
        raise Fault(f"{command[0]} is not installed", "`make image` installs what it needs; call it that way") from None
    if done.returncode:
        raise Fault(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def progress(done: int, of: int, what: str) -> None:
    """One line that is written over, on a terminal only."""
    if sys.stdout.isatty():
        print(f"\r      {what}: {done} of {of}\x1b[K", end="\n" if done == of else "", flush=True)

"""Builds the second verifier (tests/support/gonote) and a witness (tests/support/gowitness) with Debian's Go and its packaged golang.org/x/mod, once per test run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

SOURCES = Path("/usr/share/gocode")
HERE = Path(__file__).parent


def missing() -> str:
    """Why it cannot be built here; empty when it can."""
    if shutil.which("go") is None:
        return "no Go compiler (Debian: golang-go)"
    if not (SOURCES / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        return "no golang.org/x/mod (Debian: golang-golang-x-mod-dev)"
    return ""


def build(folder: Path, name: str = "gonote") -> Path:
    """The program `gonote` or `gowitness`, built in `folder` without a network."""
    program = folder / name
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "GOPATH": str(SOURCES),
        "GOCACHE": str(folder / "cache"),
        "CGO_ENABLED": "0",
    }
    command = ["go", "build", "-o", str(program), str(HERE / name / "main.go")]
    subprocess.run(command, env=environment, check=True, timeout=240)
    return program


def run(program: Path, folder: Path, vkey: str, *old: Path) -> tuple[int, str]:
    """Exit code and what it said."""
    command = [str(program), str(folder), vkey, *map(str, old)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def run_many(program: Path, cases: Iterable[tuple[Path | str, ...]]) -> list[str]:
    """What it said of each (folder or proof, vkey, older checkpoint ...), in one run."""
    asked = "".join(" ".join(map(str, case)) + "\n" for case in cases)
    done = subprocess.run([str(program), "-many"], input=asked, capture_output=True, text=True, timeout=540, check=True)
    return done.stdout.splitlines()

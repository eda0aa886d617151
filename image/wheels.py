"""The locked Python packages as wheels for the appliance's Python, and the appliance's own wheel; each checked against the lock's hashes."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from image.debian import sha256_of
from image.recipe import Fault, Recipe
from image.running import Steps

PYTHON = "3.13"  # Debian 13's
GLIBC_MINORS = range(17, 42)  # manylinux tags (PEP 600) that Debian 13's C library takes


def run_part(lock: Path) -> dict[str, set[str]]:
    """name==version -> the hashes allowed, of what runs on the appliance: the lock file's part `run`."""
    text = lock.read_text(encoding="utf-8")
    part = text.split("# --- run", 1)[-1].split("# --- test", 1)[0]
    out: dict[str, set[str]] = {}
    for entry in re.split(r"\n(?=\S)", part):
        if m := re.match(r"([A-Za-z0-9._-]+==\S+)", entry):
            out[m[1]] = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
    if not out:
        raise Fault(f"{lock.name} has no part `run`", "`make lock` writes it")
    return out


def fill(steps: Steps, lock: Path, folder: Path) -> list[Path]:
    """Sees to it that `folder` holds a wheel with an allowed hash for every locked package; reaches for the network only for missing ones."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = run_part(lock)
    allowed = set().union(*wanted.values())
    _drop_doubles(folder)
    if len(good(folder, allowed)) < _count(wanted):
        listed = folder.parent / "run.lock"
        head = lock.read_text(encoding="utf-8").split("# --- run", 1)[-1].split("# --- test", 1)[0]
        listed.write_text("# --- run" + head, encoding="utf-8")
        tags = [f"--platform=manylinux_2_{n}_x86_64" for n in GLIBC_MINORS] + [
            "--platform=manylinux2014_x86_64",
            "--platform=any",
        ]
        kinds = ["--implementation=cp", f"--python-version={PYTHON}", "--abi=cp313", "--abi=abi3", "--abi=none"]
        words = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "--no-deps",
        ]
        steps.run(
            [*words, "--only-binary=:all:", *kinds, *tags, "--requirement", listed, "--dest", folder],
            env=_pip_environment(),
        )
    found = good(folder, allowed)
    if len(found) < _count(wanted):
        raise Fault(
            f"{len(found)} wheels for {_count(wanted)} locked packages",
            "see the log; a package without a wheel for Debian 13 cannot be used",
        )
    return found


def _drop_doubles(folder: Path) -> None:
    """Two wheels of one package are both dropped: which of them pip takes must not depend on what was fetched when."""
    seen: dict[str, list[Path]] = {}
    for path in folder.glob("*.whl"):
        seen.setdefault(path.name.split("-")[0].lower(), []).append(path)
    for paths in seen.values():
        for path in paths if len(paths) > 1 else ():
            path.unlink()


def _count(wanted: dict[str, set[str]]) -> int:
    return len({name.split("==")[0] for name in wanted})


def good(folder: Path, allowed: set[str]) -> list[Path]:
    """The wheels of a folder that the lock names."""
    return [path for path in sorted(folder.glob("*.whl")) if sha256_of(path) in allowed]


def _pip_environment() -> dict[str, str]:
    """How this machine reaches its package index is in its pip settings; they count here and nowhere else."""
    import os

    return {name: value for name, value in os.environ.items() if name.startswith("PIP_")}


def own(steps: Steps, recipe: Recipe, checkout: Path, folder: Path) -> Path:
    """The appliance's wheel, built from the files that git knows, so that nothing lying about gets in."""
    source = folder.parent / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    source.mkdir(parents=True)
    archive = source.parent / "source.tar"
    kept = ["appliance", "firmware", "hsm", "pyproject.toml", "README.md", "LICENSE"]
    steps.run(["git", "-C", checkout, "-c", f"safe.directory={checkout}", "archive", "-o", archive, "HEAD", *kept])
    steps.run(["tar", "-xf", archive, "-C", source])
    words = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-build-isolation",
    ]
    steps.run(
        [*words, "--wheel-dir", folder, source], env={"SOURCE_DATE_EPOCH": str(recipe.epoch), **_pip_environment()}
    )
    made = sorted(folder.glob("casemate-*.whl"))
    if len(made) != 1:
        raise Fault("the appliance's own wheel was not built", "see the log")
    return made[0]

"""The PKCS#11 library that misbehaves on command, built once and copied for each who wants its own control file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from hsm import Place
from tests.support.tokens import ROOT, SOFTHSM

WHY_NOT = "needs SoftHSM and a C compiler"
POSSIBLE = bool(SOFTHSM) and shutil.which("cc") is not None


def built(folder: Path) -> Path:
    """The library over SoftHSM."""
    out, source = folder / "faulty.so", ROOT / "tests" / "support" / "faulty.c"
    warned = ("-Wall", "-Wextra", "-Werror")
    command = ["cc", *warned, "-shared", "-fPIC", f'-DREAL="{SOFTHSM}"', "-o", out, source, "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return out


class Library:
    """A copy of the library for one pool, with its own control file."""

    def __init__(self, built: Path, folder: Path, pin: Path) -> None:
        folder.mkdir(parents=True)
        self.path = folder / "faulty.so"
        shutil.copy(built, self.path)
        self.control = folder / "faulty.so.control"
        self.pin = folder / "pin"
        shutil.copy(pin, self.pin)

    def behave(self, *lines: str) -> None:
        beside = self.control.with_suffix(".new")
        beside.write_text("".join(f"{line}\n" for line in lines))
        beside.rename(self.control)

    def place(self, folder: Path, call_s_max: float, open_s_max: float, label: str = "casemate") -> Place:
        return Place(folder, str(self.path), label, str(self.pin), call_s_max, "", open_s_max)

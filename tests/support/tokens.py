"""The tokens that tests run on: SoftHSM and NSS softokn, each made ready in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hsm import Place
from hsm.seat import COMMAND
from hsm.softhsm import MODULES, SoftHsm, write_private

ROOT = Path(__file__).parents[2]
SOFTHSM = next((m for m in MODULES if Path(m).exists()), "")


def first_of(*names: str) -> str:
    """The first of these libraries that Debian has put somewhere; empty when none is installed."""
    folders = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64")
    return next((str(p) for folder in folders for name in names if (p := Path(folder, name)).exists()), "")


NSS = first_of("libsoftokn3.so", "nss/libsoftokn3.so")
MAKE = (
    "import sys; from pathlib import Path; from hsm.initialise import initialise_token; from hsm.token import load\n"
    "module, init_string, label, so_pin, pin = sys.argv[1:]\n"
    "initialise_token(load(module, init_string), label, so_pin.encode(), Path(pin).read_bytes())"
)


class Made(NamedTuple):
    """A token ready for use: where it is, and what a process that loads it needs in its environment."""

    place: Place
    environment: dict[str, str]
    command: tuple[str, ...] = COMMAND  # starts a worker
    enter: tuple[str, ...] = ()  # before any command that loads the library
    end: Callable[[], None] = lambda: None

    @property
    def settings(self) -> str:
        """The part of a settings file that names it."""
        place = self.place
        return (
            f'[hsm]\nmodule = "{place.module}"\ntoken_label = "{place.label}"\npin_file = "{place.pin_file}"\n'
            f'init_string = "{place.init_string}"\n'
        )


def make_softhsm(folder: Path, label: str = "casemate") -> Made:
    """SoftHSM as a module that is named, the way a bank's own HSM is."""
    soft = SoftHsm(folder)
    soft.prepare()
    return _made(Place(folder / "own", SOFTHSM, label, str(soft.pin)), soft.environment, soft.so_pin.read_text())


def make_nss(folder: Path, label: str = "casemate") -> Made:
    """NSS softokn with a database of its own; its security officer has an empty PIN until the user's is set."""
    (folder / "db").mkdir(parents=True)
    write_private(folder / "pin", b"correct horse battery")
    init = f"configdir='sql:{folder / 'db'}' certPrefix='' keyPrefix='' secmod='' dbTokenDescription='{label}'"
    return _made(Place(folder / "own", NSS, label, str(folder / "pin"), init_string=init), {}, "")


def _made(place: Place, environment: dict[str, str], so_pin: str) -> Made:
    command = [sys.executable, "-c", MAKE, place.module, place.init_string, place.label, so_pin, place.pin_file]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60, env={**os.environ, **environment})
    return Made(place, environment)


#: Name of the token -> how it is made, for those that are installed here.
TOKENS: dict[str, Callable[[Path], Made]] = {
    name: make for name, make, module in (("softhsm", make_softhsm, SOFTHSM), ("nss", make_nss, NSS)) if module
}

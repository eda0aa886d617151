"""The child process of the runner: instruments `appliance.smpp` and hands the target to libFuzzer, which never returns."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["appliance.smpp", "appliance.text"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


main()

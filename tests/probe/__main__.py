"""`python -m tests.probe --inputs 10000 --each 5`: payloads on the console's parameters; 0 for `--each`: every payload on every one. Exits with 1 for a wrong answer."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from .running import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.probe", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="probe") as folder:
        found = run(Path(folder), asked.inputs, asked.each, asked.seed)
    kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(found.kinds.items()))
    print(
        f"{asked.inputs} payloads, {found.places} parameters, {found.requests} requests ({kinds}): {len(found.wrong)} wrong"
    )
    for place, kind, text, what in found.wrong[:50]:
        print(f"  {place.method} {place.path} {place.where} {place.name}: {what} ({kind}) {text[:120]!r}")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

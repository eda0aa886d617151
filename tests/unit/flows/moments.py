"""Every moment of every test of every shipped workflow, with a crash in it: `python -m tests.unit.flows.moments`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .test_shipped import NAMES, crash_everywhere


def main() -> None:
    for name in sorted(NAMES):
        with tempfile.TemporaryDirectory() as folder:
            print(
                f"{name}: {crash_everywhere(name, Path(folder), 1, 1)} crashes, nothing sent twice, each ended as without"
            )


if __name__ == "__main__":
    main()

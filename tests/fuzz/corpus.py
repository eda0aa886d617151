"""Inputs kept: seeds made of the vectors, and the smallest inputs that reached everything, one in hexadecimal a line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from .reading import COMMANDS

VECTORS = Path(__file__).parents[1] / "vectors" / "smpp" / "fuzz"
KEPT_MAX = 400  # of one target
KEPT_OCTETS_MAX = 300


def kept(target: str) -> list[bytes]:
    """The inputs that are replayed by the unit tests."""
    path = VECTORS / f"{target}.hex"
    if not path.exists():
        return []
    return [bytes.fromhex(line) for line in path.read_text(encoding="ascii").split()]


def seeds(target: str) -> list[bytes]:
    """What a run begins with."""
    out = kept(target)
    if target in ("pdu", "framing"):
        for row in json.loads((VECTORS.parent / "pdus.json").read_text(encoding="utf-8")):
            frame = bytes.fromhex(row["octets"])
            command = int.from_bytes(frame[4:8], "big")
            out.append(bytes((COMMANDS.index(command), 0)) + frame[16:] if target == "pdu" else b"\3" + frame)
    if target == "receipt":
        out.append(
            b"\4\0\0\0\0id:0A1 sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:DELIVRD err:000 text:x"
        )
        out.append(b"\4\0\0\2\3A11")
    return out or [b"\x80"]


def write_vectors(target: str, folder: Path) -> int:
    """Merges the run's corpus to the smallest set that reaches the same, and writes it down."""
    smallest = folder / "smallest" / target
    smallest.mkdir(parents=True, exist_ok=True)
    for path in smallest.iterdir():
        path.unlink()
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.under_atheris",
        target,
        "-merge=1",
        str(smallest),
        str(folder / target),
    ]
    code = subprocess.run(command, capture_output=True).returncode
    found = sorted({path.read_bytes() for path in smallest.iterdir()} | set(kept(target)), key=lambda o: (len(o), o))
    lines = [octets.hex() for octets in found if 0 < len(octets) <= KEPT_OCTETS_MAX][:KEPT_MAX]
    VECTORS.mkdir(parents=True, exist_ok=True)
    (VECTORS / f"{target}.hex").write_text("\n".join(lines) + "\n", encoding="ascii")
    print(f"{target}: {len(lines)} of {len(found)} kept")
    return 1 if code else 0

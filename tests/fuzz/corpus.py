"""Inputs kept: seeds made of the vectors, and the smallest inputs that reached everything, one in hexadecimal a line."""

from __future__ import annotations

import json
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
    """Writes down what a run kept because it reached something new, the smallest first; how many were left out."""
    found = {path.read_bytes() for path in (folder / target).glob("*")} | set(kept(target))
    lines = [octets.hex() for octets in sorted(found, key=lambda o: (len(o), o)) if 0 < len(octets) <= KEPT_OCTETS_MAX]
    VECTORS.mkdir(parents=True, exist_ok=True)
    if lines:
        (VECTORS / f"{target}.hex").write_text("\n".join(lines[:KEPT_MAX]) + "\n", encoding="ascii")
    print(f"{target}: {len(lines[:KEPT_MAX])} of {len(found)} kept")
    return 0

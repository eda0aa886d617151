"""Looks into a bundle that came through the console: a child that can do nothing else parses it, its parent believes none of the child's words that are not
in the closed tables, writes them down for the page and records a refusal.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import firmware

from . import confining
from .desk import Updates, asked_of
from .machine import apart
from .offered import VERDICT, WAITING, Offers

INSPECT_S_MAX: Final = 1_800.0
VERDICT_OCTETS_MAX: Final = 16 * 1024
NOTES_CHARACTERS_MAX: Final = 4_000
#: What openssl(1), the interpreter and the C library are read from.
READ: Final = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/etc/ssl",
    "/etc/ld.so.cache",
    "/proc/self",
    "/dev/null",
    "/dev/urandom",
)
#: What the child may say -> how it looks. Everything else is dropped.
_SHAPES: Final = {
    "version": re.compile(r"[0-9A-Za-z.]{1,32}"),
    "bundle": re.compile(r"[0-9a-f]{64}"),
    "fingerprint": re.compile(r"[0-9a-f]{64}"),
    "needs": re.compile(r"[0-9.]{1,24}"),
    "floor": re.compile(r"[0-9.]{1,24}"),
}


def inspect(updates: Updates, who: str = "process:inspector") -> dict[str, Any]:
    """The verdict on what is offered, written down; empty when nothing waits. Raises Error `not_found`, `audit_unavailable`."""
    offers = Offers(updates)
    path = offers.path
    if path is None or not (offers.folder / WAITING).exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        said = apart(lambda: _looked(updates, path, Path(folder)), VERDICT_OCTETS_MAX, INSPECT_S_MAX)
    verdict = believed(said)
    if "refused" in verdict and verdict["refused"] in firmware.REFUSALS:
        updates.recorder.record(who, "firmware.refused", "bundle:offered", "refused", code=verdict["refused"])
    offers.write(VERDICT, verdict)
    (offers.folder / WAITING).unlink(missing_ok=True)
    return verdict


def _looked(updates: Updates, path: Path, folder: Path) -> bytes:
    """In the child: what it needs of the box is read first, then it is confined, then the bundle is opened."""
    authority, box, settings = updates.authority(), updates.box(), updates.settings
    officers = (
        firmware.Authority.at(Path(settings["firmware.officers"]))
        if settings["firmware.officers"]
        else firmware.Authority([])
    )
    certificate, key = settings["firmware.certificate"], settings["firmware.key"]
    recipient = firmware.Recipient(Path(certificate), key) if certificate and key else None
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    read = [*map(Path, READ), path.parent, *(Path(p) for p in (certificate, key) if p)]
    read += [Path(p).resolve() for p in (sys.prefix, sys.base_prefix, Path(__file__).parents[2])]
    held = confining.confine(read, [folder, Path("/dev/null")])
    try:
        with firmware.Bundle(path, recipient) as bundle:
            found = firmware.check(bundle, authority, box, approved=False)
            signed = [firmware.approval.read(octets, officers) for octets in firmware.approval.beside(path)]
            try:
                counted = firmware.trust.bank(signed, found.manifest, box)
            except firmware.Refused as e:
                if e.code != "bank_missing":
                    raise
                counted = []
            said = {**asked_of(found)._asdict(), "approvals": [a.signer.name for a in counted]}
            return json.dumps({**said, "confined": held}).encode()
    except firmware.Refused as e:
        return json.dumps({"refused": e.code, "why": e.why, "confined": held}).encode()


def believed(said: bytes) -> dict[str, Any]:
    """What of a child's words is in the shape that it has to have; a child that said nothing was ended, or ended itself. Pure."""
    try:
        found = json.loads(said)
    except ValueError:
        found = {}
    if not isinstance(found, dict):
        found = {}
    confined = str(found.get("confined", ""))[:20]
    if found.get("refused") in firmware.REFUSALS:
        return {"refused": found["refused"], "why": _plain(found.get("why"), 120), "confined": confined}
    shaped = {name: str(found.get(name, "")) for name in _SHAPES}
    if not all(shape.fullmatch(shaped[name]) for name, shape in _SHAPES.items()):
        return {"refused": "inspection", "why": "", "confined": confined}
    officers = found.get("approvals")
    return {
        **shaped,
        "signer": _plain(found.get("signer"), 200),
        "notes": _plain(found.get("notes"), NOTES_CHARACTERS_MAX),
        "approvals": [_plain(name, 100) for name in officers[:5]] if isinstance(officers, list) else [],
        "confined": confined,
    }


def _plain(text: Any, characters: int) -> str:
    return "".join(c for c in str(text or "")[:characters] if c.isprintable() or c == "\n")


def told(verdict: dict[str, Any]) -> str:
    """One line for the unit's journal."""
    if "refused" in verdict:
        return f"refused: {verdict['refused']} ({verdict['confined'] or 'not begun'})"
    return f"{verdict['version']} may be installed ({verdict['confined']})"

"""A ceremony's script as data: read from TOML, checked before anybody is called into the room. Pure but for reading the file."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.errors import Error

FOLDER: Final = Path(__file__).parent / "scripts"

ROLES: Final[dict[str, str]] = {
    "administrator": "works the box",
    "auditor": "compares, judges and approves",
    "witness": "watches, and says whether it was done as it was read out",
    "custodian": "holds a share",
    "old custodian": "holds a share of the set that is replaced",
}

#: Word -> which custodians are in the room.
CUSTODIANS: Final[dict[str, str]] = {
    "new": "all of a new set",
    "quorum": "as many of the set in use as are needed",
    "quorum-if-any": "the same, unless nobody holds shares",
    "quorum-and-new": "as many of the old set as are needed, and all of the new one",
    "given": "as many as are needed of the set that the backup is of",
}

ACTIONS: Final[dict[str, str]] = {
    "": "nothing but the confirmation",
    "show-box": "shows what the box says of itself",
    "initialise": "makes keys and shares",
    "hand-out": "shows a custodian's share, once",
    "enter": "takes a custodian's share",
    "prove": "opens the copies with the shares that were entered",
    "commit": "takes what was proven into use",
    "ask": "asks for an act that two people decide",
    "approve": "approves it",
    "do": "does it",
    "back-up": "does it, and writes the files",
    "restore": "brings a backup's keys into the HSM",
    "add-hsm": "does it with a second token",
}


class Step(NamedTuple):
    """One step. `each`: once for every custodian of the role in the room, or for as many as are needed (`quorum`)."""

    id: str
    role: str
    text: str
    confirm: str
    action: str
    act: str
    each: str


class Script(NamedTuple):
    """`digest` is the SHA-256 of the file: the auditor compares it. No two roles of `apart` may be one person's."""

    name: str
    title: str
    version: str
    purpose: str
    custodians: str
    apart: tuple[str, ...]
    steps: tuple[Step, ...]
    digest: str


def names() -> list[str]:
    """Every ceremony, in the order a box meets them."""
    order = ("initialise", "add-hsm", "rotate-root", "back-up", "restore", "replace-custodian")
    assert {p.stem for p in FOLDER.glob("*.toml")} == set(order)
    return list(order)


def load(name: str) -> Script:
    """The script called `name`. Raises Error `not_found`."""
    if name not in names():
        raise Error("not_found", f"there is no ceremony `{name}`", f"one of {', '.join(names())}")
    return parse((FOLDER / f"{name}.toml").read_bytes())


def parse(octets: bytes) -> Script:
    """A script as written. Raises Error `file_invalid` and says where."""
    try:
        said = tomllib.loads(octets.decode())
        steps = tuple(_step(each) for each in said["steps"])
        script = Script(
            said["name"],
            said["title"],
            said["version"],
            said["purpose"].strip(),
            said["custodians"],
            tuple(said["apart"]),
            steps,
            hashlib.sha256(octets).hexdigest(),
        )
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as e:
        raise Error("file_invalid", f"this is no script of a ceremony: {e}") from None
    for wrong in _wrong(script):
        raise Error("file_invalid", f"the script `{script.name}`: {wrong}")
    return script


def _step(said: dict[str, Any]) -> Step:
    each = said.get("each", "")
    word = "all" if each is True else each
    return Step(
        said["id"],
        said["role"],
        said["text"].strip(),
        said["confirm"],
        said.get("action", ""),
        said.get("act", ""),
        word,
    )


def _wrong(script: Script) -> list[str]:
    out = [f"unknown role {role}" for role in {*script.apart, *(s.role for s in script.steps)} - ROLES.keys()]
    if script.custodians not in CUSTODIANS:
        out.append(f"unknown custodians {script.custodians}")
    ids = [s.id for s in script.steps]
    if len(set(ids)) != len(ids) or not ids:
        out.append("steps need names of their own")
    for step in script.steps:
        if step.action not in ACTIONS:
            out.append(f"{step.id}: unknown action {step.action}")
        if step.each not in ("", "all", "quorum") or (step.each and "custodian" not in step.role):
            out.append(f"{step.id}: `each` is for custodians")
        if (step.action == "ask") != bool(step.act):
            out.append(f"{step.id}: `act` belongs to `ask`")
    if not any(s.role == "witness" for s in script.steps):
        out.append("nobody is a witness")
    return out

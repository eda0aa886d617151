"""An approved version of the settings that waits to be put into use by the box's own hand, where the console may not write: two small files in the state folder.

The console leaves which version and who asked; `casemate config apply --due`, which the box's unit runs as root, takes it away and leaves what became of
it. Trusted for nothing but a number: the hand reads the version itself, and what it does not find approved on the audit log stays where it is.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance import atomic

OCTETS_MAX: Final = 4_096
_WHO: Final = re.compile(r"(console|token):[\w.@-]{1,64}", re.ASCII)


class Due(NamedTuple):
    """A version by its number, and who asked for it as the audit log names them."""

    version: int
    who: str


def asked_file(home: Path) -> Path:
    return home / "run" / "settings-due.json"


def said_file(home: Path) -> Path:
    return home / "run" / "settings-said.json"


def ask(home: Path, due: Due) -> None:
    said_file(home).unlink(missing_ok=True)
    _write(asked_file(home), due._asdict())


def withdraw(home: Path) -> bool:
    """Whether nobody had taken it."""
    try:
        asked_file(home).unlink()
    except FileNotFoundError:
        return False
    return True


def take(home: Path) -> Due | None:
    """What waits; it waits no longer. None: nothing, or nothing that can be understood."""
    raw = _read(asked_file(home))
    asked_file(home).unlink(missing_ok=True)
    version, who = raw.get("version"), raw.get("who")
    if not isinstance(version, int) or isinstance(version, bool) or not isinstance(who, str) or not _WHO.fullmatch(who):
        return None
    return Due(version, who)


def tell(home: Path, version: int, problem: str) -> None:
    """What became of it. `problem` is empty when it is in use."""
    _write(said_file(home), {"version": version, "problem": problem})


def told(home: Path, version: int) -> str | None:
    """The problem of this version, empty for none; None: nothing was said yet."""
    raw = _read(said_file(home))
    return str(raw.get("problem", "")) if raw.get("version") == version else None


def _read(path: Path) -> dict[str, Any]:
    """Empty for what is not there, is no file of its own, or is no such document."""
    with suppress(OSError, ValueError):
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            found = json.loads(file.read(OCTETS_MAX))
        return found if isinstance(found, dict) else {}
    return {}


def _write(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all, and never through a link that another left there."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    atomic.write(path, json.dumps(content), 0o640)

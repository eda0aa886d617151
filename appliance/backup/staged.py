"""A restored state that waits beside the running one, and takes its place at the next start, before any process opens a store.

Unpacked and checked while the box runs (`stage`), marked as wanted (`mark`), swapped in by renames (`take`), which a power cut may interrupt anywhere: the next start goes on.
What it replaces is destroyed, its keys first: a copy that stayed would outlive every erasure.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from appliance.errors import Error

from .archive import KEYS, LEFT_OUT, STATE
from .restore import Restored, restore

FOLDER: Final = "restored"
READY: Final = "ready.json"  # written last: without it the folder is nothing
REPLACED: Final = "replaced"


#: Of the machine, not of the state: slots, floor and list of revoked keys stay as they are here.
NOT_TAKEN: Final = frozenset({"updates"})


class Taken(NamedTuple):
    """A restored state that took its place: who had it done, and from which archives: kind -> SHA-256."""

    who: str
    digests: dict[str, str]


def stage(home: Path, archives: list[Path], key: X25519PrivateKey, seen: Callable[[str], None]) -> list[Restored]:
    """Unpacks archives, one of each kind, into `restored` and checks them; what is not right is removed again. Raises Error."""
    place = home / FOLDER
    forget(home)
    place.mkdir(mode=0o770)
    out = []
    try:
        for path in archives:
            with path.open("rb") as file:
                out.append(restore(file, key, place, seen))
        if wrong := [line for one in out for line in one.wrong]:
            raise Error("file_invalid", f"the backup is not whole: {wrong[0]}", "take another copy of it")
        if sorted(one.kind for one in out) != sorted((STATE, KEYS)):
            raise Error("file_invalid", "that is not one archive of each kind", "state and keys of the same backup")
        for name in NOT_TAKEN:
            shutil.rmtree(place / name, ignore_errors=True)
        _owned(home, place)
    except BaseException:
        forget(home)
        raise
    return out


def mark(home: Path, who: str, digests: dict[str, str]) -> None:
    """From now on it takes its place at the next start."""
    fresh = home / FOLDER / f"{READY}.new"
    with fresh.open("w", encoding="ascii") as file:
        json.dump({"who": who, "digests": digests}, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(home / FOLDER / READY)


def waiting(home: Path) -> bool:
    return (home / FOLDER / READY).exists()


def forget(home: Path) -> None:
    """What was unpacked goes; what runs is untouched."""
    (home / FOLDER / READY).unlink(missing_ok=True)
    shutil.rmtree(home / FOLDER, ignore_errors=True)


def take(home: Path, destroy: Callable[[Path], object]) -> Taken | None:
    """Puts a waiting state in place; None when there is none. `destroy` makes the keys below a folder unreadable. For a start, before the processes."""
    place = home / FOLDER
    try:
        said = json.loads((place / READY).read_text(encoding="ascii"))
    except OSError:
        shutil.rmtree(place, ignore_errors=True)  # cut off before it was whole
        return None
    old = place / REPLACED
    old.mkdir(exist_ok=True)
    for path in sorted(place.iterdir()):
        if path.name in (READY, REPLACED) or path.name in LEFT_OUT:
            continue
        if (home / path.name).exists() and not (old / path.name).exists():
            (home / path.name).rename(old / path.name)
        path.rename(home / path.name)
    destroy(old)
    shutil.rmtree(old)
    (place / READY).unlink()
    shutil.rmtree(place, ignore_errors=True)
    return Taken(said["who"], said["digests"])


def _owned(home: Path, place: Path) -> None:
    """Each file as the one that it replaces, a new one as its folder: every process of the box reads what is its own and nothing else."""
    for folder, _, files in os.walk(place):
        at = Path(folder)
        for path in (at, *(at / name for name in files)):
            like, mode = _like(home, path.relative_to(place), path.is_dir())
            os.chown(path, like.st_uid, like.st_gid)
            path.chmod(mode)


def _like(home: Path, at: Path, folder: bool) -> tuple[os.stat_result, int]:
    there = home / at
    if there.exists() and there.is_dir() == folder:
        found = there.stat()
        return found, found.st_mode & 0o7777
    while not there.is_dir():
        there = there.parent
    found = there.stat()
    return found, (found.st_mode & 0o7777) if folder else 0o660

"""The stores as they were before a new release opened them, and which of them are put back when the box went back to the old one.

A new release may change a store's schema; the old one must be able to go on. Migrations only add (a test reads every one of them), so that
an older release reads what a newer one wrote. Should a store all the same not be readable, its copy from before is at hand: taken by SQLite's
backup while nothing else is open, at the first start of a new release.

What is put back by itself is only what can be without harm: books that people fill and that nothing irrevocable stands in.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from appliance import atomic
from appliance.errors import Error
from appliance.store import Connection, DatabaseError, open_store

#: Books whose copy is put back when a release that was left again changed their schema. The others never are: a message, a stop, a revoked key, a
#: destroyed key or an entry of the log that came since would be undone.
PUT_BACK: Final = frozenset({"templates.db", "senders.db"})
#: Never copied here: what a copy held would outlive the erasure of a person, of a class or of a day, and the wrapped keys the destruction of a
#: key. They have a way back of their own, encrypted and with a life of its own (`casemate backup`); and none of them is ever put back.
NOT_COPIED: Final = (
    "store/",
    "keys/",
    "courier/",
    "consent.db",
    "verify.db",
    "flows.db",
    "door.db",
    "door-parts.db",
    "erasure.db",
    "exemptions.db",
)
FOLDER: Final = "before"
DONE: Final = "complete.json"


def found(home: Path) -> list[Path]:
    """Every SQLite store of the state folder, but copies."""
    copies = home / "updates" / FOLDER
    return sorted(p for p in home.rglob("*.db") if p.is_file() and not p.is_symlink() and copies not in p.parents)


def snapshot(home: Path, version: str) -> list[str]:
    """Copies stores into `updates/before/VERSION`, but those of NOT_COPIED, whose schema alone is noted; the names of both.

    A snapshot that is there whole is left as it is.

    For a start of the box, before the processes: SQLite's backup is right beside a writer, too, but a later copy of another store
    would be of another moment.
    """
    place = home / "updates" / FOLDER / version
    if (place / DONE).exists():
        return []
    known = {}
    for path in found(home):
        name = path.relative_to(home).as_posix()
        if name.startswith(NOT_COPIED):
            known[name] = _noted(path)
            continue
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o770)
        known[name] = copied(path, target)
    place.mkdir(parents=True, exist_ok=True)
    atomic.write(place / DONE, json.dumps(known, indent=1))
    return sorted(known)


def copied(path: Path, target: Path) -> list[str]:
    """The names of its migrations. Raises Error `store_damaged` or `store_full`."""
    target.unlink(missing_ok=True)
    source = open_store(path, read_only=True)
    copy = open_store(target)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        if copy.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise Error("store_damaged", f"{path.name} is damaged: no copy is made of it", "restore it from a backup")
        return migrations_of(copy)
    except DatabaseError as e:
        raise Error("store_full", f"{path.name} cannot be copied: {e}", "free space on the disk") from None
    finally:
        copy.close()
        source.close()


def _noted(path: Path) -> list[str]:
    """The names of a store's migrations, without a copy of it."""
    conn = open_store(path, read_only=True)
    try:
        return migrations_of(conn)
    finally:
        conn.close()


def migrations_of(conn: Connection) -> list[str]:
    """What was applied to a store, as sqlite-utils notes it."""
    if not conn.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone():
        return []
    return sorted(f"{a}/{b}" for a, b in conn.execute("SELECT migration_set, name FROM _sqlite_migrations"))


def changed(home: Path, version: str) -> dict[str, list[str]]:
    """Stores whose schema is newer than in the snapshot of `version` -> the migrations that came. Empty without a snapshot."""
    place = home / "updates" / FOLDER / version
    try:
        before: dict[str, list[str]] = json.loads((place / DONE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    out = {}
    for path in found(home):
        name = path.relative_to(home).as_posix()
        if name in before:
            conn = open_store(path, read_only=True)
            try:
                newer = sorted(set(migrations_of(conn)) - set(before[name]))
            finally:
                conn.close()
            if newer:
                out[name] = newer
    return out


def put_back(home: Path, version: str, left: str) -> tuple[list[str], list[str]]:
    """(stores put back from the snapshot of `version`, stores that were changed and stay). `left` is the release that was left.

    The newer file is kept beside, as NAME.LEFT: nothing is lost, a person may take rows from it.
    """
    done, stay = [], []
    for name in sorted(changed(home, version)):
        if name not in PUT_BACK:
            stay.append(name)
            continue
        path = home / name
        copy = home / "updates" / FOLDER / version / name
        for suffix in ("-wal", "-shm"):
            newer = path.with_name(path.name + suffix)
            if newer.exists():
                newer.replace(path.with_name(f"{path.name}.{left}{suffix}"))
        aside = path.with_name(f"{path.name}.{left}")
        aside.unlink(missing_ok=True)
        os.link(path, aside)
        atomic.write(path, copy.read_bytes(), like_before=True)
        done.append(name)
    return done, stay

"""Opens SQLite files the one way this house does: a build without the WAL-reset bug, WAL, synchronous=FULL, checked by reading back.

The build is the one inside the `sqlcipher3` wheel, used without a file key: it is newer than Debian's, and `sqlite-utils`
works over it. Debian 12 and 13 ship versions in which two connections can lose committed pages (sqlite.org/wal.html).
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from stat import S_ISGID
from typing import Any, Final

from sqlcipher3 import dbapi2 as sqlite3

from appliance.errors import Error
from appliance.limits import SQLITE_MIN

Connection = Any  # sqlcipher3 ships no types
SQLITE_VERSION: Final[str] = sqlite3.sqlite_version  # of the build that is used
DatabaseError = sqlite3.DatabaseError
OperationalError = sqlite3.OperationalError

#: Primary result codes (sqlite.org/rescode.html) that say that a disk does not take more, not that a file is damaged.
NO_ROOM = frozenset((sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN))
DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
BUSY_MS = 5_000
WAL_PAUSE_MS = 10
WAL_PAGES = 4_000  # 16 MiB of log between two checkpoints


def check_version(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Raises Error `sqlite_too_old` for a build with the WAL-reset bug."""
    if version < SQLITE_MIN:
        text = ".".join(map(str, version))
        raise Error("sqlite_too_old", f"SQLite {text} has the WAL-reset bug", "install the locked requirements again")


def connect(path: Path, read_only: bool) -> Connection:
    """The bare connection to a file that is there. A simulated disk stands here (`tests/sim`); nothing else does."""
    return sqlite3.connect(
        f"file:{path}?mode={'ro' if read_only else 'rw'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_MS / 1000,
    )


def open_store(path: Path, read_only: bool = False) -> Connection:
    """A connection in autocommit mode (transactions are explicit), usable from any one thread at a time.

    Raises Error `store_damaged` when the file is not a database, `store_full` when it cannot be written,
    `not_found` when `read_only` and it is not there.
    """
    check_version()
    if read_only and not path.exists():
        raise Error("not_found", f"{path.name} is not there")
    try:
        if not read_only:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o770)  # the umask says whether a group shares it
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o660 if path.parent.stat().st_mode & S_ISGID else 0o600))
        conn = connect(path, read_only)
        conn.execute("PRAGMA foreign_keys=ON")
        conn.execute("PRAGMA mmap_size=0")
        if read_only:
            conn.execute("PRAGMA query_only=ON")
            conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return conn
        mode = _to_wal(conn)
        conn.execute("PRAGMA synchronous=FULL")
        conn.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        if mode != "wal" or conn.execute("PRAGMA synchronous").fetchone()[0] != 2:
            raise Error(
                "store_damaged", f"{path.name} does not take WAL with synchronous=FULL", "put it on a local disk"
            )
        return conn
    except sqlite3.OperationalError as e:
        raise Error(
            "store_full", f"{path.name} cannot be opened for writing: {e}", "check free space and owner"
        ) from None
    except OSError as e:
        raise Error(
            "store_full", f"{path.name} cannot be created: {e.strerror}", "check free space and owner"
        ) from None
    except sqlite3.DatabaseError as e:
        raise Error("store_damaged", f"{path.name} is damaged: {e}", "restore it from a backup") from None


def _to_wal(conn: Connection) -> str:
    """The mode it is in then. For this step alone SQLite does not wait for others who open or close the file in the same moment."""
    pause = threading.Event()
    for _ in range(BUSY_MS // WAL_PAUSE_MS):
        try:
            return str(conn.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as e:
            if getattr(e, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            pause.wait(WAL_PAUSE_MS / 1000)
    return str(conn.execute("PRAGMA journal_mode=WAL").fetchone()[0])


def settle(conn: Connection) -> None:
    """Writes what an earlier process left in the log into the file itself, and syncs it; only for a store with one writer.

    The last sync of that process may have failed. Linux then takes the pages for clean: they are read from its cache, and no
    later sync writes them (danluu.com/fsyncgate). What is told from here on must be on the disk. Raises Error `store_full`.
    """
    try:
        conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.DatabaseError as e:
        if is_damage(e):
            raise Error("store_damaged", f"a store is damaged: {e}", "restore it from a backup") from None
        raise Error("store_full", f"a store cannot be written: {e}", "free space on the disk") from None


def is_damage(e: BaseException) -> bool:
    """Whether an error of a store says that its file is damaged: waiting does not mend that."""
    return getattr(e, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def snapshot(path: Path, into: Path) -> None:
    """A consistent copy of a store while others write it (SQLite's backup interface): one moment of it, in one file without a log.

    Raises Error `store_damaged` or `store_full`.
    """
    check_version()
    source = open_store(path, read_only=True)
    try:
        copy = sqlite3.connect(str(into), isolation_level=None)
        try:
            source.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode=DELETE")
        finally:
            copy.close()
    except sqlite3.DatabaseError as e:
        if is_damage(e):
            raise Error("store_damaged", f"{path.name} is damaged: {e}", "restore it from a backup") from None
        raise Error("store_full", f"{path.name} cannot be copied: {e}", "free space on the disk") from None
    finally:
        source.close()


def sound(path: Path) -> str:
    """What SQLite finds wrong with a file; empty when it is sound."""
    check_version()
    try:
        conn = open_store(path, read_only=True)
    except Error as e:
        return e.message
    try:
        said = [str(row[0]) for row in conn.execute("PRAGMA integrity_check(3)")]
    except sqlite3.DatabaseError as e:
        return str(e)
    finally:
        conn.close()
    return "" if said == ["ok"] else "; ".join(said)

"""A disk in memory under the real SQLite: what was not synced may be lost, torn or written in any order when power fails.

An SQLite VFS (sqlite.org/vfs.html) through apsw. The disk keeps its promises and no others: after a sync what was written
before is there; a write that was not synced is there in any subset of its sectors; octets beside a write are never harmed
(`powersafe overwrite`, as SQLite assumes on Linux). A sync that fails leaves pages clean that are not on the disk, as Linux
does. Files' names are real empty files in a folder of the run, so that what looks for files finds them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import apsw

from .loop import CURRENT

SECTOR: Final = 512
POWERSAFE: Final = apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE


class Kept:
    """One file: `seen` is what reads return, `solid` what survives a power cut whatever happens."""

    __slots__ = ("doubtful", "seen", "solid", "synced")

    def __init__(self) -> None:
        self.seen = bytearray()
        self.solid = bytearray()
        self.doubtful: list[tuple[int, bytes]] = []  # (offset, octets); offset -1 - n: cut to n octets
        self.synced = False

    def write(self, offset: int, data: bytes) -> None:
        _put(self.seen, offset, data)
        self.doubtful.append((offset, data))

    def truncate(self, size: int) -> None:
        del self.seen[size:]
        self.doubtful.append((-1 - size, b""))

    def sync(self) -> None:
        for offset, data in self.doubtful:
            _apply(self.solid, offset, data)
        self.doubtful.clear()
        self.synced = True

    def crash(self, chance: Random, mode: str) -> None:
        """Power is cut: of what was not synced, some is there."""
        kept = bytearray(self.solid)
        last = chance.randrange(len(self.doubtful) + 1) if self.doubtful else 0
        for n, (offset, data) in enumerate(self.doubtful):
            if mode == "nothing" or (mode == "prefix" and n > last):
                continue
            if mode == "torn" or (mode == "prefix" and n == last):
                if offset < 0:
                    if chance.random() < 0.5:
                        _apply(kept, offset, data)
                    continue
                end = offset + len(data)
                at = offset
                while at < end:  # sectors, as the disk counts them
                    upto = min(end, (at // SECTOR + 1) * SECTOR)
                    if chance.random() < 0.5:
                        _put(kept, at, data[at - offset : upto - offset])
                    at = upto
                continue
            _apply(kept, offset, data)
        self.solid = kept
        self.seen = bytearray(kept)
        self.doubtful.clear()


def _put(octets: bytearray, offset: int, data: bytes) -> None:
    if offset > len(octets):
        octets.extend(bytes(offset - len(octets)))
    octets[offset : offset + len(data)] = data


def _apply(octets: bytearray, offset: int, data: bytes) -> None:
    if offset < 0:
        size = -1 - offset
        if size <= len(octets):
            del octets[size:]
        else:
            octets.extend(bytes(size - len(octets)))
    else:
        _put(octets, offset, data)


class Disk(apsw.VFS):
    """All files of a run. `step` is told of each write and sync; `full` and `sync_fails` are what the disk says for a while."""

    def __init__(self, name: str, chance: Random) -> None:
        self.name = name
        self.chance = chance
        self.files: dict[str, Kept] = {}
        self.writes = self.syncs = 0
        self.unsure: dict[
            str, float
        ] = {}  # logs whose last sync failed: what they hold may be there after a power cut, or not
        self.now_s: Callable[[], float] = lambda: 0.0
        self.full = False
        self.sync_fails = False
        self.burying = False  # connections of dead processes are closed, which the dead themselves never do
        #: Called before each write ("write") and after each sync ("sync"): where a crash strikes.
        self.step: Callable[[str], None] = lambda what: None
        #: Sabotage, to see that the checks see it: syncs that do nothing.
        self.lies = False
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        path = name.filename() if isinstance(name, apsw.URIFilename) else (name or f"temporary-{len(self.files)}")
        flags[1] = flags[0]
        return Handle(self, path, self.files.setdefault(path, Kept()), flags[0])

    def xDelete(self, name: str, sync: bool) -> None:
        if self.burying:  # SQLite deletes the log with the last connection: the next process reads it by now
            raise _io(apsw.SQLITE_IOERR_DELETE)
        self.files.pop(name, None)

    def xAccess(self, name: str, flags: int) -> bool:
        return name in self.files and bool(self.files[name].seen)

    def xFullPathname(self, name: str) -> str:
        return name

    def files_of(self, path: Path) -> list[str]:
        return [each for each in (str(path), f"{path}-wal", f"{path}-shm") if each in self.files]

    def remove_gone(self) -> None:
        """Files whose names were taken away by hand (a day erased) are gone here too."""
        for path in list(self.files):
            if path.endswith(".db") and not Path(path).exists():
                for each in self.files_of(Path(path)):
                    del self.files[each]

    def power_cut(self) -> None:
        """Everything that was not synced is in doubt. Who had files open is dead by now."""
        self.remove_gone()
        mode = self.chance.choice(("nothing", "prefix", "torn", "torn", "all"))
        for path, kept in self.files.items():
            kept.crash(self.chance, mode)
            unheard = path.endswith(".db") and not kept.solid and not self.files.get(f"{path}-wal", kept).synced
            if unheard and self.chance.random() < 0.5:
                Path(path).unlink(missing_ok=True)  # nor was its name in the folder synced


class Handle:
    """An open file."""

    def __init__(self, disk: Disk, path: str, kept: Kept, flags: int) -> None:
        self._disk = disk
        self._kept = kept
        self._path = path
        self._owner = CURRENT.get()

    def _alive(self) -> None:
        if self._owner.dead:  # what it wrote is with the kernel, what it would write now is not
            raise _io(apsw.SQLITE_IOERR)

    def _benign(self, error: Any, nothing_new: bool) -> Any:
        """Marks what goes wrong in a checkpoint that follows a commit: SQLite says nothing of it, the commit stands."""
        error.benign = nothing_new or self._path.endswith(".db")
        return error

    def xRead(self, amount: int, offset: int) -> bytes:
        self._alive()
        return bytes(self._kept.seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self._alive()
        disk = self._disk
        disk.step("write")
        self._alive()
        if disk.full and offset + len(data) > len(self._kept.seen):
            full = apsw.FullError("database or disk is full")
            full.extendedresult = apsw.SQLITE_FULL
            raise self._benign(full, False)
        disk.writes += 1
        self._kept.write(offset, bytes(data))

    def xTruncate(self, size: int) -> None:
        self._alive()
        self._kept.truncate(size)

    def xSync(self, flags: int) -> None:
        self._alive()
        disk = self._disk
        disk.step("sync")
        self._alive()
        if disk.sync_fails:
            nothing_new = not self._kept.doubtful
            for offset, data in self._kept.doubtful:  # some are on the disk; none will be tried again
                if disk.chance.random() < 0.5:
                    _apply(self._kept.solid, offset, data)
            self._kept.doubtful.clear()
            if not nothing_new:
                disk.unsure.setdefault(self._path, disk.now_s())
            raise self._benign(_io(apsw.SQLITE_IOERR_FSYNC), nothing_new)
        disk.syncs += 1
        disk.unsure.pop(self._path, None)
        if not disk.lies:
            self._kept.sync()
        disk.step("synced")

    def xFileSize(self) -> int:
        self._alive()
        return len(self._kept.seen)

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xSectorSize(self) -> int:
        return 4096

    def xDeviceCharacteristics(self) -> int:
        return POWERSAFE

    def xFileControl(self, op: int, pointer: int) -> bool:
        return False

    def xClose(self) -> None:
        pass


def _io(code: int) -> apsw.IOError:
    error = apsw.IOError("disk I/O error")
    error.extendedresult = code
    return error

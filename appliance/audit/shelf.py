"""The published log on disk: tiles, checkpoint and verifier key as files, each written whole or not at all.

Trust: none. Everything here can be made again from the audit store, and everything but the checkpoint's signature is
checked against that signature. Who can change these files can make the log unreadable, never make it say something else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NoReturn

from appliance.errors import Error

from .pruning import MINIMUM
from .tree import ENTRIES, HASH, WIDTH, Tile, bundle

CHECKPOINT: Final = "checkpoint"
VERIFIER: Final = "verifier.vkey"
DRAFTS_MAX: Final = 512  # tiles that wait to be made durable together
SYNCS: Final = 8  # fsync calls at once: ten times as fast as one after the other, because the journal is written once


class Shelf:
    """The files under `folder`. For one thread: whoever settles drafts settles all that were begun here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._drafts: dict[Path, Path] = {}  # written beside their places, not yet durable
        self._replaced: list[Path] = []  # partial tiles that full ones among them take the place of
        self._unsynced: set[Path] = set()

    def read(self, tile: Tile) -> bytes:
        """The hashes of a tile; when its partial file is gone, the beginning of the full one (tlog-tiles, partial tiles).

        Raises Error `audit_invalid` when it is not there or has another length.
        """
        for path in (tile.path(), tile._replace(width=WIDTH).path()):
            with contextlib.suppress(FileNotFoundError):
                data = (self.folder / path).read_bytes()[: tile.width * HASH]
                if len(data) == tile.width * HASH:
                    return data
                break
        raise Error("audit_invalid", f"{tile.path()} is missing or too short")

    def holds(self, tile: Tile, data: bytes) -> bool:
        """Whether exactly `data` is there already."""
        try:
            return (self.folder / tile.path()).read_bytes() == data
        except FileNotFoundError:
            return False

    def put(self, tile: Tile, data: bytes) -> None:
        """Writes a tile; a full one takes the place of its partial ones. It is there after `sync`."""
        path = self.folder / tile.path()
        if tile.width == WIDTH:
            self._replaced.append(path.with_name(path.name + ".p"))
        self.put_file(path, data)

    def put_file(self, path: Path, data: bytes) -> None:
        """Any other file. It is there after `sync`."""
        self._draft(path, data)
        if len(self._drafts) >= DRAFTS_MAX:
            self.sync()

    def prune(self, minimum: int) -> int:
        """Says what the minimum is, durably, then removes what tlog-tiles lets go; returns how many files. May be repeated."""
        self.write(self.folder / MINIMUM, f"{minimum}\n".encode())
        self.sync()
        gone = 0
        for level in (ENTRIES, 0):
            for number in range(minimum // WIDTH):
                path = self.folder / Tile(level, number, WIDTH).path()
                if path.exists():
                    path.unlink()
                    gone += 1
        return gone

    def text(self, name: str) -> str | None:
        """Content of `checkpoint` or `verifier.vkey`; None when it is not there or not text."""
        try:
            return (self.folder / name).read_bytes().decode()
        except (FileNotFoundError, UnicodeDecodeError):
            return None

    def write(self, path: Path, data: bytes) -> None:
        """Writes a file, which is there when this returns, and durable after `sync`. Raises Error `store_full`."""
        self._draft(path, data)
        self._settle()

    def sync(self) -> None:
        """Makes everything since the last call appear, and durable. Raises Error `store_full`; then nothing half is there."""
        self._settle()
        try:
            for folder in sorted(self._unsynced):
                with contextlib.suppress(FileNotFoundError):  # partial tiles that a full one replaced meanwhile
                    _fsync(folder)
        except OSError as e:
            raise Error("store_full", f"the audit log cannot be written: {e.strerror}", "look at its disk") from None
        self._unsynced.clear()

    def _draft(self, path: Path, data: bytes) -> None:
        draft = path.with_name(f".{path.name}.new")
        try:
            self._folder(path.parent)
            self._drafts[path] = draft
            draft.write_bytes(data)
        except OSError as e:
            self._give_up(e)

    def _settle(self) -> None:
        """fsync of every draft, then their renames: the file system writes many files that wait at once."""
        try:
            if len(self._drafts) > 4:
                with ThreadPoolExecutor(SYNCS) as threads:
                    list(threads.map(_fsync, self._drafts.values()))
            else:
                for draft in self._drafts.values():
                    _fsync(draft)
            for path, draft in self._drafts.items():
                draft.rename(path)
                self._unsynced.add(path.parent)
        except OSError as e:
            self._give_up(e)
        self._drafts.clear()
        for folder in self._replaced:
            shutil.rmtree(folder, ignore_errors=True)
        self._replaced.clear()

    def _give_up(self, why: OSError) -> NoReturn:
        """Drafts go; who called writes them again."""
        for draft in self._drafts.values():
            with contextlib.suppress(OSError):
                draft.unlink()
        self._drafts.clear()
        self._replaced.clear()
        raise Error(
            "store_full", f"the audit log cannot be written: {why.strerror}", "free space on its disk"
        ) from None

    def _folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._folder(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
            self._unsynced.add(folder.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Bundles:
    """Gathers entries into the bundle that is being filled; at most 256 are held."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def add(self, entry: bytes, place: int) -> tuple[Tile, bytes] | None:
        """Takes the entry at `place`; returns the bundle when that filled it."""
        assert place % WIDTH == len(self._held), "entries come in order, from the beginning of a bundle"
        self._held.append(entry)
        if len(self._held) < WIDTH:
            return None
        full = bundle(self._held)
        self._held.clear()
        return Tile(ENTRIES, place // WIDTH, WIDTH), full

    def partial(self, size: int) -> tuple[Tile, bytes] | None:
        if not self._held:
            return None
        return Tile(ENTRIES, size // WIDTH, len(self._held)), bundle(self._held)

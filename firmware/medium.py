"""The hands of writer.py: a disk or a file that is one, and a folder of the EFI system partition."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_READ_OCTETS: Final = 1 << 20


class FileDisk:
    """A block device, or a file, opened for reading and writing. `read_only` for those who only look; `alone`: the kernel refuses
    a device of which anything is mounted or held (open(2), O_EXCL)."""

    def __init__(self, path: Path, read_only: bool = False, alone: bool = False) -> None:
        flags = (os.O_RDONLY if read_only else os.O_RDWR) | (os.O_EXCL if alone else 0) | os.O_CLOEXEC
        self._handle = os.open(path, flags)
        self._octets = os.lseek(self._handle, 0, os.SEEK_END)

    def __enter__(self) -> FileDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def octets(self) -> int:
        return self._octets

    def pread(self, offset: int, octets: int) -> bytes:
        out = b""
        while len(out) < octets:
            piece = os.pread(self._handle, octets - len(out), offset + len(out))
            if not piece:
                break
            out += piece
        return out

    def pwrite(self, offset: int, data: bytes) -> None:
        if offset + len(data) > self._octets:
            raise OSError("beyond the end of the disk")
        view = memoryview(data)
        while view:
            done = os.pwrite(self._handle, view, offset)
            view, offset = view[done:], offset + done

    def settle(self) -> None:
        os.fsync(self._handle)
        # What is read next is to come from the medium, not from memory.
        os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        os.close(self._handle)


class FolderEsp:
    """EFI/Linux as a folder of a mounted FAT."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        return sorted(p.name for p in self.folder.iterdir() if p.is_file())

    def write(self, name: str, pieces: Iterator[bytes]) -> None:
        with (self.folder / name).open("wb", buffering=0) as file:
            for piece in pieces:
                file.write(piece)
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self._sync()

    def read(self, name: str) -> Iterator[bytes]:
        with (self.folder / name).open("rb") as file:
            while piece := file.read(_READ_OCTETS):
                yield piece

    def rename(self, name: str, to: str) -> None:
        """It has the one name or the other after a power cut, and is whole under it, where the file system is mounted with `dirsync`.

        A FAT keeps a file's size and place beside its name, and the kernel writes a new name without them at first: they come with the
        file's own sync (Linux fs/fat/namei_vfat.c), half a minute later if nobody asks.
        """
        path = (self.folder / name).rename(self.folder / to)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        self._sync()

    def remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)
        self._sync()

    def _sync(self) -> None:
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

"""A small file put in the place of another: whole or not at all, and never through a link that somebody left there."""

from __future__ import annotations

import os
from pathlib import Path


def write(
    path: Path, content: str | bytes, mode: int | None = None, like_before: bool = False, durable: bool = True
) -> None:
    """Writes beside `path`, then renames: who reads meanwhile has the old one or the new one.

    `mode`: of the file; None: what the umask leaves of 0666. `like_before`: mode and owner are those of the file that is replaced, where
    there is one. `durable`: it is on disk when this returns. Raises OSError: what was there is there still, and nothing lies beside it.
    """
    octets = content.encode() if isinstance(content, str) else content
    before = path.lstat() if like_before and path.is_file() and not path.is_symlink() else None
    if before is not None:
        mode = before.st_mode & 0o777
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666 if mode is None else mode)
    try:
        with open(handle, "wb") as file:
            if mode is not None:
                os.fchmod(handle, mode)  # whatever the umask
            if before is not None and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(handle, before.st_uid, before.st_gid)
            file.write(octets)
            file.flush()
            if durable:
                os.fsync(handle)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """The names in a folder are on disk when this returns. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Two builds of one commit, compared: the root images must be the same octet for octet. What differs is named file by file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def census(tree: Path) -> dict[str, str]:
    """path -> type, mode, owner and digest of everything in a tree. Times are left out: mkfs.erofs sets them."""
    out = {}
    for folder, folders, files in os.walk(tree):
        for name in sorted([*folders, *files]):
            path = Path(folder, name)
            at = path.lstat()
            if path.is_symlink():
                said = str(path.readlink())
            elif path.is_file():
                with path.open("rb") as file:
                    said = hashlib.file_digest(file, "sha256").hexdigest()
            else:
                said = ""
            out[str(path.relative_to(tree))] = f"{at.st_mode:o} {at.st_uid}:{at.st_gid} {said}"
    return out


def differences(first: dict[str, str], second: dict[str, str]) -> list[str]:
    """A line for each path that is not the same in both."""
    out = []
    for path in sorted(first.keys() | second.keys()):
        a, b = first.get(path), second.get(path)
        if a != b:
            out.append(f"{path}: {a or 'not there'} / {b or 'not there'}")
    return out

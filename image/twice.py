"""Two builds of one commit, compared: the root images must be the same octet for octet. What differs is named file by file.

The signatures that the firmware checks hold the time at which they were made (systemd-sbsign(1) takes no other): what the firmware starts is compared
without them, and the disk without the partition that it lies on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from image.running import Steps, output_of
from image.trees import Tree

PIECE: Final = 1 << 20
WORK: Final = "/build/work"


def digests(steps: Steps, tools: Tree, work: Path, disk: Path) -> dict[str, str]:
    """What came out of a build -> SHA-256. `work` is the build's folder."""
    parts = sorted((work / "verity").glob("*.raw"))
    out = {path.suffixes[-2] if len(path.suffixes) > 1 else path.name: beside(path) for path in parts}
    for path in sorted((work / "esp/EFI").glob("*/*.[eE][fF][iI]")):
        bare = Path(shutil.copyfile(path, work / "bare.efi"))
        steps.run(tools.words(["sbattach", "--remove", f"{WORK}/{bare.name}"], {work: WORK}))
        out[f"{path.name}, unsigned"] = beside(bare)
        bare.unlink()
    words: list[str | Path] = ["partx", "--raw", "--noheadings", "--nr", "1", "--output", "START,SECTORS", disk]
    start, sectors = (int(word) * 512 for word in output_of(words).split())
    out["disk beside its boot partition"] = beside(disk, start, start + sectors)
    return out


def beside(path: Path, begin: int = 0, end: int = 0) -> str:
    """SHA-256 of a file without its octets from `begin` to before `end`."""
    counted = hashlib.sha256()
    with path.open("rb") as file:
        for first, last in ((0, begin), (end, path.stat().st_size)):
            file.seek(first)
            while piece := file.read(min(PIECE, last - file.tell())):
                counted.update(piece)
    return counted.hexdigest()


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

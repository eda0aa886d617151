"""A release's image on a stick as a file: boot partition, slot a with a root under a real hash tree, slot b empty. Small."""

from __future__ import annotations

import os
import struct
import uuid
from pathlib import Path
from typing import NamedTuple

from firmware import FileDisk, copying, gpt
from firmware.release import BLOCK, uuids_of
from firmware.verity import tree

SECTOR = 512
MIB = 1 << 20
SIZES = {"esp": MIB, "root": MIB, "verity": 64 * 1024, "signature": 16 * 1024}


class Medium(NamedTuple):
    """The stick's file, its root's hash, and what is in each part."""

    path: Path
    root_hash: str
    parts: dict[str, bytes]

    def machine(self, root: Path) -> None:
        """The kernel's line of a start from it, below `root`."""
        for path, text in {
            "proc/cmdline": f"quiet roothash={self.root_hash} ro\n",
            "sys/class/dmi/id/product_serial": "SN-1\n",
        }.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)


def medium(path: Path, blocks: int = 150, version: str = "0.1.0") -> Medium:
    """`blocks` of 4096 octets in the root."""
    salt, content = os.urandom(32), os.urandom(blocks * BLOCK)
    root_hash, levels = tree((content[n : n + BLOCK] for n in range(0, len(content), BLOCK)), salt)
    head = b"verity\0\0" + struct.pack("<II16s32sIIQH6x", 1, 1, bytes(16), b"sha256", BLOCK, BLOCK, blocks, len(salt))
    verity = (head + salt).ljust(BLOCK, b"\0") + levels
    parts = {
        "esp": os.urandom(SIZES["esp"]),
        "root": content,
        "verity": verity.ljust(SIZES["verity"], b"\0"),
        "signature": b'{"rootHash": ""}'.ljust(SIZES["signature"], b"\0"),
    }
    root, hashes = uuids_of(root_hash)
    own = {"root": root, "verity": hashes, "signature": str(uuid.uuid4()), "esp": str(uuid.uuid4())}
    kinds = {"esp": copying.ESP, **gpt.TYPES}
    entries, at = b"", 64 * SECTOR
    places: dict[str, int] = {}
    for part in ("esp", "root", "verity", "signature", "root", "verity", "signature"):
        filled = part not in places
        label = ("esp" if part == "esp" else f"casemate_{version}") if filled else gpt.EMPTY
        name = own[part] if filled else str(uuid.uuid4())
        row = (
            uuid.UUID(kinds[part]).bytes_le,
            uuid.UUID(name).bytes_le,
            at // SECTOR,
            (at + SIZES[part]) // SECTOR - 1,
        )
        entries += struct.pack("<16s16sQQQ72s", *row, 1 << 60, label.encode("utf-16-le"))
        places.setdefault(part, at)
        at += SIZES[part]
    octets = at + MIB
    last = octets // SECTOR - 1
    entries = entries.ljust(128 * 128, b"\0")
    ends = (1, last, 34, last - 33, uuid.uuid4().bytes_le, 2, 128, 128, 0)
    header = struct.pack("<8sIIIIQQQQ16sQIII", gpt.SIGNATURE, 0x10000, 92, 0, 0, *ends)
    with path.open("wb") as file:
        file.truncate(octets)
    disk = FileDisk(path)
    gpt.write(disk, gpt.Table(SECTOR, header, entries), entries)
    for part, octets_of in parts.items():
        disk.pwrite(places[part], octets_of)
    disk.settle()
    disk.close()
    return Medium(path, root_hash, parts)


def disk_file(path: Path, octets: int = 4 << 30) -> Path:
    """An empty disk; sparse."""
    with path.open("wb") as file:
        file.truncate(octets)
    return path

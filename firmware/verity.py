"""dm-verity's hash tree over a file, computed: SHA-256, blocks of 4096 octets, salt first, no superblock (kernel, admin-guide/device-mapper/verity).

RAUC puts this tree behind a bundle's content and its root into the signed manifest. Computing it needs neither device mapper nor
root, so that a bundle can be checked on any machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final

from .release import BLOCK

_AT_ONCE: Final = 256 * BLOCK


def blocks(file: BinaryIO, octets: int, told: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """`octets` of a file from where it stands, block by block; the last one is filled up with zeros. `told`: how many were read just now."""
    left = octets
    while left:
        piece = file.read(min(_AT_ONCE, left))
        if not piece:
            return
        left -= len(piece)
        if told is not None:
            told(len(piece))
        for start in range(0, len(piece), BLOCK):
            yield piece[start : start + BLOCK].ljust(BLOCK, b"\0")


def tree(content: Iterable[bytes], salt: bytes) -> tuple[str, bytes]:
    """Root hash (hexadecimal) and the tree itself, topmost level first. Memory: one hash a block."""
    seeded = hashlib.sha256(salt)

    def digest(block: bytes) -> bytes:
        one = seeded.copy()
        one.update(block)
        return one.digest()

    level = bytearray().join(map(digest, content))
    if len(level) == 32:
        return level.hex(), b""  # one block: its hash is the root, there is no tree
    levels: list[bytes] = []
    while True:
        level += bytes(-len(level) % BLOCK)
        levels.append(bytes(level))
        if len(level) == BLOCK:
            return digest(levels[-1]).hex(), b"".join(reversed(levels))
        level = bytearray().join(digest(levels[-1][n : n + BLOCK]) for n in range(0, len(levels[-1]), BLOCK))


def tree_octets(octets: int) -> int:
    """How long the tree over so many octets is."""
    total, count = 0, -(-octets // BLOCK)
    while count > 1:
        count = -(-count * 32 // BLOCK)
        total += count * BLOCK
    return total

"""The Merkle tree of RFC 6962 section 2.1 over tiles of 256 hashes (C2SP tlog-tiles). Pure: bytes in, bytes out.

Only the right edge is ever held: at most 255 hashes a level, whatever the size of the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

HASH: Final = 32  # octets of SHA-256
WIDTH: Final = 256  # hashes, or entries, in a full tile
TILE: Final = WIDTH * HASH
ENTRIES: Final = -1  # the "level" of the entry bundles

#: Hash of the complete subtree of 2**height leaves that begins at leaf index * 2**height.
Node = Callable[[int, int], bytes]


class Tile(NamedTuple):
    """A tile's place: level (ENTRIES for a bundle), number within it, and how many of its 256 places are used."""

    level: int
    number: int
    width: int

    def path(self) -> str:
        """`tile/0/x001/x234/067`, with `.p/W` when it is partial."""
        groups = [f"{self.number % 1000:03d}"]
        rest = self.number // 1000
        while rest:
            groups.append(f"x{rest % 1000:03d}")
            rest //= 1000
        name = "entries" if self.level == ENTRIES else str(self.level)
        partial = f".p/{self.width}" if self.width < WIDTH else ""
        return f"tile/{name}/{'/'.join(reversed(groups))}{partial}"


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: bytes) -> bytes:
    """Root of a complete subtree from its 1, 2, 4 ... 256 lower hashes."""
    row = [hashes[i : i + HASH] for i in range(0, len(hashes), HASH)]
    assert row and len(row) & (len(row) - 1) == 0, "a complete subtree has a power of two of leaves"
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def width_at(size: int, level: int, number: int) -> int:
    """How many hashes tile `number` of `level` holds in a tree of `size`: 0 when it does not exist yet."""
    total = size if level == ENTRIES else size >> (8 * level)
    return max(0, min(WIDTH, total - number * WIDTH))


def tiles(size: int) -> Iterable[Tile]:
    """Every tile that a log of `size` entries publishes, bundles first, each level from the left."""
    for level in (ENTRIES, *range(64)):
        total = size if level == ENTRIES else size >> (8 * level)
        if not total:
            return
        for number in range(total // WIDTH):
            yield Tile(level, number, WIDTH)
        if total % WIDTH:
            yield Tile(level, total // WIDTH, total % WIDTH)


def bundle(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry after its length in two octets, big-endian."""
    return b"".join(len(e).to_bytes(2, "big") + e for e in entries)


class Edge:
    """The right edge of a growing tree: per tile level, the hashes of its last, not yet full, tile."""

    def __init__(self, size: int = 0, levels: list[bytearray] | None = None) -> None:
        self.size = size
        self._levels = levels or [bytearray()]

    @classmethod
    def of(cls, size: int, read: Callable[[Tile], bytes]) -> Edge:
        """The edge of a tree of `size` whose partial tiles `read` returns."""
        levels = []
        for level in range(64):
            total = size >> (8 * level)
            if not total and level:
                break
            width = total % WIDTH
            data = read(Tile(level, total // WIDTH, width)) if width else b""
            assert len(data) == width * HASH, "a tile of another width"
            levels.append(bytearray(data))
        return cls(size, levels)

    def copy(self) -> Edge:
        return Edge(self.size, [bytearray(level) for level in self._levels])

    def append(self, leaf: bytes) -> list[tuple[Tile, bytes]]:
        """Adds one leaf hash; returns the tiles that it filled, lowest first."""
        self.size += 1
        full: list[tuple[Tile, bytes]] = []
        level = 0
        while True:
            row = self._levels[level]
            row += leaf
            if len(row) < TILE:
                return full
            tile = bytes(row)
            full.append((Tile(level, (self.size >> (8 * (level + 1))) - 1, WIDTH), tile))
            row.clear()
            leaf = fold(tile)
            level += 1
            if level == len(self._levels):
                self._levels.append(bytearray())

    def partial(self) -> list[tuple[Tile, bytes]]:
        """The tiles that are begun and not full, lowest first."""
        return [
            (Tile(level, self.size >> (8 * (level + 1)), len(row) // HASH), bytes(row))
            for level, row in enumerate(self._levels)
            if row
        ]

    def root(self) -> bytes:
        """Merkle Tree Hash of everything appended; SHA-256 of nothing when empty."""
        root = b""
        for row in self._levels:
            end = len(row)
            width = end // HASH
            while width:  # complete subtrees of the tile, from the right: the lowest bits of its width
                span = (width & -width) * HASH
                peak = fold(bytes(row[end - span : end]))
                root = node_hash(peak, root) if root else peak
                end -= span
                width &= width - 1
        return root or hashlib.sha256(b"").digest()


def nodes(size: int, read: Callable[[Tile], bytes]) -> Node:
    """A Node that finds subtrees in the tiles of a log of `size`. The last tile read of each level is kept."""
    kept: dict[int, tuple[int, bytes]] = {}

    def node(height: int, index: int) -> bytes:
        level, deeper = divmod(height, 8)
        first = index << deeper
        number, offset = divmod(first, WIDTH)
        if kept.get(level, (-1, b""))[0] != number:
            kept[level] = number, read(Tile(level, number, width_at(size, level, number)))
        row = kept[level][1][offset * HASH : (offset + (1 << deeper)) * HASH]
        assert len(row) == HASH << deeper, "a subtree outside the tree"
        return fold(row)

    return node


def _split(count: int) -> int:
    """The largest power of two below `count` (RFC 6962's k)."""
    return 1 << ((count - 1).bit_length() - 1)


def _subtree(low: int, high: int, node: Node) -> bytes:
    count = high - low
    if count & (count - 1) == 0:
        height = count.bit_length() - 1
        return node(height, low >> height)
    k = _split(count)
    return node_hash(_subtree(low, low + k, node), _subtree(low + k, high, node))


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """RFC 6962 section 2.1.1: PATH(index, D[size]), from the leaf's sibling up."""
    assert 0 <= index < size
    low, high, proof = 0, size, []
    while high - low > 1:
        k = _split(high - low)
        if index < low + k:
            proof.append(_subtree(low + k, high, node))
            high = low + k
        else:
            proof.append(_subtree(low, low + k, node))
            low += k
    return proof[::-1]


def consistency_proof(old: int, size: int, node: Node) -> list[bytes]:
    """RFC 6962 section 2.1.2: PROOF(old, D[size]); empty for old = 0 and old = size."""
    assert 0 <= old <= size
    if old in (0, size):
        return []
    low, high, proof, whole = 0, size, [], True
    while old != high:
        k = _split(high - low)
        if old <= low + k:
            proof.append(_subtree(low + k, high, node))
            high = low + k
        else:
            proof.append(_subtree(low, low + k, node))
            low += k
            whole = False
    if not whole:
        proof.append(_subtree(low, high, node))
    return proof[::-1]


def includes(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """RFC 9162 section 2.1.3.2: whether `proof` shows `leaf` at `index` under `root`."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for p in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(p, found)
            while at and not at & 1:
                at >>= 1
                last >>= 1
        else:
            found = node_hash(found, p)
        at >>= 1
        last >>= 1
    return last == 0 and found == root


def extends(old: int, old_root: bytes, size: int, root: bytes, proof: list[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2: whether `proof` shows that the tree of `size` begins with the tree of `old`."""
    if old > size or (old in (0, size) and proof):
        return False
    if old == size:
        return old_root == root
    if old == 0:
        return old_root == hashlib.sha256(b"").digest()
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    at, last = old - 1, size - 1
    while at & 1:
        at >>= 1
        last >>= 1
    before = after = path[0]
    for p in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = node_hash(p, before), node_hash(p, after)
            while at and not at & 1:
                at >>= 1
                last >>= 1
        else:
            after = node_hash(after, p)
        at >>= 1
        last >>= 1
    return last == 0 and before == old_root and after == root

"""The tree against RFC 6962: its own examples, a definition written out plainly, another implementation, and every small proof."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.audit.tree import (
    ENTRIES,
    HASH,
    WIDTH,
    Edge,
    Tile,
    bundle,
    consistency_proof,
    extends,
    fold,
    includes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    nodes,
    tiles,
    width_at,
)

# The eight leaves and the roots of the trees over the first of them that certificate-transparency's own tests use.
LEAVES = [
    bytes.fromhex(h)
    for h in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


class Small:
    """A log of `size` entries in memory, with all tiles it ever published."""

    def __init__(self, size: int) -> None:
        self.edge = Edge()
        self.stored: dict[str, bytes] = {}
        self.roots = [self.edge.root()]
        for i in range(size):
            for tile, data in self.edge.append(leaf_hash(b"%d" % i)):
                self.stored[tile.path()] = data
            self.roots.append(self.edge.root())
            for tile, data in self.edge.partial():
                self.stored[tile.path()] = data

    def read(self, tile: Tile) -> bytes:
        return self.stored[tile.path()]


@pytest.fixture(scope="module")
def small() -> Small:
    return Small(600)


def test_roots_of_the_rfc_examples() -> None:
    edge = Edge()
    assert edge.root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        edge.append(leaf_hash(leaf))
        assert edge.root().hex() == root


def test_proofs_of_the_rfc_example_tree() -> None:
    """RFC 6962 section 2.1.3: seven leaves; the proofs are given there by the letters of its drawing."""
    leaves = [b"d%d" % i for i in range(7)]
    edge = Edge()
    for leaf in leaves:
        edge.append(leaf_hash(leaf))
    stored = {tile.path(): data for tile, data in edge.partial()}
    a, b, c, d, e, f, j = (leaf_hash(leaf) for leaf in leaves)
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, ell = node_hash(g, h), node_hash(i, j)
    assert edge.root() == node_hash(k, ell)
    node = nodes(7, lambda tile: stored[tile.path()])
    assert inclusion_proof(0, 7, node) == [b, h, ell]
    assert inclusion_proof(3, 7, node) == [c, g, ell]
    assert inclusion_proof(4, 7, node) == [f, j, k]
    assert inclusion_proof(6, 7, node) == [i, k]
    assert consistency_proof(3, 7, node) == [c, d, g, ell]
    assert consistency_proof(4, 7, node) == [ell]
    assert consistency_proof(6, 7, node) == [i, j, k]


def test_roots_against_the_definition(small: Small) -> None:
    for size in (*range(300), 511, 512, 513, 599, 600):
        assert small.roots[size] == mth([b"%d" % i for i in range(size)]), size


def test_every_inclusion_proof(small: Small) -> None:
    for size in (*range(1, 71), 255, 256, 257, 600):
        node = nodes(size, small.read)
        for index in range(size):
            proof = inclusion_proof(index, size, node)
            assert includes(leaf_hash(b"%d" % index), index, size, proof, small.roots[size])
            assert not includes(leaf_hash(b"x"), index, size, proof, small.roots[size])
            assert not includes(leaf_hash(b"%d" % index), index, size, [*proof, bytes(32)], small.roots[size])
            if proof:
                assert not includes(leaf_hash(b"%d" % index), index, size, proof[:-1], small.roots[size])


def test_every_consistency_proof(small: Small) -> None:
    for size in (*range(1, 71), 256, 257, 600):
        node = nodes(size, small.read)
        for old in range(size + 1):
            proof = consistency_proof(old, size, node)
            assert extends(old, small.roots[old], size, small.roots[size], proof)
            if old > 0:
                assert not extends(old, bytes(32), size, small.roots[size], proof)
            if 0 < old < size:
                assert not extends(old, small.roots[old], size, bytes(32), proof)
                assert not extends(old, small.roots[old], size, small.roots[size], proof[:-1])
                assert not extends(old, small.roots[old], size, small.roots[size], [*proof, bytes(32)])


def test_an_index_outside_the_tree_is_not_included() -> None:
    assert not includes(leaf_hash(b"a"), 1, 1, [], leaf_hash(b"a"))
    assert not extends(2, bytes(32), 1, bytes(32), [])


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1_234_067, WIDTH), "tile/0/x001/x234/067"),  # the specification's own
        (Tile(0, 0, 8), "tile/0/000.p/8"),
        (Tile(1, 999, WIDTH), "tile/1/999"),
        (Tile(2, 1000, 1), "tile/2/x001/000.p/1"),
        (Tile(ENTRIES, 1_000_000, WIDTH), "tile/entries/x001/x000/000"),
    ],
)
def test_paths(tile: Tile, path: str) -> None:
    assert tile.path() == path


def test_the_tiles_of_the_specification() -> None:
    """tlog-tiles, partial tiles: a tree of 70,000, and one of 256."""
    of = list(tiles(70_000))
    assert len([t for t in of if t.level == 0 and t.width == WIDTH]) == 273
    assert {(t.level, t.number, t.width) for t in of if t.width < WIDTH} == {
        (-1, 273, 112),
        (0, 273, 112),
        (1, 1, 17),
        (2, 0, 1),
    }
    assert [t.path() for t in tiles(256)] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
    assert not list(tiles(0))
    assert width_at(70_000, 1, 2) == 0


@given(st.integers(0, 70_000))
def test_tiles_cover_each_size_once(size: int) -> None:
    of = list(tiles(size))
    assert sum(t.width for t in of if t.level == ENTRIES) == size
    assert sum(t.width for t in of if t.level == 0) == size
    assert len({t.path() for t in of}) == len(of)
    assert all(1 <= t.width <= WIDTH and width_at(size, t.level, t.number) == t.width for t in of)


@given(st.integers(0, 600), st.integers(0, 200))
def test_an_edge_read_back_goes_on_as_if_nothing_had_happened(small: Small, size: int, more: int) -> None:
    edge = Edge.of(size, small.read)
    assert edge.root() == small.roots[size]
    for i in range(size, min(600, size + more)):
        edge.append(leaf_hash(b"%d" % i))
    assert edge.root() == small.roots[edge.size]


def test_the_edge_stays_small() -> None:
    edge = Edge()
    for i in range(70_000):
        edge.append(i.to_bytes(HASH, "big"))
    assert sum(len(data) for _, data in edge.partial()) == (112 + 17 + 1) * HASH


def test_a_full_tile_is_hashed_upward() -> None:
    edge, full = Edge(), []
    for i in range(WIDTH):
        full += edge.append(leaf_hash(b"%d" % i))
    ((tile, data),) = full
    assert tile == Tile(0, 0, WIDTH)
    assert edge.partial() == [(Tile(1, 0, 1), fold(data))]
    assert edge.root() == fold(data)


def test_bundles_carry_lengths() -> None:
    assert bundle([b"a", b"", b"b" * 300]) == b"\0\1a\0\0\1\x2c" + b"b" * 300

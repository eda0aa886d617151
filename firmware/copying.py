"""A running release copied to an empty disk: what goes where (pure), and the copying, read back before the disk can be started.

    1  the old partition table goes                     the disk holds nothing that starts
    2  signature, hash tree, root and boot partition are written where slot a and the boot partition will be
    3  all of it is read back from the medium           the root's hash tree is computed anew: it has to give the hash of the running kernel's line
    4  the partition table is written, backup first     from here on the disk starts

Power that fails before the last step leaves a disk without a table: the installation is begun again. No loop device and no file system is
mounted. systemd-repart(8) finds what it expects when it adds the state volume at the first start.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from . import gpt
from .gpt import ENTRY_OCTETS, Disk, Partition, Table
from .release import BLOCK
from .verity import tree

ESP: Final = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
MIB: Final = 1 << 20
ENTRIES: Final = 128
STATE_OCTETS_MIN: Final = 2048 * MIB  # of the state volume, which the first start makes of what is left (roles/volumes)
PIECE: Final = 4 * MIB

Told = Callable[[str, int, int], None]


class Unfit(Exception):
    """The source or the target cannot be used; the text is for a person."""


class Place(NamedTuple):
    """One partition of the new disk. `source`: where its content is copied from; None: it stays empty."""

    part: str
    entry: bytes  # 128 octets as they go into the table
    offset: int
    octets: int
    source: int | None


def places(source: Table, running: str) -> list[Place]:
    """The new disk: boot partition, slot a as the running one, slot b empty; each on a whole MiB. Raises Unfit."""
    boot = next((p for p in source.partitions if p.kind == ESP), None)
    if boot is None:
        raise Unfit("the medium has no EFI system partition")
    slots = gpt.slots(source)
    if running not in slots:
        raise Unfit("no slot of the medium is the one that runs")
    rows: list[tuple[str, Partition, bool]] = [("esp", boot, True)]
    rows += [(part, slots[running][part], True) for part in gpt.TYPES]
    rows += [(f"{part}, slot b", slots["b"][part], False) for part in gpt.TYPES]
    out, at = [], MIB
    for part, like, filled in rows:
        own = like.uuid if filled and part != "esp" else str(uuid.uuid4())
        label = like.label if filled else gpt.EMPTY
        entry = bytearray(source.entries[(like.number - 1) * ENTRY_OCTETS : like.number * ENTRY_OCTETS])
        first = at // source.sector
        struct.pack_into("<16sQQ", entry, 16, uuid.UUID(own).bytes_le, first, first + like.octets // source.sector - 1)
        entry[56:128] = label.encode("utf-16-le").ljust(72, b"\0")
        out.append(Place(part, bytes(entry), at, like.octets, like.offset if filled else None))
        at += -(-like.octets // MIB) * MIB
    return out


def needed(found: list[Place]) -> int:
    """Octets that a disk must have: everything, the state volume at its smallest, the backup table."""
    return found[-1].offset + found[-1].octets + STATE_OCTETS_MIN + 2 * MIB


def table_of(found: list[Place], sector: int, octets: int) -> Table:
    """The new disk's table, ready for gpt.write."""
    entries = b"".join(p.entry for p in found).ljust(ENTRIES * ENTRY_OCTETS, b"\0")
    last, span = octets // sector - 1, ENTRIES * ENTRY_OCTETS // sector
    ends = (1, last, 2 + span, last - span - 1, uuid.uuid4().bytes_le, 2, ENTRIES, ENTRY_OCTETS, 0)
    header = struct.pack("<8sIIIIQQQQ16sQIII", gpt.SIGNATURE, 0x10000, 92, 0, 0, *ends)
    return Table(sector, header, entries)


def protective(sector: int, octets: int) -> bytes:
    """The first sector: a partition of type EE over the whole disk, so that old tools see it is not empty (UEFI 2.10, 5.2.3)."""
    row = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, min(octets // sector - 1, 0xFFFFFFFF))
    return (bytes(446) + row + bytes(48) + b"\x55\xaa").ljust(sector, b"\0")


class Tree(NamedTuple):
    """What a hash tree says of itself: dm-verity's superblock (cryptsetup, docs/verity; version 1)."""

    blocks: int
    salt: bytes


def superblock(octets: bytes) -> Tree:
    """Raises Unfit for what is none, or not made as a release's."""
    if len(octets) < 512 or octets[:8] != b"verity\0\0":
        raise Unfit("the medium's hash tree has no superblock")
    version, kind = struct.unpack_from("<II", octets, 8)
    algorithm, block, hash_block, count, salt = struct.unpack_from("<32sIIQH", octets, 32)
    made = (version, kind, algorithm.rstrip(b"\0"), block, hash_block)
    if made != (1, 1, b"sha256", BLOCK, BLOCK) or salt > 256:
        raise Unfit("the medium's hash tree is made in another way than a release's")
    return Tree(count, octets[88 : 88 + salt])


def copied(source: Disk, target: Disk, running: str, root_hash: str, told: Told) -> Table:
    """Steps 1 to 4; the new table. Raises Unfit, OSError, gpt.Damaged."""
    here = gpt.read(source)
    found = places(here, running)
    if target.octets < needed(found):
        raise Unfit("the disk is too small")
    _blank(target, here.sector)
    _filled(source, target, found, root_hash, told)
    made = table_of(found, here.sector, target.octets)
    target.pwrite(0, protective(here.sector, target.octets))
    gpt.write(target, made, made.entries)
    return made


def kept(there: Table, here: Table, running: str) -> list[Place]:
    """Where a release goes on a disk whose state volume stays: boot partition and slot a of the table that it has. Raises Unfit, gpt.Damaged."""
    boots = [next((p for p in table.partitions if p.kind == ESP), None) for table in (here, there)]
    own, theirs = gpt.slots(here).get(running), gpt.slots(there)["a"]
    if own is None or boots[0] is None or boots[1] is None or here.sector != there.sector:
        raise Unfit("the disk is not laid out as this release's are")
    pairs = [("esp", boots[0], boots[1]), *((part, own[part], theirs[part]) for part in gpt.TYPES)]
    if any(mine.octets > other.octets for _, mine, other in pairs):
        raise Unfit("a partition of the disk is smaller than the release's")
    return [Place(part, b"", other.offset, mine.octets, mine.offset) for part, mine, other in pairs]


def repaired(source: Disk, target: Disk, running: str, root_hash: str, told: Told) -> Table:
    """The same onto a disk that has a state volume, which is not touched: both slots are named `_empty`, then slot a and the boot partition are written, read
    back and named. Power that fails before the end leaves a disk that does not start, and is begun again. Raises Unfit, OSError, gpt.Damaged."""
    here, there = gpt.read(source), gpt.read(target)
    found = kept(there, here, running)
    empty = {p.number: (str(uuid.uuid4()), gpt.EMPTY) for slot in gpt.slots(there).values() for p in slot.values()}
    gpt.write(target, there, gpt.changed(there, empty))
    _filled(source, target, found, root_hash, told)
    own, theirs, there = gpt.slots(here)[running], gpt.slots(there)["a"], gpt.read(target)
    named = {theirs[part].number: (own[part].uuid, own[part].label) for part in gpt.TYPES}
    gpt.write(target, there, gpt.changed(there, named))
    return gpt.read(target)


def _filled(source: Disk, target: Disk, found: list[Place], root_hash: str, told: Told) -> None:
    """Steps 2 and 3."""
    lengths = _lengths(source, found)
    counted = {p.part: _written(source, target, p, lengths[p.part], told) for p in found if p.source is not None}
    target.settle()
    for place in found:
        if place.source is not None:
            read = hashlib.sha256()
            for piece in _pieces(target, place.offset, lengths[place.part], f"checking {place.part}", told):
                read.update(piece)
            if read.digest() != counted[place.part]:
                raise Unfit(f"the disk did not keep what was written ({place.part})")
    _proven(target, found, root_hash, told)


def _blank(target: Disk, sector: int) -> None:
    """Both copies of an old table, whatever the size of its sectors was."""
    target.pwrite(0, bytes(MIB))
    target.pwrite(target.octets // sector * sector - MIB, bytes(MIB))
    target.settle()


def _lengths(source: Disk, found: list[Place]) -> dict[str, int]:
    """Octets of each part: of the root only what its tree covers."""
    verity = next(p for p in found if p.part == "verity")
    assert verity.source is not None
    covered = superblock(source.pread(verity.source, 512)).blocks * BLOCK
    return {p.part: min(covered, p.octets) if p.part == "root" else p.octets for p in found}


def _pieces(disk: Disk, at: int, octets: int, what: str, told: Told) -> Iterator[bytes]:
    for start in range(0, octets, PIECE):
        wanted = min(PIECE, octets - start)
        piece = disk.pread(at + start, wanted)
        if len(piece) != wanted:
            raise OSError(f"{what}: the medium ends too early")
        told(what, start + wanted, octets)
        yield piece


def _written(source: Disk, target: Disk, place: Place, octets: int, told: Told) -> bytes:
    """The SHA-256 of what was written."""
    counted, at = hashlib.sha256(), place.offset
    assert place.source is not None
    for piece in _pieces(source, place.source, octets, f"writing {place.part}", told):
        counted.update(piece)
        target.pwrite(at, piece)
        at += len(piece)
    return counted.digest()


def _proven(target: Disk, found: list[Place], root_hash: str, told: Told) -> None:
    """The root on the new disk gives the hash that the signed kernel names, by the tree that lies beside it."""
    root, verity = (next(p for p in found if p.part == name) for name in ("root", "verity"))
    said = superblock(target.pread(verity.offset, 512))
    octets = said.blocks * BLOCK
    if octets > root.octets:
        raise Unfit("the medium's hash tree covers more than its root")
    whole = _pieces(target, root.offset, octets, "verifying root", told)
    blocks = (piece[n : n + BLOCK] for piece in whole for n in range(0, len(piece), BLOCK))
    made, levels = tree(blocks, said.salt)
    if made != root_hash or target.pread(verity.offset + BLOCK, len(levels)) != levels:
        raise Unfit("the root on the new disk is not what the release key signed")

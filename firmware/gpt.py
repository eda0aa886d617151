"""The partition table of the appliance's disk: read, and a partition's UUID and label changed. Pure over octets (UEFI 2.10, chapter 5).

Both copies are always written, the backup first, each synced before the next: whatever moment power fails, one of them is whole.
The kernel's line has `gpt`, so that Linux takes the backup when the first copy is not whole.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

SIGNATURE: Final = b"EFI PART"
ENTRY_OCTETS: Final = 128
ENTRIES_MAX: Final = 256
LABEL_CHARACTERS_MAX: Final = 36

#: Part of a slot -> its partition type on x86-64 (UAPI.2 Discoverable Partitions Specification).
TYPES: Final[dict[str, str]] = {
    "root": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
    "verity": "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5",
    "signature": "41092b05-9fc8-4523-994f-2def0408b176",
}
SLOTS: Final = ("a", "b")
EMPTY: Final = "_empty"


class Damaged(Exception):
    """There is no whole partition table, or it is not one of an appliance."""


class Disk(Protocol):
    """A disk, or a file that is one. `settle` returns when all that was written is on the medium, and reads come from there."""

    def pread(self, offset: int, octets: int) -> bytes: ...

    def pwrite(self, offset: int, data: bytes) -> None: ...

    def settle(self) -> None: ...

    @property
    def octets(self) -> int: ...


class Partition(NamedTuple):
    """One partition. `number` is its place in the table, from 1; offset and length in octets."""

    number: int
    kind: str
    uuid: str
    label: str
    offset: int
    octets: int


@dataclass(frozen=True)
class Table:
    """One whole copy of the table: its header without checksums, and its entries."""

    sector: int
    header: bytes
    entries: bytes

    @property
    def partitions(self) -> list[Partition]:
        out = []
        for n in range(0, len(self.entries), ENTRY_OCTETS):
            kind, own, first, last, _, label = struct.unpack_from("<16s16sQQQ72s", self.entries, n)
            if kind != bytes(16):
                place = (first * self.sector, (last - first + 1) * self.sector)
                text = label.decode("utf-16-le", "replace").split("\0")[0]
                out.append(Partition(n // ENTRY_OCTETS + 1, _guid(kind), _guid(own), text, *place))
        return out


def _guid(octets: bytes) -> str:
    return str(uuid.UUID(bytes_le=octets))


def read(disk: Disk) -> Table:
    """The first copy, or the backup when that is not whole. Raises Damaged."""
    for sector in (512, 4096):
        for at in (sector, disk.octets - sector):
            found = _copy(disk, sector, at)
            if found is not None:
                return found
    raise Damaged("the disk has no whole partition table")


def _copy(disk: Disk, sector: int, at: int) -> Table | None:
    header = disk.pread(at, 92)
    if len(header) < 92 or not header.startswith(SIGNATURE):
        return None
    (size, stored) = struct.unpack_from("<II", header, 12)
    if not 92 <= size <= sector:
        return None
    whole = disk.pread(at, size)
    own, _ = struct.unpack_from("<QQ", whole, 24)
    start, count, octets, checksum = struct.unpack_from("<QIII", whole, 72)
    if own * sector != at or octets != ENTRY_OCTETS or not 0 < count <= ENTRIES_MAX:
        return None
    entries = disk.pread(start * sector, count * ENTRY_OCTETS)
    blank = whole[:16] + bytes(4) + whole[20:]
    if zlib.crc32(blank) != stored or zlib.crc32(entries) != checksum:
        return None
    return Table(sector, whole, entries)


def changed(table: Table, changes: Mapping[int, tuple[str, str]]) -> bytes:
    """The entries after giving partitions (by number) a UUID and a label."""
    out = bytearray(table.entries)
    for number, (own, label) in changes.items():
        assert len(label) <= LABEL_CHARACTERS_MAX
        n = (number - 1) * ENTRY_OCTETS
        out[n + 16 : n + 32] = uuid.UUID(own).bytes_le
        out[n + 56 : n + 128] = label.encode("utf-16-le").ljust(72, b"\0")
    return bytes(out)


def without(table: Table, number: int) -> bytes:
    """The entries without a partition: its place is free."""
    n = (number - 1) * ENTRY_OCTETS
    return table.entries[:n] + bytes(ENTRY_OCTETS) + table.entries[n + ENTRY_OCTETS :]


def write(disk: Disk, table: Table, entries: bytes) -> None:
    """Both copies with these entries: backup first, each on the medium before the next is begun."""
    sector = table.sector
    last = disk.octets // sector - 1
    span = -(-len(entries) // sector)
    for own, other, start in ((last, 1, last - span), (1, last, 2)):
        header = bytearray(table.header)
        struct.pack_into("<QQ", header, 24, own, other)
        struct.pack_into("<Q", header, 72, start)
        struct.pack_into("<I", header, 88, zlib.crc32(entries))
        struct.pack_into("<I", header, 16, 0)
        struct.pack_into("<I", header, 16, zlib.crc32(bytes(header)))
        disk.pwrite(start * sector, entries.ljust(span * sector, b"\0"))
        disk.pwrite(own * sector, bytes(header).ljust(sector, b"\0"))
        disk.settle()


def slots(table: Table) -> dict[str, dict[str, Partition]]:
    """Slot -> part -> partition: the first of each type is slot a's, the second slot b's. Raises Damaged."""
    out: dict[str, dict[str, Partition]] = {name: {} for name in SLOTS}
    for part, kind in TYPES.items():
        found = [p for p in table.partitions if p.kind == kind]
        if len(found) != len(SLOTS):
            raise Damaged(f"there are {len(found)} partitions for {part}, not {len(SLOTS)}")
        for name, one in zip(SLOTS, found, strict=True):
            out[name][part] = one
    return out

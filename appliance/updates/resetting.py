"""The state volume of a box made unreadable for good, and its partition taken off the table, so that the next start makes a new one.

The order: the keys of the volume (LUKS2 key slots, luksErase), then everything that could open it once more (header and key slots overwritten), the
table last. Power that fails in between leaves a volume that does not open, and the reset is done again; nothing leads back.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import firmware
from appliance.errors import Error

from .disks import STATE

HEADER_OCTETS: Final = (
    32 << 20
)  # LUKS2: both headers and the key slots, which end where the data begins (16 MiB; LUKS2 On-Disk Format 1.1.3)
_PIECE: Final = 1 << 20


def state_partition(disk: Path) -> int:
    """Its number, 0 for none. Raises Error `store_damaged`."""
    try:
        with firmware.FileDisk(disk, read_only=True) as opened:
            found = [p.number for p in firmware.gpt.read(opened).partitions if p.label == STATE]
    except (OSError, firmware.gpt.Damaged) as e:
        raise Error(
            "store_damaged",
            f"{disk.name} cannot be read: {getattr(e, 'strerror', None) or e}",
            "start the release's medium",
        ) from None
    return found[0] if len(found) == 1 else 0


def erase(disk: Path) -> list[str]:
    """What was done; after luksErase. Raises Error `not_found`, `store_damaged`, `store_full`."""
    number = state_partition(disk)
    if not number:
        raise Error("not_found", f"{disk.name} has no state volume", "there is nothing to erase")
    try:
        with firmware.FileDisk(disk) as opened:
            table = firmware.gpt.read(opened)
            place = next(p for p in table.partitions if p.number == number)
            end = place.offset + min(place.octets, HEADER_OCTETS)
            for at in range(place.offset, end, _PIECE):
                opened.pwrite(at, os.urandom(min(_PIECE, end - at)))
            opened.settle()
            firmware.gpt.write(opened, table, firmware.gpt.without(table, number))
    except OSError as e:
        raise Error(
            "store_full", f"{disk.name}: {e.strerror or e}", "destroy the disk: what is on it may be readable"
        ) from None
    return [
        "the state volume's header and keys are overwritten",
        "its partition is off the table: the next start makes a new one",
    ]

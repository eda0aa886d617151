"""HOT: which engine waits for which operator's id: a table in shared memory that every engine writes its own answers into and all read.

A hint and nothing more: a newer entry takes an older one's place, and who goes by it asks and is told whether it was right. Ids are
there as a checksum only. Trust: who can change the file can make receipts take a longer way, nothing else.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Final
from zlib import crc32

SLOT_OCTETS: Final = 8  # one aligned word: it is written and read whole
SLOTS_LOG2: Final = 20  # of two engines; one more for each doubling


class Signpost:
    """The table of a box in `path`, made when it is not there or of another size. Pages that nobody wrote take no memory."""

    def __init__(self, path: Path, shard: int, shards: int) -> None:
        size = SLOT_OCTETS << (SLOTS_LOG2 - 1 + (shards - 1).bit_length())
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(handle).st_size != size:
                os.ftruncate(handle, size)
            self._map = mmap.mmap(handle, size)
        finally:
            os.close(handle)
        self._slots = memoryview(self._map).cast("Q")
        self._mask = (size // SLOT_OCTETS) - 1
        self._own = shard + 1

    def put(self, link: str, operator_id: str) -> None:
        """This engine waits for the receipt of a segment with that id."""
        sum_ = crc32(f"{link}\0{operator_id}".encode())
        self._slots[sum_ & self._mask] = sum_ << 8 | self._own

    def get(self, link: str, operator_id: str) -> int | None:
        """The shard that said so; None when nobody is known to have."""
        sum_ = crc32(f"{link}\0{operator_id}".encode())
        kept = self._slots[sum_ & self._mask]
        return (kept & 0xFF) - 1 if kept >> 8 == sum_ and kept else None

    def close(self) -> None:
        self._slots.release()
        self._map.close()

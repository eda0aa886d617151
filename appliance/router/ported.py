"""HOT: a book of ported numbers: eight octets a number, ascending, mapped, not read; a look-up is one bisection in C.

Each entry is `number << 14 | code`, little-endian on nearly every machine; codes are what a national database calls its
operators. A book is written whole and never changed. It is a national register, not customers' numbers: it is kept in clear.
Who can change it decides which link a number takes, and nothing more; its digest is on the audit log.
"""

from __future__ import annotations

import hashlib
import mmap
import sys
from array import array
from bisect import bisect_left
from pathlib import Path
from typing import Final

import msgspec

from appliance.errors import Error

MAGIC: Final = b"casemate ported numbers 2\n"
CODE_BITS: Final = 14  # 15 digits need 50 bits
CODES_MAX: Final = 1 << CODE_BITS
HEADER_OCTETS: Final = 1 << 20  # names of operators; the entries begin behind it


class Head(msgspec.Struct):
    """What the file says of itself."""

    rows: int
    codes: list[str]
    big_endian: bool = False


class Book:
    """One file of ported numbers, mapped into memory as far as it is used. Raises Error `file_invalid` when it is not one."""

    def __init__(self, path: Path, label: str = "") -> None:
        self.path = path
        self.label = label or path.stem
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.head = head_of(self._map[:HEADER_OCTETS])
        except (OSError, ValueError, msgspec.MsgspecError):
            raise Error(
                "file_invalid", f"{path.name} is not a book of ported numbers", "import the national database again"
            ) from None
        if len(self._map) != HEADER_OCTETS + 8 * self.head.rows or self.head.big_endian != (sys.byteorder == "big"):
            raise Error("file_invalid", f"{path.name} is not whole", "import the national database again")
        self._entries = memoryview(self._map)[HEADER_OCTETS:].cast("Q") if self.head.rows else memoryview(array("Q"))

    def find(self, digits: int) -> int:
        """Place in `head.codes` of whom a number moved to; -1 when it did not move."""
        entries = self._entries
        at = bisect_left(entries, digits << CODE_BITS)
        if at < len(entries) and entries[at] >> CODE_BITS == digits:
            return entries[at] & (CODES_MAX - 1)
        return -1

    def code(self, digits: int) -> str:
        """What the database calls the operator that a number moved to; empty when it did not."""
        at = self.find(digits)
        return self.head.codes[at] if at >= 0 else ""

    def __len__(self) -> int:
        return self.head.rows


def head_of(octets: bytes) -> Head:
    """Raises ValueError or msgspec.MsgspecError."""
    if not octets.startswith(MAGIC):
        raise ValueError
    length = int.from_bytes(octets[len(MAGIC) : len(MAGIC) + 4], "little")
    return msgspec.msgpack.decode(octets[len(MAGIC) + 4 : len(MAGIC) + 4 + length], type=Head)


def header(rows: int, codes: list[str]) -> bytes:
    """The first HEADER_OCTETS of a book. Raises Error `file_invalid` for more names than they hold."""
    packed = msgspec.msgpack.encode(Head(rows, codes, sys.byteorder == "big"))
    if len(packed) > HEADER_OCTETS - len(MAGIC) - 4:
        raise Error("file_invalid", "the names of the operators are too long", "is that the operator's column?")
    return (MAGIC + len(packed).to_bytes(4, "little") + packed).ljust(HEADER_OCTETS, b"\0")


def digest_of(path: Path) -> str:
    """SHA-256 in hexadecimal; reads the file once, so that it is in the page cache when it is asked. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

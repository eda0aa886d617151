"""Reads the files at the top of a squashfs 4.0 image without mounting it (kernel, filesystems/squashfs; squashfs_fs.h).

Only ever given content whose signature was checked, so this is about reading what our own tools wrote: plain files in the top
folder, compressed by zlib, by LZMA/XZ or not at all. Anything else raises Refused. Nothing is unpacked to disk; a file is read
block by block.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from .refusals import Refused

_MAGIC: Final = 0x73717368
_META: Final = 8192
_PLAIN_META: Final = 0x8000
_PLAIN_BLOCK: Final = 1 << 24
_NO_FRAGMENT: Final = 0xFFFFFFFF
_FOLDER, _FILE, _LONG_FOLDER, _LONG_FILE = 1, 2, 8, 9
_FILES_MAX: Final = 64
_UNPACK: Final[dict[int, Callable[[bytes], bytes]]] = {1: zlib.decompress, 4: lzma.decompress}

Read = Callable[[int, int], bytes]  # offset, octets -> exactly so many octets, or fewer at the end


class _File(NamedTuple):
    size: int
    start: int
    blocks: tuple[int, ...]
    fragment: int
    within: int


class Squash:
    """An image as `read` gives it: name -> its content, in pieces of at most one block."""

    def __init__(self, read: Read) -> None:
        self._read = read
        head = read(0, 96)
        if len(head) < 96:
            raise Refused("payload_tampered", "its content is no file system")
        (magic, _, _, self._block, self._fragments, packing, _, _, _, major, _, root) = struct.unpack_from(
            "<IIIIIHHHHHHQ", head
        )
        self.octets, _, _, self._inodes, self._folders, self._table, _ = struct.unpack_from("<7Q", head, 40)
        if magic != _MAGIC or major != 4 or not 4096 <= self._block <= 1 << 20:
            raise Refused("payload_tampered", "its content is no file system")
        if packing not in _UNPACK:
            raise Refused("manifest_wrong", "its content is packed in a way that is not read here: gzip and xz are")
        self._unpack = _UNPACK[packing]
        try:
            self._files = self._listed(root)
        except (struct.error, IndexError, zlib.error, lzma.LZMAError):
            raise Refused("payload_tampered", "its content is no file system") from None

    @property
    def names(self) -> list[str]:
        return sorted(self._files)

    def size(self, name: str) -> int:
        return self._files[name].size

    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of a file. Raises Refused when it is not there or cannot be read."""
        found = self._files.get(name)
        if found is None:
            raise Refused("manifest_wrong", f"it holds no {name}")
        at, left = found.start, found.size
        for stored in found.blocks:
            octets = stored & ~_PLAIN_BLOCK
            packed = self._exactly(at, octets)
            at += octets
            whole = min(left, self._block)
            # A block of length 0 is a hole.
            piece = bytes(whole) if not stored else packed if stored & _PLAIN_BLOCK else self._unpacked(packed)
            if len(piece) != whole:
                raise Refused("payload_tampered", f"{name} cannot be read")
            left -= whole
            yield piece
        if left:
            yield self._fragment(found.fragment)[found.within : found.within + left]

    def content(self, name: str, most: int) -> bytes:
        """A small file whole. Raises Refused when it is longer than `most`."""
        if name in self._files and self._files[name].size > most:
            raise Refused("manifest_wrong", f"{name} is too long")
        return b"".join(self.pieces(name))

    # --- inside -------------------------------------------------------------------------------------------

    def _exactly(self, at: int, octets: int) -> bytes:
        found = self._read(at, octets)
        if len(found) != octets:
            raise Refused("truncated")
        return found

    def _unpacked(self, packed: bytes) -> bytes:
        try:
            return self._unpack(packed)
        except (zlib.error, lzma.LZMAError):
            raise Refused("payload_tampered", "its content cannot be unpacked") from None

    def _meta(self, at: int) -> tuple[bytes, int]:
        """One metadata block at `at`, and where the next one is."""
        (head,) = struct.unpack("<H", self._exactly(at, 2))
        octets = head & ~_PLAIN_META
        body = self._exactly(at + 2, octets)
        return (body if head & _PLAIN_META else self._unpacked(body)), at + 2 + octets

    def _run(self, at: int, within: int, octets: int) -> bytes:
        """`octets` of metadata that begin `within` the block at `at` and may go on in the next ones."""
        body, following = self._meta(at)
        while len(body) < within + octets and following < self.octets:
            more, following = self._meta(following)
            body += more
        return body[within : within + octets]

    def _listed(self, root: int) -> dict[str, _File]:
        at, within = self._inodes + (root >> 16), root & 0xFFFF
        (kind,) = struct.unpack_from("<H", self._run(at, within, 2))
        if kind == _FOLDER:
            block, _, octets, offset, _ = struct.unpack_from("<IIHHI", self._run(at, within + 16, 16))
        elif kind == _LONG_FOLDER:
            _, octets, block, _, _, offset = struct.unpack_from("<IIIIHH", self._run(at, within + 16, 20))
        else:
            raise Refused("payload_tampered", "its content is no file system")
        listing = self._run(self._folders + block, offset, max(0, octets - 3))
        found, n = dict[str, _File](), 0
        while n + 12 <= len(listing) and len(found) < _FILES_MAX:
            count, start, _ = struct.unpack_from("<III", listing, n)
            n += 12
            for _ in range(min(count + 1, 256)):
                where, _, kind, length = struct.unpack_from("<HhHH", listing, n)
                name = listing[n + 8 : n + 9 + length].decode("utf-8", "replace")
                n += 9 + length
                if kind == _FILE:
                    found[name] = self._file(self._inodes + start, where)
        return found

    def _file(self, at: int, within: int) -> _File:
        (kind,) = struct.unpack_from("<H", self._run(at, within, 2))
        if kind == _FILE:
            start, fragment, offset, size = struct.unpack_from("<IIII", self._run(at, within + 16, 16))
            head = 32
        elif kind == _LONG_FILE:
            start, size, _, _, fragment, offset, _ = struct.unpack_from("<QQQIIII", self._run(at, within + 16, 40))
            head = 56
        else:
            raise Refused("payload_tampered", "its content is no file system")
        count = size // self._block if fragment != _NO_FRAGMENT else -(-size // self._block)
        blocks = struct.unpack(f"<{count}I", self._run(at, within + head, 4 * count))
        return _File(size, start, blocks, fragment, offset)

    def _fragment(self, number: int) -> bytes:
        if number >= self._fragments:
            raise Refused("payload_tampered", "its content is no file system")
        (table,) = struct.unpack("<Q", self._exactly(self._table + number // 512 * 8, 8))
        start, stored, _ = struct.unpack("<QII", self._run(table, number % 512 * 16, 16))
        packed = self._exactly(start, stored & ~_PLAIN_BLOCK)
        return packed if stored & _PLAIN_BLOCK else self._unpacked(packed)

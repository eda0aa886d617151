"""A disk with two slots as a file, and a folder that looks like a machine's /proc and /sys: what an update needs of a box."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping
from pathlib import Path

from firmware import FileDisk, gpt, writer
from firmware.release import Release

SECTOR = 512
DISK = SECTOR * 4096
PLACES = {"root": 800, "verity": 40, "signature": 8}  # sectors of each partition


class _Memory:
    """A disk in memory that keeps everything."""

    def __init__(self, octets: int) -> None:
        self.held = bytearray(octets)

    @property
    def octets(self) -> int:
        return len(self.held)

    def pread(self, offset: int, octets: int) -> bytes:
        return bytes(self.held[offset : offset + octets])

    def pwrite(self, offset: int, data: bytes) -> None:
        self.held[offset : offset + len(data)] = data

    def settle(self) -> None: ...


def blank_disk(octets: int = DISK, places: Mapping[str, int] = PLACES) -> bytes:
    """Both copies of a table: slot a and slot b, empty. `places`: sectors of each partition."""
    table, at = bytearray(128 * 128), 64
    for n in range(6):
        part = list(places)[n % 3]
        row = (uuid.UUID(gpt.TYPES[part]).bytes_le, uuid.uuid4().bytes_le, at, at + places[part] - 1, 0)
        struct.pack_into("<16s16sQQQ72s", table, n * 128, *row, "_empty".encode("utf-16-le"))
        at += places[part]
    last = octets // SECTOR - 1
    places = (1, last, 34, last - 34, uuid.uuid4().bytes_le, 2, 128, 128, 0)
    header = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, *places)
    disk = _Memory(octets)
    gpt.write(disk, gpt.Table(SECTOR, header, bytes(table)), bytes(table))
    return bytes(disk.held)


class Box:
    """A box with one release good in slot a: its disk, its boot entries, its machine."""

    def __init__(self, folder: Path, said: Release) -> None:
        self.disk, self.esp, self.root = folder / "disk.raw", folder / "esp", folder / "machine"
        self.disk.write_bytes(blank_disk())
        self.esp.mkdir()
        disk = FileDisk(self.disk)
        table = gpt.read(disk)
        parts = gpt.slots(table)["a"]
        named = {parts[p].number: (said.uuids[p], f"casemate_{said.version}") for p in parts}
        gpt.write(disk, table, gpt.changed(table, named))
        disk.close()
        (self.esp / f"casemate_{said.version}.efi").write_bytes(b"MZ first")
        self.started(said)
        for name, text in {
            "sys_vendor": "QEMU",
            "product_name": "Q35",
            "product_serial": "SN-1",
            "bios_version": "1.0",
        }.items():
            self.put(f"sys/class/dmi/id/{name}", text)
        (self.root / "sys/firmware/efi").mkdir(parents=True)

    def put(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text + "\n", encoding="utf-8")

    def started(self, said: Release) -> None:
        """The kernel's line of a start of this release."""
        self.put("proc/cmdline", f"quiet roothash={said.root_hash} ro")

    def settings(self) -> str:
        return f'[firmware]\ndisk = "{self.disk}"\nesp = "{self.esp}"\n'

    def slots(self, running: str) -> dict[str, str]:
        disk = FileDisk(self.disk, read_only=True)
        try:
            names = [p.name for p in self.esp.iterdir()]
            return {n: s.state for n, s in writer.standing(gpt.read(disk), names, running).items()}
        finally:
            disk.close()

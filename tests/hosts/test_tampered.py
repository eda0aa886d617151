"""What was tampered with does not start: an edited kernel line, one flipped bit of the root."""

from __future__ import annotations

import mmap
import subprocess
from pathlib import Path

import pytest

from image.trees import Tree
from tests.hosts.machine import Machine

CHECKOUT = Path(__file__).resolve().parents[2]
START_S_MAX = 3600  # software emulation on a busy machine


def test_an_edited_kernel_line_does_not_start(image: Path, tools: Tree, room: Path) -> None:
    machine = Machine(room / "edited", image, tools, CHECKOUT / "image/keys")
    flipped(machine.disk, b"lockdown=integrity", after=b"roothash=", change=b"lockdown=none     ")
    machine.start()
    try:
        machine.wait("Access denied", START_S_MAX)
    finally:
        machine.pull()


def test_one_flipped_bit_on_the_disk_does_not_start(image: Path, tools: Tree, room: Path) -> None:
    machine = Machine(room / "flipped", image, tools, CHECKOUT / "image/keys")
    # In the superblock's UUID, which nothing reads to find a file (EROFS on-disk format, offset 1024 + 48).
    position = slot(machine.disk) + 1024 + 48
    with machine.disk.open("r+b") as disk:
        disk.seek(position)
        octet = disk.read(1)[0]
        disk.seek(position)
        disk.write(bytes([octet ^ 1]))
    machine.start()
    try:
        with pytest.raises(TimeoutError) as e:
            machine.wait("Casemate is ready", START_S_MAX)
        assert machine.off(), "a box whose disk was changed restarts; it never gets further"
        assert "verity" in str(e.value)
    finally:
        machine.pull()


def slot(disk: Path) -> int:
    """Where the written root begins on a disk, octets."""
    words = ["partx", "--raw", "--noheadings", "--output", "START,NAME", str(disk)]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return next(int(line.split()[0]) * 512 for line in listed.splitlines() if "casemate_" in line)


def flipped(disk: Path, what: bytes, after: bytes, change: bytes) -> None:
    """Replaces `what` wherever it follows `after` within 4 KiB on a disk."""
    assert len(what) == len(change)
    there = 0
    with disk.open("r+b") as file, mmap.mmap(file.fileno(), 0) as octets:
        at = octets.find(after)
        while at >= 0:
            if (found := octets.find(what, at, at + 4096)) >= 0:
                octets[found : found + len(what)] = change
                there += 1
            at = octets.find(after, at + 1)
    assert there, f"{what!r} is not on the disk"

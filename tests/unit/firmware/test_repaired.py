"""A release's medium onto a box's disk whose state stays: what is renewed, what is never touched, what is refused, and power that fails on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware import FileDisk, copying, gpt, running_slot
from firmware.copying import MIB, Unfit
from tests.support.medium import Medium, disk_file, medium
from tests.unit.firmware.test_copying import copied

STATE = b"state of a box" * 1000


class Cut(Exception):
    """Power failed."""


class Failing(FileDisk):
    """Loses power at the n-th write."""

    left = 1 << 30

    def pwrite(self, offset: int, data: bytes) -> None:
        if self.left == 0:
            raise Cut
        self.left -= 1
        super().pwrite(offset, data)


def box(folder: Path) -> tuple[Path, int]:
    """A disk of a box that ran release 0.1.0, and where its state lies."""
    target = disk_file(folder / "disk")
    copied(medium(folder / "first"), target)
    with FileDisk(target) as disk:
        last = gpt.read(disk).partitions[-1]
        at = last.offset + 4 * MIB
        disk.pwrite(at, STATE)
    return target, at


def repaired(made: Medium, target: Path, cut: int = 1 << 30) -> list[str]:
    said: list[str] = []
    with FileDisk(made.path, read_only=True) as source, Failing(target) as disk:
        disk.left = cut
        copying.repaired(source, disk, "a", made.root_hash, lambda what, *_: said.append(what))
    return said


def runs(target: Path, made: Medium) -> str:
    with FileDisk(target, read_only=True) as disk:
        return running_slot(gpt.read(disk), made.root_hash)


def test_slots_are_renewed_and_the_state_stays(tmp_path: Path) -> None:
    target, at = box(tmp_path)
    with FileDisk(target) as disk:
        for parts in gpt.slots(gpt.read(disk)).values():
            disk.pwrite(parts["root"].offset, b"damaged")
        disk.pwrite(gpt.read(disk).partitions[0].offset, bytes(4096))
    made = medium(tmp_path / "second", version="0.2.0")
    assert {"writing esp", "writing root", "checking root", "verifying root"} <= set(repaired(made, target))
    assert runs(target, made) == "a"
    with FileDisk(target, read_only=True) as disk:
        table = gpt.read(disk)
        assert [p.label for p in table.partitions] == ["esp", *["casemate_0.2.0"] * 3, *["_empty"] * 3]
        assert disk.pread(at, len(STATE)) == STATE
        assert disk.pread(table.partitions[0].offset, MIB) == made.parts["esp"]


@pytest.mark.parametrize("cut", [0, 1, 3, 5, 6, 8, 9, 10])
def test_power_that_fails_leaves_nothing_half_that_starts(tmp_path: Path, cut: int) -> None:
    target, at = box(tmp_path)
    made = medium(tmp_path / "second", version="0.2.0")
    with pytest.raises(Cut):
        repaired(made, target, cut)
    with FileDisk(target, read_only=True) as disk:
        parts = gpt.slots(gpt.read(disk))["a"]
        half = disk.pread(parts["root"].offset, len(made.parts["root"])) != made.parts["root"]
        assert disk.pread(at, len(STATE)) == STATE
    assert not (half and runs(target, made)), "a root that is not whole is not found by its hash"
    repaired(made, target)
    assert runs(target, made) == "a"


def test_a_disk_that_is_laid_out_in_another_way_is_left_alone(tmp_path: Path) -> None:
    made = medium(tmp_path / "second")
    with pytest.raises(gpt.Damaged):
        repaired(made, disk_file(tmp_path / "empty"))
    target, _ = box(tmp_path)
    large = medium(tmp_path / "large", blocks=150)
    with FileDisk(large.path) as disk:
        table = gpt.read(disk)
        entries = bytearray(table.entries)
        first, last = int.from_bytes(entries[32:40], "little"), int.from_bytes(entries[40:48], "little")
        entries[40:48] = (last + last - first).to_bytes(8, "little")  # a boot partition of twice the size
        gpt.write(disk, table, bytes(entries))
    before = target.open("rb").read(64 * 1024)
    with pytest.raises(Unfit, match="smaller than the release's"):
        repaired(large, target)
    assert target.open("rb").read(64 * 1024) == before

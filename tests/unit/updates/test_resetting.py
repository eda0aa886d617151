"""A reset: what could open the state volume is gone, its partition too, and the disk still starts; the program that knows LUKS agrees."""

from __future__ import annotations

import shutil
import struct
import subprocess
import uuid
from pathlib import Path

import pytest

from appliance.errors import Error
from appliance.updates import resetting
from firmware import FileDisk, gpt
from tests.support.medium import MIB, disk_file, medium
from tests.unit.firmware.test_copying import copied

WORDS = "correct horse battery staple"


def box(folder: Path, octets: int = 40 * MIB) -> tuple[Path, gpt.Partition]:
    """A disk as an installation leaves it, with a state volume behind the slots."""
    made, target = medium(folder / "stick"), disk_file(folder / "disk")
    copied(made, target)
    with FileDisk(target) as disk:
        table = gpt.read(disk)
        first = (table.partitions[-1].offset + MIB) // 512
        ids = (uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4").bytes_le, uuid.uuid4().bytes_le)
        row = struct.pack(
            "<16s16sQQQ72s", *ids, first, first + octets // 512 - 1, 0, "casemate-state".encode("utf-16-le")
        )
        entries = table.entries[: 7 * 128] + row + table.entries[8 * 128 :]
        gpt.write(disk, table, entries)
        return target, gpt.read(disk).partitions[7]


def test_a_disk_without_a_state_volume_has_nothing_to_reset(tmp_path: Path) -> None:
    target = disk_file(tmp_path / "disk")
    copied(medium(tmp_path / "stick"), target)
    assert resetting.state_partition(target) == 0
    with pytest.raises(Error, match="no state volume"):
        resetting.erase(target)
    with pytest.raises(Error, match="cannot be read"):
        resetting.erase(disk_file(tmp_path / "blank"))


def test_power_that_fails_leaves_it_to_be_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, place = box(tmp_path)
    write = FileDisk.pwrite

    def cut(self: FileDisk, offset: int, data: bytes) -> None:
        if offset >= place.offset + 3 * MIB:
            raise OSError(5, "power")
        write(self, offset, data)

    monkeypatch.setattr(FileDisk, "pwrite", cut)
    with pytest.raises(Error, match="power"):
        resetting.erase(target)
    monkeypatch.undo()
    assert resetting.state_partition(target) == 8
    resetting.erase(target)
    with FileDisk(target, read_only=True) as disk:
        assert [p.number for p in gpt.read(disk).partitions] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.skipif(shutil.which("cryptsetup") is None, reason="cryptsetup is not installed")
def test_cryptsetup_opens_the_volume_before_and_never_after(tmp_path: Path) -> None:
    target, place = box(tmp_path)
    volume, backup = tmp_path / "volume", tmp_path / "header"

    def luks(*words: str, given: str = WORDS) -> int:
        run = subprocess.run(["cryptsetup", "--batch-mode", *words], input=given, capture_output=True, text=True)
        return run.returncode

    def taken() -> None:
        with target.open("rb") as file, volume.open("wb") as out:
            file.seek(place.offset)
            out.write(file.read(place.octets))

    taken()
    quick = ("--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
    assert luks("luksFormat", *quick, str(volume), "-") == 0
    with target.open("r+b") as file:
        file.seek(place.offset)
        file.write(volume.read_bytes())
    opened = ("open", "--test-passphrase", "--key-file", "-", str(volume))
    assert luks(*opened) == 0
    assert luks("luksHeaderBackup", str(volume), "--header-backup-file", str(backup)) == 0
    before = volume.read_bytes()
    resetting.erase(target)
    taken()
    assert luks("isLuks", str(volume)) != 0
    assert luks(*opened) != 0
    assert luks("repair", str(volume)) != 0, "no second header is left to mend the first with"
    after = volume.read_bytes()
    slots = range(0x8000, 16 * MIB, 4096)
    assert not any(after[n : n + 4096] == before[n : n + 4096] for n in slots), "not one sector of a key slot is left"

"""A medium copied to an empty disk: where everything goes, that other tools read the table, that what is not signed never becomes a disk that starts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from firmware import FileDisk, copying, gpt, running_slot
from firmware.copying import MIB, Unfit
from tests.support.medium import Medium, disk_file, medium


def copied(made: Medium, target: Path, root_hash: str = "", slot: str = "a") -> list[str]:
    """Lines of progress."""
    source, disk, said = FileDisk(made.path, read_only=True), FileDisk(target, alone=True), list[str]()
    try:
        copying.copied(source, disk, slot, root_hash or made.root_hash, lambda what, *_: said.append(what))
    finally:
        source.close()
        disk.close()
    return said


def test_the_new_disk_has_what_the_medium_has_and_an_empty_slot(tmp_path: Path) -> None:
    made, target = medium(tmp_path / "stick"), disk_file(tmp_path / "disk")
    said = copied(made, target)
    assert list(dict.fromkeys(said)) == [
        *(f"{word} {part}" for word in ("writing", "checking") for part in ("esp", "root", "verity", "signature")),
        "verifying root",
    ]
    disk = FileDisk(target, read_only=True)
    table = gpt.read(disk)
    assert running_slot(table, made.root_hash) == "a"
    assert [p.label for p in table.partitions] == ["esp", *["casemate_0.1.0"] * 3, *["_empty"] * 3]
    assert all(p.offset % MIB == 0 for p in table.partitions)
    parts = {"esp": table.partitions[0], **gpt.slots(table)["a"]}
    for name, octets in made.parts.items():
        assert disk.pread(parts[name].offset, len(octets)) == octets, name
    source = FileDisk(made.path, read_only=True)
    before = {p.uuid for p in gpt.read(source).partitions}
    assert {p.uuid for p in table.partitions} & before == {p.uuid for p in gpt.slots(table)["a"].values()}
    source.close()
    disk.close()


def test_partx_of_util_linux_reads_the_table(tmp_path: Path) -> None:
    made, target = medium(tmp_path / "stick"), disk_file(tmp_path / "disk")
    copied(made, target)
    words = ["partx", "--raw", "--noheadings", "--output", "NR,NAME,TYPE,START", str(target)]
    rows = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert rows[0].split() == ["1", "esp", copying.ESP, "2048"]
    assert [row.split()[1] for row in rows[1:]] == ["casemate_0.1.0"] * 3 + ["_empty"] * 3
    head = target.open("rb").read(512)
    assert head[510:] == b"\x55\xaa" and head[450] == 0xEE


def test_both_copies_of_the_table_are_whole(tmp_path: Path) -> None:
    made, target = medium(tmp_path / "stick"), disk_file(tmp_path / "disk")
    copied(made, target)
    with target.open("r+b") as file:
        file.seek(512)
        file.write(bytes(512))
    disk = FileDisk(target, read_only=True)
    assert len(gpt.read(disk).partitions) == 7
    disk.close()


@pytest.mark.parametrize("part", ["root", "verity"])
def test_a_medium_that_is_not_what_was_signed_leaves_no_disk_that_starts(tmp_path: Path, part: str) -> None:
    made, target = medium(tmp_path / "stick"), disk_file(tmp_path / "disk")
    disk = FileDisk(made.path)
    place = gpt.slots(gpt.read(disk))["a"][part]
    at = place.offset + 4096 + 17
    disk.pwrite(at, bytes([disk.pread(at, 1)[0] ^ 1]))
    disk.close()
    with pytest.raises(Unfit, match="not what the release key signed"):
        copied(made, target)
    empty(target)


def test_another_kernel_s_hash_is_refused(tmp_path: Path) -> None:
    made, target = medium(tmp_path / "stick"), disk_file(tmp_path / "disk")
    with pytest.raises(Unfit, match="not what the release key signed"):
        copied(made, target, "0" * 64)
    empty(target)


def empty(target: Path) -> None:
    disk = FileDisk(target, read_only=True)
    with pytest.raises(gpt.Damaged):
        gpt.read(disk)
    disk.close()


def test_a_disk_that_does_not_keep_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, target = medium(tmp_path / "stick"), disk_file(tmp_path / "disk")
    write = FileDisk.pwrite

    def forgets(self: FileDisk, offset: int, data: bytes) -> None:
        write(self, offset, data[:-1] + b"\xff" if len(data) > 600_000 and offset >= 2 * MIB else data)

    monkeypatch.setattr(FileDisk, "pwrite", forgets)
    with pytest.raises(Unfit, match=r"did not keep what was written \(root\)"):
        copied(made, target)
    empty(target)


@pytest.mark.parametrize("after", [1, 4, 7, 8, 9])
def test_power_that_fails_leaves_nothing_that_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Old table and old content are on the disk; whatever write is the last, it has no table, or the whole new one."""
    made, target = medium(tmp_path / "stick"), disk_file(tmp_path / "disk")
    copied(made, target)
    write, done = FileDisk.pwrite, [0]

    def cut(self: FileDisk, offset: int, data: bytes) -> None:
        done[0] += 1
        if done[0] > after:
            raise OSError("power")
        write(self, offset, data)

    monkeypatch.setattr(FileDisk, "pwrite", cut)
    with pytest.raises(OSError, match="power"):
        copied(made, target)
    monkeypatch.undo()
    disk = FileDisk(target, read_only=True)
    try:
        found = gpt.read(disk).partitions
    except gpt.Damaged:
        found = []
    disk.close()
    # 1 blank begin, 2 blank end, 3 to 6 parts, 7 first sector, 8 and 9 the backup's entries and header
    assert (len(found) == 7) == (after in (1, 9))
    copied(made, target)


def test_a_disk_that_is_too_small_is_not_touched(tmp_path: Path) -> None:
    made, target = medium(tmp_path / "stick"), disk_file(tmp_path / "disk", 2 << 30)
    with target.open("r+b") as file:
        file.write(b"what was there")
    with pytest.raises(Unfit, match="too small"):
        copied(made, target)
    assert target.open("rb").read(14) == b"what was there"


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "no superblock"),
        (b"verity\0\0".ljust(512, b"\0"), "another way"),
        (b"verity\0\0\1\0\0\0\1\0\0\0".ljust(512, b"x"), "another way"),
    ],
)
def test_a_superblock_is_read_strictly(octets: bytes, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        copying.superblock(octets)

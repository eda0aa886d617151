"""Writing a release to the other slot: on a disk whose power fails at random moments and that loses what it had not synced."""

from __future__ import annotations

import hashlib
import random
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware import gpt, writer
from firmware.entries import Entry, chosen, entries, started
from firmware.refusals import Refused
from firmware.release import Image, Release, uuids_of
from firmware.writer import Held, Journal, Unwritten
from tests.support.release_keys import release
from tests.support.slots import DISK, SECTOR, blank_disk

SIZES = {"root": 150_000, "verity": 9_000, "signature": 600, "kernel": 70_000}


class PowerCut(Exception):
    """The machine is off."""


class Power:
    """Counts what touches a medium; at `cut` it is over."""

    def __init__(self, cut: int | None = None) -> None:
        self.count, self.cut = 0, cut

    def used(self) -> None:
        self.count += 1
        if self.cut is not None and self.count > self.cut:
            raise PowerCut


class FaultyDisk:
    """Keeps written sectors in a cache until `settle`; a cut keeps any part of them."""

    def __init__(self, octets: bytes, power: Power) -> None:
        self.stable, self.cache, self.power = bytearray(octets), dict[int, bytes](), power

    @property
    def octets(self) -> int:
        return len(self.stable)

    def pread(self, offset: int, octets: int) -> bytes:
        first = offset // SECTOR
        last = -(-(offset + octets) // SECTOR)
        whole = b"".join(
            self.cache.get(n) or bytes(self.stable[n * SECTOR : (n + 1) * SECTOR]) for n in range(first, last)
        )
        return whole[offset - first * SECTOR :][:octets]

    def pwrite(self, offset: int, data: bytes) -> None:
        self.power.used()
        first, last = offset // SECTOR, -(-(offset + len(data)) // SECTOR)
        whole = bytearray(self.pread(first * SECTOR, (last - first) * SECTOR))
        whole[offset - first * SECTOR : offset - first * SECTOR + len(data)] = data
        for n in range(first, last):
            self.cache[n] = bytes(whole[(n - first) * SECTOR : (n - first + 1) * SECTOR])

    def settle(self) -> None:
        self.power.used()
        self.lost(1.0)

    def lost(self, kept: float, chance: random.Random | None = None) -> None:
        for n, octets in self.cache.items():
            if chance is None or chance.random() < kept:
                self.stable[n * SECTOR : (n + 1) * SECTOR] = octets
        self.cache.clear()


class FaultyEsp:
    """A folder in memory: a file that was being written when power failed is there in part."""

    def __init__(self, power: Power) -> None:
        self.files: dict[str, bytes] = {}
        self.power = power

    def names(self) -> list[str]:
        return sorted(self.files)

    def write(self, name: str, pieces: Iterator[bytes]) -> None:
        self.files[name] = b""
        for piece in pieces:
            self.power.used()
            self.files[name] += piece

    def read(self, name: str) -> Iterator[bytes]:
        yield self.files[name]

    def rename(self, name: str, to: str) -> None:
        self.power.used()
        self.files[to] = self.files.pop(name)

    def remove(self, name: str) -> None:
        self.power.used()
        self.files.pop(name, None)


def content(version: str, part: str) -> bytes:
    return random.Random(f"{version} {part}").randbytes(SIZES[part])


class Source:
    """A checked bundle in memory."""

    def __init__(self, said: Release, spoilt: str = "") -> None:
        self.release, self.spoilt = said, spoilt

    def pieces(self, part: str) -> Iterator[bytes]:
        octets = content(self.release.version, part)
        if part == self.spoilt:
            octets = octets[:-1] + bytes([octets[-1] ^ 1])
        for n in range(0, len(octets), 8192):
            yield octets[n : n + 8192]

    @property
    def images(self) -> dict[str, Image]:
        found = {part: content(self.release.version, part) for part in SIZES}
        return {part: Image(part, len(o), hashlib.sha256(o).hexdigest()) for part, o in found.items()}


class Rig:
    """A box with release 0.1.0 good in slot a, on media that can be cut off."""

    def __init__(self, tmp_path: Path) -> None:
        self.journal = Journal(tmp_path / "journal.json")
        self.stable, self.files = blank_disk(), {}
        self.running = ""
        self.put(release("0.1.0"))
        self.running = self.boot()
        disk, esp = self.media(Power())
        writer.bless(disk, esp, self.running)
        self.keep(disk, esp)

    def media(self, power: Power) -> tuple[FaultyDisk, FaultyEsp]:
        disk, esp = FaultyDisk(self.stable, power), FaultyEsp(power)
        esp.files = dict(self.files)
        return disk, esp

    def keep(self, disk: FaultyDisk, esp: FaultyEsp) -> None:
        self.stable, self.files = bytes(disk.stable), esp.files

    def put(self, said: Release, cut: int | None = None, seed: int = 0, spoilt: str = "") -> int:
        """Installs, or begins to; how many times a medium was touched."""
        power = Power(cut)
        disk, esp = self.media(power)
        source = Source(said, spoilt)
        target = self.running or "b"
        try:
            images = source.images
            if not self.running:  # the very first one: slot b is taken for running, nothing is there yet
                self.files["casemate_0.0.1.efi"] = esp.files["casemate_0.0.1.efi"] = b""
                esp_slots = gpt.slots(gpt.read(disk))["b"]
                table = gpt.read(disk)
                gpt.write(
                    disk, table, gpt.changed(table, {esp_slots["root"].number: (str(uuid.uuid4()), "casemate_0.0.1")})
                )
            writer.install(disk, esp, source, images, said.root_hash, target, self.journal, lambda *_: None)
        except PowerCut:
            disk.lost(0.5, random.Random(seed))
        finally:
            disk.settle() if cut is None else disk.cache.clear()
            esp.files.pop("casemate_0.0.1.efi", None)
            self.keep(disk, esp)
        return power.count

    def boot(self) -> str:
        """Starts as the firmware would, again after each failure; the slot that runs. Fails when nothing does."""
        for _ in range(12):
            best = chosen(entries(self.files))
            assert best is not None, f"nothing to start: {sorted(self.files)}"
            kernel = self.files.pop(best.name)
            best = started(best)
            self.files[best.name] = kernel
            if (slot := self.works(best, kernel)) is not None:
                return slot
        raise AssertionError("bricked")

    def works(self, best: Entry, kernel: bytes) -> str | None:
        """The kernel is whole, and finds a root with its UUID whose content is right."""
        if kernel != content(best.version, "kernel"):
            return None
        disk, _ = self.media(Power())
        wanted = uuids_of(release(best.version).root_hash)[0]
        for slot, parts in gpt.slots(gpt.read(disk)).items():
            if parts["root"].uuid == wanted:
                right = all(
                    disk.pread(parts[p].offset, SIZES[p]) == content(best.version, p)
                    for p in ("root", "verity", "signature")
                )
                return slot if right else None
        return None


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return Rig(tmp_path_factory.mktemp("rig"))


@pytest.fixture
def box(rig: Rig, tmp_path: Path) -> Rig:
    """A copy of the rig for one test."""
    one = object.__new__(Rig)
    one.__dict__ |= rig.__dict__ | {"files": dict(rig.files), "journal": Journal(tmp_path / "journal.json")}
    return one


def test_a_release_is_installed_started_and_blessed(box: Rig) -> None:
    assert box.running == "a"
    box.put(release("0.2.0"))
    assert "casemate_0.2.0+3-0.efi" in box.files
    assert box.boot() == "b"
    disk, esp = box.media(Power())
    assert writer.running_slot(gpt.read(disk), release("0.2.0").root_hash) == "b"
    assert writer.bless(disk, esp, "b").name in esp.files
    assert writer.standing(gpt.read(disk), esp.names(), "b")["b"].state == "good"
    assert not box.journal.path.exists()


def test_power_may_fail_at_any_moment_of_the_write(box: Rig, tmp_path: Path) -> None:
    """At 20 random moments: the box starts the old release or the new one, and the installation can be done again from where it was."""
    moments = box.put(release("0.2.0"))
    chance = random.Random(20_261_126)
    began, files = None, None
    for n, cut in enumerate(sorted(chance.sample(range(moments), 20))):
        one = object.__new__(Rig)
        began = began or Rig(tmp_path).stable
        files = files or {"casemate_0.1.0.efi": content("0.1.0", "kernel")}
        journal = Journal(tmp_path / f"journal-{n}.json")
        one.__dict__ |= {"stable": began, "files": dict(files), "running": "a", "journal": journal}
        one.put(release("0.2.0"), cut, seed=n)
        assert one.boot() == "a", cut
        one.put(release("0.2.0"), cut=None)
        assert one.boot() == "b", f"not installed after a cut at {cut}"


def test_a_release_that_never_starts_falls_back_by_itself(box: Rig) -> None:
    box.put(release("0.2.0"))
    name = "casemate_0.2.0+3-0.efi"
    box.files[name] = b"broken" + box.files[name]
    assert box.boot() == "a"
    assert "casemate_0.2.0+0-3.efi" in box.files
    disk, esp = box.media(Power())
    slots = writer.standing(gpt.read(disk), esp.names(), "a")
    assert (slots["a"].state, slots["b"].state) == ("good", "bad")
    assert writer.reinstate(disk, esp, "a", 2).name == "casemate_0.2.0+2-0.efi"


def test_one_command_goes_back(box: Rig) -> None:
    box.put(release("0.2.0"))
    assert box.boot() == "b"
    disk, esp = box.media(Power())
    writer.bless(disk, esp, "b")
    writer.roll_back(disk, esp, "b")
    box.keep(disk, esp)
    assert box.boot() == "a"
    disk, esp = box.media(Power())
    with pytest.raises(Held, match="no way back"):
        writer.roll_back(disk, esp, "a")


@pytest.mark.parametrize("part", ["root", "verity", "kernel"])
def test_what_changes_between_check_and_write_is_found(box: Rig, part: str) -> None:
    with pytest.raises((Refused, Unwritten)):
        box.put(release("0.2.0"), spoilt=part)
    assert box.boot() == "a"
    box.put(release("0.2.0"))
    assert box.boot() == "b"


def test_a_disk_that_does_not_keep_what_was_written_is_found(box: Rig) -> None:
    disk, esp = box.media(Power())
    source = Source(release("0.2.0"))
    at = gpt.slots(gpt.read(disk))["b"]["root"].offset
    honest = disk.pread
    disk.pread = lambda offset, octets: (
        honest(offset, octets)[: octets - 1] + b"!" if offset == at else honest(offset, octets)
    )  # type: ignore[method-assign]
    with pytest.raises(Unwritten):
        writer.install(disk, esp, source, source.images, "x", "a", box.journal, lambda *_: None)
    assert box.journal.read("x", "root") == 0, "all of it is written anew"


def test_the_table_is_whole_whatever_is_lost(box: Rig) -> None:
    before = gpt.read(box.media(Power())[0])
    numbers = {p.number: (str(uuid.UUID(int=p.number)), "casemate_9") for p in before.partitions}
    for cut in range(1, 8):
        for seed in range(6):
            disk, _ = box.media(Power(cut))
            try:
                gpt.write(disk, before, gpt.changed(before, numbers))
            except PowerCut:
                disk.lost(0.5, random.Random(seed))
            disk.cache.clear()
            labels = {p.label for p in gpt.read(disk).partitions}
            assert labels in ({"casemate_9"}, {p.label for p in before.partitions})


def test_no_whole_table_is_said() -> None:
    with pytest.raises(gpt.Damaged):
        gpt.read(FaultyDisk(bytes(DISK), Power()))
    spoilt = bytearray(blank_disk())
    spoilt[600] ^= 1
    assert zlib.crc32(bytes(spoilt)) and len(gpt.read(FaultyDisk(bytes(spoilt), Power())).partitions) == 6, (
        "the backup counts"
    )

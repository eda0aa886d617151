"""A power cut at 20 random moments of the write, with the kernel's own block layer: the installer that a box runs is killed, and what it had not synced is lost.

The disk is a loop device, boot partition and state are ext4 on another. What a power cut leaves is what is in their files at the moment of the kill: pages that
the kernel still held are not there. From those files the box is started as firmware and systemd-boot would, then the installation is done again.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware import FileDisk, FolderEsp, building, gpt, writer
from firmware.entries import chosen, entries, started
from firmware.release import uuids_of
from tests.support.release_keys import Issuer, parts, release, trusted
from tests.support.slots import SECTOR, blank_disk

pytestmark = pytest.mark.timeout(3_600)
CHECKOUT = Path(__file__).resolve().parents[2]
MOMENTS = 20
MIB = 1 << 20
SIZES = {"root": 20, "verity": 2, "signature": 1}  # MiB of each partition
FIRST, NEXT = release("0.1.0"), release("0.2.0")
#: The installer of a box, in a process of its own. With a number it kills itself before its so manieth touch of a medium.
RUN = """
import os, signal, sys
from pathlib import Path
from firmware import FileDisk, FolderEsp
from tests.hosts.test_release_on_disk import updates_of
left, touched = int(sys.argv[4]), 0
def counted(real):
    def call(*given):
        global touched
        if touched == left:
            os.kill(os.getpid(), signal.SIGKILL)
        touched += 1
        return real(*given)
    return call
def pieces(real):
    def call(self, name, given):
        return real(self, name, map(counted(lambda piece: piece), given))
    return call
FileDisk.pwrite, FileDisk.settle = counted(FileDisk.pwrite), counted(FileDisk.settle)
FolderEsp.rename, FolderEsp.remove = counted(FolderEsp.rename), counted(FolderEsp.remove)
FolderEsp.write = pieces(FolderEsp.write)
updates_of(Path(sys.argv[1]), Path(sys.argv[2])).install(Path(sys.argv[3]), "cli:root", lambda *_: None)
print(touched)
"""


def content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Rig:
    """Two media as files; `powered` gives them to the kernel, and takes them away as a power cut does."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.place = folder, folder / "place"
        self.disk, self.rest = folder / "disk.img", folder / "rest.img"
        self.place.mkdir()
        self.parts = parts(folder / "parts", octets=17 * MIB)
        vendor = Issuer("Vendor", folder / "vendor")
        self.trust, self.bundle = trusted(folder / "trust", vendor), folder / "next.raucb"
        building.build(self.parts, NEXT, "verity", vendor.issued("Release 2026"), self.bundle)
        # In slot a any content: what counts is that it is still there.
        self.first = random.Random(1).randbytes(SIZES["root"] * MIB)
        self.kernel = b"MZ" + random.Random(2).randbytes(100_000)
        self._partitioned()
        with self.rest.open("wb") as file:
            file.truncate(64 * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.rest)], check=True)
        with self.powered():
            esp = self.place / "esp/EFI/Linux"
            esp.mkdir(parents=True)
            (esp / f"casemate_{FIRST.version}.efi").write_bytes(self.kernel)
            machine = self.place / "machine"
            texts = {"proc/cmdline": f"roothash={FIRST.root_hash}\n", "sys/class/dmi/id/product_serial": "SN-1\n"}
            for path, text in texts.items():
                (machine / path).parent.mkdir(parents=True, exist_ok=True)
                (machine / path).write_text(text)
            (machine / "sys/firmware/efi").mkdir(parents=True)
            os.sync()

    def _partitioned(self) -> None:
        sectors = {part: mib * MIB // SECTOR for part, mib in SIZES.items()}
        self.disk.write_bytes(blank_disk((2 * sum(SIZES.values()) + 2) * MIB, sectors))
        with FileDisk(self.disk) as disk:
            table = gpt.read(disk)
            here = gpt.slots(table)["a"]
            names = {here[part].number: (FIRST.uuids[part], f"casemate_{FIRST.version}") for part in SIZES}
            gpt.write(disk, table, gpt.changed(table, names))
            disk.pwrite(here["root"].offset, self.first)

    @contextmanager
    def powered(self) -> Iterator[str]:
        """The disk's device. At the end nothing is synced that was not before: the files are copied while the kernel still holds its pages."""
        loop = subprocess.run(
            ["losetup", "--find", "--show", str(self.disk)], check=True, capture_output=True, text=True
        )
        device = loop.stdout.strip()
        subprocess.run(["mount", "-o", "loop", str(self.rest), str(self.place)], check=True)
        (self.place / "disk.raw").unlink(missing_ok=True)
        (self.place / "disk.raw").symlink_to(device)
        held = os.open(device, os.O_RDONLY)  # the kernel writes all of it out when the last one closes a device
        try:
            yield device
        finally:
            left = [Path(shutil.copyfile(path, path.with_suffix(".left"))) for path in (self.disk, self.rest)]
            os.close(held)
            subprocess.run(["umount", str(self.place)], check=True)
            subprocess.run(["losetup", "--detach", device], check=True)
            for path, kept in zip((self.disk, self.rest), left, strict=True):
                kept.replace(path)

    def installs(self, touches: int = -1) -> int:
        """Runs the installer until it is done, or killed before a touch; how many there were, -1 when it was killed."""
        words = [sys.executable, "-c", RUN, str(self.place), str(self.trust), str(self.bundle), str(touches)]
        ended = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, timeout=600, check=False)
        if ended.returncode == -signal.SIGKILL:
            return -1
        assert ended.returncode == 0, ended.stderr
        return int(ended.stdout)

    def starts(self) -> str:
        """The version that runs after a start of what is on the media; each try that fails counts one down, as systemd-boot does it."""
        with self.powered() as device:
            esp = self.place / "esp/EFI/Linux"
            for _ in range(12):
                best = chosen(entries([p.name for p in esp.iterdir()]))
                assert best is not None, "nothing to start"
                counting = started(best)
                (esp / best.name).rename(esp / counting.name)
                if self.works(device, counting.version, (esp / counting.name).read_bytes()):
                    os.sync()
                    return counting.version
            raise AssertionError("bricked")

    def works(self, device: str, version: str, kernel: bytes) -> bool:
        """The kernel is whole; the root that it looks for is there, with its content, as are hash tree and signature."""
        said = FIRST if version == FIRST.version else NEXT
        if kernel != (self.kernel if said is FIRST else self.parts["kernel"].read_bytes()):
            return False
        with FileDisk(Path(device), read_only=True) as disk:
            for part in gpt.slots(gpt.read(disk)).values():
                if part["root"].uuid == uuids_of(said.root_hash)[0]:
                    if said is FIRST:
                        return disk.pread(part["root"].offset, len(self.first)) == self.first
                    return all(
                        disk.pread(part[name].offset, path.stat().st_size) == path.read_bytes()
                        for name, path in self.parts.items()
                        if name in SIZES
                    )
        return False


class Moments(Rig):
    """The rig, how often an installation touches its media, and 20 of those touches."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.whole = [Path(shutil.copyfile(path, path.with_suffix(".whole"))) for path in (self.disk, self.rest)]
        self.seed = random.randrange(1 << 32)
        with self.powered():
            self.touches = self.installs()
        assert self.starts() == NEXT.version
        with self.powered() as device, FileDisk(Path(device)) as disk:
            writer.bless(disk, FolderEsp(self.place / "esp/EFI/Linux"), "b")
        self.lost: list[int] = []  # cuts at which something had been written and not synced
        self.cuts = sorted(random.Random(self.seed).sample(range(self.touches), MOMENTS))
        print(f"\n{self.touches} touches of the media; seed {self.seed}")

    def anew(self) -> None:
        for path, kept in zip((self.disk, self.rest), self.whole, strict=True):
            shutil.copyfile(kept, path)


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moments]:
    if os.geteuid() != 0:
        pytest.skip("loop devices are root's")
    folder = tmp_path_factory.mktemp("rig")
    yield Moments(folder)
    shutil.rmtree(folder)


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_the_box_starts_after_a_power_cut(moments: Moments, moment: int) -> None:
    """What runs is the release before, or all of the new one; then the installation is done again, to its end."""
    cut = moments.cuts[moment]
    moments.anew()
    with moments.powered() as device:
        assert moments.installs(cut) == -1
        if content(moments.disk) != content(Path(device)):  # the kernel held it, the medium did not have it
            moments.lost.append(cut)
    version = moments.starts()
    print(f"\ncut before touch {cut} of {moments.touches}: {version} runs")
    assert version in (FIRST.version, NEXT.version)
    if version == FIRST.version:
        with moments.powered():
            moments.installs()
        assert moments.starts() == NEXT.version


def test_what_was_not_synced_was_lost(moments: Moments) -> None:
    """Else the cuts were none."""
    print(f"\nwritten and lost at {len(moments.lost)} of {MOMENTS} moments")
    assert moments.lost

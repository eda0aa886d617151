"""The release that comes after the built image, written to the other slot of the built disk, both as they are shipped; the installer is killed on the way.

No virtual machine: the disk is a file, its boot partition's files a folder, and other people's tools say whether what was written is whole.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.settings import parse
from appliance.updates import Machine, Refused, Updates
from image.trees import Tree
from tests.hosts.releases import Releases, by_a_stranger, tampered, truncated
from tests.unit.updates.test_updates import Recorded

pytestmark = pytest.mark.timeout(7_200)
CHECKOUT = Path(__file__).resolve().parents[2]
FIRST, NEXT = "0.1.0", "0.2.0"
KILLS = 6
RUN = """
import sys
from pathlib import Path
from tests.hosts.test_release_on_disk import updates_of
updates_of(Path(sys.argv[1]), Path(sys.argv[2])).install(Path(sys.argv[3]), "cli:root", lambda *_: None)
"""


def rows(disk: Path) -> list[tuple[str, int, int]]:
    """(label, offset, octets) of each partition, as util-linux reads the table."""
    words = ["partx", "--raw", "--noheadings", "--output", "NAME,START,SECTORS", str(disk)]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    return [(name, int(start) * 512, int(count) * 512) for name, start, count in (line.split() for line in said)]


def boot_files(disk: Path, folder: Path, tools: Tree) -> Path:
    """What is on the boot partition, as a folder: FAT is read by mtools, for not every kernel mounts it."""
    _, start, _ = rows(disk)[0]
    words = ["mcopy", "-s", "-i", f"/build/box/{disk.name}@@{start}", "::/EFI", "/build/box/esp/"]
    (folder / "esp").mkdir()
    subprocess.run(tools.words(words, {folder: "/build/box"}), check=True, stdin=subprocess.DEVNULL)
    return folder / "esp"


def updates_of(folder: Path, trust: Path) -> Updates:
    values = {
        "firmware": {
            "disk": str(folder / "disk.raw"),
            "esp": str(folder / "esp/EFI/Linux"),
            "trust": str(trust),
            "two_people": False,
        }
    }
    return Updates(parse(values, folder / "home", "test"), Machine(folder / "machine"), Recorded())  # type: ignore[arg-type]


def root_hash_in(kernel: Path) -> str:
    """Of the command line in a unified kernel image."""
    found = re.search(rb"roothash=([0-9a-f]{64})", kernel.read_bytes())
    assert found is not None
    return found[1].decode()


@pytest.fixture(scope="module")
def desk(request: pytest.FixtureRequest, image: Path, tools: Tree, room: Path) -> tuple[Path, Releases]:
    """A box that runs the built release, and the desk that makes the next."""
    folder = room / "on-disk"
    folder.mkdir()
    subprocess.run(["cp", "--sparse=always", image, folder / "disk.raw"], check=True)
    kept = request.config.getoption("--kept")
    releases = Releases(Path(kept or folder) / "releases", tools.path.parent, tools.path.parent.parent / "keys")
    esp = boot_files(folder / "disk.raw", folder, tools)
    running = root_hash_in(esp / f"EFI/Linux/casemate_{FIRST}.efi")
    texts = {"proc/cmdline": f"quiet roothash={running}\n", "sys/class/dmi/id/product_serial": "SN-1\n"}
    for path, text in texts.items():
        (folder / "machine" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "machine" / path).write_text(text)
    (folder / "machine/sys/firmware/efi").mkdir(parents=True)
    return folder, releases


def test_what_must_not_be_installed_is_refused(desk: tuple[Path, Releases]) -> None:
    folder, releases = desk
    updates, right = updates_of(folder, releases.keys / "trust"), releases.made(NEXT, FIRST, 3)
    keyring = releases.keys / "trust/authority/development.pem"
    for code, bundle in {
        "truncated": truncated(right, folder / "truncated.raucb"),
        "wrong_signer": by_a_stranger(right, folder / "stranger.raucb", folder / "stranger", keyring),
        "payload_tampered": tampered(right, folder / "tampered.raucb"),
    }.items():
        with pytest.raises(Refused) as e:
            updates.look(bundle, "cli:root")
        assert e.value.code == code
        bundle.unlink()
    assert [name for name, *_ in rows(folder / "disk.raw")][4:7] == ["_empty"] * 3


def test_it_is_written_whole_though_its_installer_is_killed_again_and_again(desk: tuple[Path, Releases]) -> None:
    folder, releases = desk
    bundle, disk = releases.made(NEXT, FIRST, 3), folder / "disk.raw"
    words = [sys.executable, "-c", RUN, str(folder), str(releases.keys / "trust"), str(bundle)]
    note, marks = folder / "home/updates/progress.json", [f'"percent": {n}' for n in (10, 30, 50, 70, 85, 95)]
    for mark in marks[:KILLS]:
        running = subprocess.Popen(words, cwd=CHECKOUT)
        until = time.monotonic() + 1_200
        while running.poll() is None and time.monotonic() < until:
            said = note.read_text() if note.exists() else ""
            if '"writing root"' in said and mark in said:
                running.send_signal(signal.SIGKILL)
                break
            time.sleep(0.002)
        running.wait(1_200)
        assert running.returncode in (0, -signal.SIGKILL)
        assert (folder / f"esp/EFI/Linux/casemate_{FIRST}.efi").exists(), "what runs is never touched"
    assert updates_of(folder, releases.keys / "trust").install(bundle, "cli:root", lambda *_: None) == NEXT
    labels = [name for name, *_ in rows(disk)]
    assert labels[1:4] == [f"casemate_{FIRST}"] * 3 and labels[4:7] == [f"casemate_{NEXT}"] * 3
    names = sorted(p.name for p in (folder / "esp/EFI/Linux").iterdir())
    assert names == [f"casemate_{FIRST}.efi", f"casemate_{NEXT}+3-0.efi"]
    (_, root, root_octets), (_, verity, verity_octets) = rows(disk)[4:6]
    devices = []
    try:
        for start, octets in ((root, root_octets), (verity, verity_octets)):
            looped = [
                "losetup",
                "--find",
                "--show",
                "--read-only",
                "--offset",
                str(start),
                "--sizelimit",
                str(octets),
                str(disk),
            ]
            devices.append(subprocess.run(looped, check=True, capture_output=True, text=True).stdout.strip())
        digest = root_hash_in(folder / f"esp/EFI/Linux/casemate_{NEXT}+3-0.efi")
        subprocess.run(["veritysetup", "verify", *devices, digest], check=True)  # cryptsetup's, not ours
    finally:
        for device in devices:
            subprocess.run(["losetup", "--detach", device], check=True)

"""The disk that the box was started from and its partitions, as the kernel shows them under /sys. Names of partitions are not read here: of those that were
just made the kernel knows none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from appliance.errors import Error

BLOCK: Final = Path("/sys/class/block")


def disk_of(root: str, block: Path = BLOCK) -> str:
    """The disk under the block device that is mounted as root: `vda` for `dm-0` over `vda2`. Raises Error `not_found` when there is none."""
    name = root
    while (block / name / "slaves").is_dir() and any((block / name / "slaves").iterdir()):
        # A verity device has two: data and hash tree, on the same disk.
        name = sorted(p.name for p in (block / name / "slaves").iterdir())[0]
    place = (block / name).resolve()
    if not (place / "partition").exists():
        raise Error("not_found", f"{root} is not on a partition of a disk", "start the box from its own disk")
    return place.parent.name


def device_of(disk: str, number: int, block: Path = BLOCK) -> str:
    """The device of a partition by its number: `/dev/nvme0n1p8`. Raises Error `not_found`."""
    for place in sorted((block / disk).resolve().iterdir()):
        if (place / "partition").exists() and int((place / "partition").read_text(encoding="ascii")) == number:
            return f"/dev/{place.name}"
    raise Error("not_found", f"{disk} shows no partition {number}", "see the journal of this start")


def portable(disk: str, block: Path = BLOCK) -> bool:
    """Whether it is a stick, or a BMC's virtual medium: on USB, or removable. Such a one is for installing, not for a box's state."""
    place = (block / disk).resolve()
    try:
        removable = (place / "removable").read_text(encoding="ascii").strip() == "1"
    except OSError:
        removable = False
    return removable or any(part.startswith("usb") for part in place.parts)


def root_device(mounts: Path = Path("/proc/self/mountinfo"), numbers: Path = Path("/sys/dev/block")) -> str:
    """The kernel's name of what is mounted on `/`: `dm-0`."""
    for line in mounts.read_text(encoding="utf-8").splitlines():
        words = line.split(" ")
        if words[4] == "/" and (numbers / words[2]).exists():
            return (numbers / words[2]).resolve().name
    raise Error("not_found", "the root file system is not on a block device", "this is for the appliance's own disk")


def root_disk() -> str:
    """The disk that this box was started from: `vda`."""
    return disk_of(root_device())

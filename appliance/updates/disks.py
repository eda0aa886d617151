"""The disks of this machine, and whether one of them may be installed to. Judging is pure; reading asks sysfs and the partition table.

A disk that holds anything is written only when a person typed its serial number: the state volume of another box is never made
anew by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import firmware
from appliance.errors import Error

STATE: Final = "casemate-state"  # label of the partition, as roles/volumes makes it
NEVER: Final = re.compile(r"(loop|ram|zram|dm-|md|sr|fd|nbd)\d*")
_LOOKED: Final = 1 << 20  # octets at the begin of a disk: file systems, LUKS and tables show there


class Disk(NamedTuple):
    """One disk. `octets` in all, `sector` octets of a logical sector; `labels` of its partitions; `held`: mounted, or part of a volume."""

    name: str
    model: str
    serial: str
    octets: int
    sector: int
    usb: bool
    read_only: bool
    runs: bool
    held: bool
    filled: bool
    labels: tuple[str, ...]

    @property
    def word(self) -> str:
        """What has to be typed before anything on it is lost: its serial number, or its name where it has none."""
        return self.serial or self.name

    @property
    def line(self) -> str:
        where = "USB, " if self.usb else ""
        there = "runs this system" if self.runs else ", ".join(x or "?" for x in self.labels[:3]) if self.labels else ""
        there = there or ("not empty" if self.filled else "empty")
        size = f"{self.octets / 1e9:.0f} GB" if self.octets >= 1e9 else f"{self.octets / 1e6:.0f} MB"
        return f"{self.name:<8} {where}{size}  {self.model[:20] or '-'}  {self.serial[:24] or 'no serial number'}  {there[:40]}"


#: Why a disk is refused -> (code, sentence, what to do), in the order of the questions.
REFUSALS: Final[dict[str, tuple[str, str, str]]] = {
    "runs": ("forbidden", "the box was started from this disk", "choose another one: `casemate install disks`"),
    "read_only": ("forbidden", "the disk is read-only", "see its switch, or the controller's settings"),
    "held": (
        "key_state",
        "something on the disk is mounted or in use",
        "take it out of use, or start the medium again",
    ),
    "sector": ("invalid", "its sectors have another size than the medium's", "choose a disk with the same sectors"),
    "small": (
        "too_large",
        "the disk is too small",
        "choose a larger one: `casemate install disks` says what is needed",
    ),
    "word": (
        "forbidden",
        "the disk is not empty: what is on it would be lost",
        "type its serial number, as `casemate install disks` shows it, if that is meant",
    ),
}


def refused(disk: Disk, needed: int, sector: int, typed: str) -> str:
    """Why it may not be installed to (a key of REFUSALS), "" when it may. `typed`: what a person typed as its serial number."""
    if disk.runs:
        return "runs"
    if disk.read_only:
        return "read_only"
    if disk.held:
        return "held"
    if disk.sector != sector:
        return "sector"
    if disk.octets < needed:
        return "small"
    if (disk.filled or disk.labels) and typed != disk.word:
        return "word"
    return ""


def allowed(disk: Disk, needed: int, sector: int, typed: str) -> None:
    """Raises Error with the code of REFUSALS."""
    why = refused(disk, needed, sector, typed)
    if not why:
        return
    code, sentence, hint = REFUSALS[why]
    if why == "word" and STATE in disk.labels:
        sentence = "the disk holds the state of a box: its messages, keys and audit log would be lost"
    raise Error(code, f"{disk.name}: {sentence}", hint, why=why)


def repairable(disk: Disk, sector: int) -> None:
    """Raises Error for a disk that no box ran from, or that is in use."""
    why = refused(disk, 0, sector, disk.word)
    if why:
        code, sentence, hint = REFUSALS[why]
        raise Error(code, f"{disk.name}: {sentence}", hint, why=why)
    if STATE not in disk.labels:
        raise Error("not_found", f"{disk.name} holds no box's state to keep", "install to it: `casemate install to`")


def only_one(found: Sequence[Disk], needed: int, sector: int) -> Disk:
    """The one empty disk that may be installed to: what `disk = "only"` of a site file means. Raises Error `not_found`."""
    fit = [d for d in found if not refused(d, needed, sector, "") and not d.usb]
    if len(fit) != 1:
        hint = "name the disk by its serial number, as `casemate install disks` shows it"
        raise Error("not_found", f"there are {len(fit)} empty disks that are large enough, not one", hint)
    return fit[0]


# --- reading ---------------------------------------------------------------------------------------------------


def read(running: str, root: Path = Path("/")) -> list[Disk]:
    """Every disk. `running`: the name of the one that the box was started from."""
    place = root / "sys/block"
    names = sorted(p.name for p in place.iterdir()) if place.is_dir() else []
    mounted = _mounted(root)
    return [_disk(root, name, running, mounted) for name in names if not NEVER.fullmatch(name) and _size(root, name)]


def _size(root: Path, name: str) -> int:
    return int(_text(root / "sys/block" / name / "size") or 0) * 512


def _disk(root: Path, name: str, running: str, mounted: frozenset[str]) -> Disk:
    at = root / "sys/block" / name
    parts = [p for p in at.iterdir() if (p / "partition").exists()]
    numbers = {_text(p / "dev") for p in (at, *parts)}
    holders = any(any((p / "holders").iterdir()) for p in (at, *parts) if (p / "holders").is_dir())
    labels, filled = _content(root / "dev" / name)
    return Disk(
        name=name,
        model=_text(at / "device/model"),
        serial=_serial(at),
        octets=_size(root, name),
        sector=int(_text(at / "queue/logical_block_size") or 512),
        usb="/usb" in at.resolve().as_posix() or _text(at / "removable") == "1",
        read_only=_text(at / "ro") == "1",
        runs=name == running,
        held=holders or bool(numbers & mounted),
        filled=filled or bool(parts),
        labels=labels,
    )


def _serial(at: Path) -> str:
    """From the device, or from page 80 of its vital product data (SPC-5, 7.7.16); printable characters only."""
    found = _text(at / "serial") or _text(at / "device/serial")
    if not found:
        try:
            found = (at / "device/vpd_pg80").read_bytes()[4:].decode("ascii", "replace")
        except OSError:
            found = _text(at / "wwid") or _text(at / "device/wwid")
    return re.sub(r"[^A-Za-z0-9_.:-]", "", found)[:64]


def _content(device: Path) -> tuple[tuple[str, ...], bool]:
    """(labels of its partitions, whether there is anything at its begin). A disk that cannot be read counts as filled."""
    try:
        disk = firmware.FileDisk(device, read_only=True)
    except OSError:
        return (), True
    try:
        filled = any(disk.pread(0, _LOOKED))
        return tuple(p.label for p in firmware.gpt.read(disk).partitions), filled
    except (OSError, ValueError):
        return (), True
    except firmware.gpt.Damaged:
        return (), filled
    finally:
        disk.close()


def _mounted(root: Path) -> frozenset[str]:
    """Numbers (major:minor) of what is mounted or swapped to."""
    try:
        lines = (root / "proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(line.split(" ")[2] for line in lines if line.count(" ") > 4)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""

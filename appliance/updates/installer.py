"""The running system written to a disk of this machine: the hand that asks sysfs, judges, copies, and registers the disk with the firmware.

The decisions are in disks.py (which disk) and firmware/copying.py (what goes where); this opens devices. For who starts the box from the
release's own medium; a box that runs from its disk may copy itself, too.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import firmware
from appliance.errors import Error
from appliance.volume import root_disk

from . import disks, site
from .desk import Updates
from .disks import Disk

LIVE: Final = Path("/run/casemate-live")  # appliance/volume makes it on a start whose state is in memory
STICK: Final = Path("/run/casemate-seed")  # where the first boot's unit mounts the volume labelled CASEMATE
PROGRAM_S_MAX: Final = 60.0
BLKRRPART: Final = 0x125F  # linux/fs.h: read the partition table again

Told = Callable[[str, int, int], None]


class Installer:
    """One machine. `root` is / but in tests; `running`: the disk that it was started from."""

    def __init__(self, updates: Updates, root: Path = Path("/"), running: str | None = None) -> None:
        self.updates, self.root = updates, root
        self._running = running

    @property
    def running(self) -> str:
        """Raises Error `not_found` where the root file system is on no disk of its own."""
        if self._running is None:
            try:
                self._running = root_disk()
            except Error:
                raise self._nothing() from None
        return self._running

    @staticmethod
    def _nothing() -> Error:
        hint = "start the box from the release's image on a USB stick; this then writes it to a disk"
        return Error("not_found", "this is no start from a release's image", hint)

    def _source(self) -> tuple[firmware.FileDisk, firmware.gpt.Table, str]:
        if not self.updates.machine.root_hash:
            raise self._nothing()
        try:
            disk = firmware.FileDisk(self.root / "dev" / self.running, read_only=True)
            table = firmware.gpt.read(disk)
        except (OSError, firmware.gpt.Damaged) as e:
            raise Error(
                "store_damaged",
                f"the medium cannot be read: {getattr(e, 'strerror', None) or e}",
                "write the image to it again, or to another",
            ) from None
        return disk, table, firmware.running_slot(table, self.updates.machine.root_hash)

    def needed(self) -> tuple[int, int]:
        """(octets that a disk must have, octets of its sectors). Raises Error."""
        disk, table, slot = self._source()
        disk.close()
        try:
            return firmware.copying.needed(firmware.copying.places(table, slot)), table.sector
        except (firmware.copying.Unfit, firmware.gpt.Damaged) as e:
            raise Error("store_damaged", str(e), "write the image to the medium again") from None

    def disks(self) -> list[Disk]:
        return disks.read(self.running, self.root)

    def disk(self, name: str) -> Disk:
        """By name or serial number. Raises Error `not_found`."""
        found = [d for d in self.disks() if name and name in (d.name, f"/dev/{d.name}", d.serial)]
        if len(found) != 1:
            raise Error("not_found", f"there is no disk {name!r}", "see `casemate install disks`")
        return found[0]

    def install(self, name: str, typed: str, who: str, told: Told) -> str:
        """Writes this system to the disk; the version. `typed`: its serial number, for a disk that is not empty. Raises Error."""
        need, sector = self.needed()
        chosen = self.disk(name)
        disks.allowed(chosen, need, sector, typed)
        return self._copied(chosen, "box.installed", firmware.copying.copied, who, told)

    def repair(self, name: str, who: str, told: Told) -> str:
        """Renews boot partition and slots of a box's disk, and leaves its state volume as it is; the version. Raises Error."""
        _, sector = self.needed()
        chosen = self.disk(name)
        disks.repairable(chosen, sector)
        return self._copied(chosen, "box.repaired", firmware.copying.repaired, who, told)

    def _copied(self, chosen: Disk, what: str, copy: Callable[..., Any], who: str, told: Told) -> str:
        version = self.updates.machine.version
        # What runs from the medium keeps nothing: its log ends with this start, and does not hold up the installation.
        record = self.updates.record_or_keep if LIVE.exists() else self.updates.recorder.record
        record(who, what, f"release:{version}", disk=chosen.word)
        self._quiet_boot_partition()
        source, _, slot = self._source()
        try:
            target = firmware.FileDisk(self.root / "dev" / chosen.name, alone=True)
        except OSError as e:
            source.close()
            raise Error(
                "key_state", f"{chosen.name}: {e.strerror}", "something on the disk is in use: start the medium again"
            ) from None
        try:
            copy(source, target, slot, self.updates.machine.root_hash, told)
            _read_again(self.root / "dev" / chosen.name)
        except (firmware.copying.Unfit, firmware.gpt.Damaged) as e:
            raise Error(
                "store_damaged", f"{chosen.name}: {e}", "try again; then another disk, or another medium"
            ) from None
        except OSError as e:
            raise Error("store_full", f"{chosen.name}: {e.strerror or e}", "another disk: this one fails") from None
        finally:
            source.close()
            target.close()
        self._registered(chosen.name)
        return version

    def _quiet_boot_partition(self) -> None:
        """Nothing writes to the medium's boot partition while it is copied; where it is not mounted nothing does anyway."""
        if self.root == Path("/"):
            os.sync()
            _ran("mount", "-o", "remount,ro", "/efi")

    def _registered(self, name: str) -> None:
        """An entry of the firmware's own for the disk. Firmware that takes none starts the disk by its default path (UEFI 2.10, 3.5.1.1)."""
        if self.root == Path("/") and (self.root / "sys/firmware/efi").exists():
            words = ("--create", "--disk", f"/dev/{name}", "--part", "1", "--label", "Casemate")
            _ran("efibootmgr", "--quiet", *words, "--loader", "\\EFI\\systemd\\systemd-bootx64.efi")

    # --- by a site file -------------------------------------------------------------------------------------

    def signed(self, folder: Path, now_s: int) -> site.Site:
        """What the stick's signed file says for this box. Raises Error."""
        trusted = site.authority(Path(self.updates.settings["firmware.site_trust"]))
        return site.read(folder, trusted, self.updates.serial, now_s)

    def unattended(self, said: site.Site, who: str, told: Told) -> str:
        """Installs as the site file says; the disk's name. Raises Error."""
        need, sector = self.needed()
        found = self.disks()
        chosen = disks.only_one(found, need, sector) if said.disk == site.ONLY else self.disk(said.disk)
        self.install(chosen.name, chosen.word if said.erase else "", who, told)
        return chosen.name


def _read_again(path: Path) -> None:
    """The kernel reads the new table; a file has none."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(handle, BLKRRPART)
    except OSError:
        pass
    finally:
        os.close(handle)


def _ran(*words: str) -> bool:
    try:
        return (
            subprocess.run(
                words, capture_output=True, timeout=PROGRAM_S_MAX, check=False, stdin=subprocess.DEVNULL
            ).returncode
            == 0
        )
    except (OSError, subprocess.SubprocessError):
        return False

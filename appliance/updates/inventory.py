"""The firmware of the hardware, as the kernel shows it, against a list that the bank approved, and what two people approved since. Comparing is pure.

BIOS and board from DMI (SMBIOS), microcode from the processor, network cards and disks from sysfs, fwupd's devices where it is installed, the HSM
from what the keys process knows of its token. A part that is not there is not in the list: nothing is guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.errors import Error
from appliance.intercom import BlockingClient
from appliance.settings import Settings

from . import hardware
from .desk import Updates
from .machine import Machine

FORM: Final = 1


class Difference(NamedTuple):
    """One part that is not as approved. `found` "" for one that is gone, `approved` "" for one that is new."""

    part: str
    approved: str
    found: str

    def __str__(self) -> str:
        if not self.approved:
            return f"{self.part}: {self.found}, not on the list"
        if not self.found:
            return f"{self.part}: gone (was {self.approved})"
        return f"{self.part}: {self.found}, approved is {self.approved}"


def read(
    machine: Machine, token: Mapping[str, Any] | None = None, found_by_fwupd: Iterable[hardware.Device] = ()
) -> dict[str, str]:
    """Part -> its firmware. `token` is what the keys process says of the HSM, the devices are those of `Cabinets.devices`."""
    found = {
        "bios": _joined(machine.dmi("bios_vendor"), machine.dmi("bios_version"), machine.dmi("bios_date")),
        "bios.release": machine.dmi("bios_release"),
        "bmc.release": machine.dmi("ec_firmware_release"),
        "board": _joined(machine.dmi("board_vendor"), machine.dmi("board_name"), machine.dmi("board_version")),
        "microcode": _microcode(machine),
        "hsm": _joined(*(str((token or {}).get(k, "")) for k in ("model", "firmware"))),
    }
    found |= _disks(machine) | _cards(machine) | hardware.parts(found_by_fwupd)
    return {part: value for part, value in sorted(found.items()) if value}


def _joined(*words: str) -> str:
    return " ".join(w for w in words if w)


def _microcode(machine: Machine) -> str:
    kept = machine.text("sys/devices/system/cpu/cpu0/microcode/version")
    if kept:
        return kept
    found = re.search(r"^microcode\s*:\s*(\S+)", machine.text_whole("proc/cpuinfo"), re.M)
    return found[1] if found else ""


def _disks(machine: Machine) -> dict[str, str]:
    out = {}
    for place in sorted((machine.root / "sys/block").glob("*")) if (machine.root / "sys/block").exists() else []:
        at = f"sys/block/{place.name}/device"
        version = machine.text(f"{at}/firmware_rev") or machine.text(f"{at}/rev")
        if version:
            out[f"disk.{place.name}"] = _joined(machine.text(f"{at}/model"), version)
    return out


def _cards(machine: Machine) -> dict[str, str]:
    """PCI identity and revision of each network card: its firmware's own number needs ethtool's ioctl, fwupd has it where it knows the card."""
    out = {}
    for place in (
        sorted((machine.root / "sys/class/net").glob("*")) if (machine.root / "sys/class/net").exists() else []
    ):
        at = f"sys/class/net/{place.name}/device"
        vendor, device = machine.text(f"{at}/vendor"), machine.text(f"{at}/device")
        if vendor and device:
            out[f"network.{place.name}"] = _joined(f"{vendor}:{device}", machine.text(f"{at}/revision"))
    return out


def listed(path: Path) -> dict[str, str]:
    """The approved list. Raises ValueError for a file that is none."""
    said = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(said, dict) or said.get("form") != FORM or not isinstance(said.get("parts"), dict):
        raise ValueError("it is not what `casemate firmware inventory --json` prints")
    return {str(part): str(value) for part, value in said["parts"].items()}


def list_text(parts: Mapping[str, str]) -> str:
    return json.dumps({"form": FORM, "parts": dict(parts)}, indent=1, sort_keys=True)


def differences(approved: Mapping[str, str], found: Mapping[str, str]) -> list[Difference]:
    """Parts that are new, gone or have another firmware, in order."""
    parts = sorted(approved.keys() | found.keys())
    return [Difference(p, approved.get(p, ""), found.get(p, "")) for p in parts if approved.get(p) != found.get(p)]


def token(settings: Settings) -> dict[str, Any]:
    """What the keys process says of the HSM's token; empty when it does not answer."""
    client = BlockingClient(settings.socket("keys"))
    try:
        said = client.call("state", {}, 3.0)
        return dict(said.get("opened", said)) if isinstance(said, dict) else {}
    except Error:
        return {}
    finally:
        client.close()


def compared(updates: Updates, found: dict[str, str], told: Callable[[str], None]) -> int:
    """0 when all is as approved, or there is no list; a difference is on the record once."""
    given = updates.settings["firmware.hardware_list"]
    if not given:
        told("no approved list: `firmware.hardware_list` names one")
        return 0
    try:
        differ = differences(hardware.approved(listed(Path(given)), updates.book.changed_parts()), found)
    except (OSError, ValueError) as e:
        raise Error(
            "file_invalid",
            f"the approved list cannot be read: {e}",
            "make it with `casemate firmware inventory --json`",
        ) from None
    for one in differ:
        told(f"differs: {one}")
    said = "; ".join(map(str, differ))
    if said != updates.book.fact("differences"):
        outcome = "failed" if differ else "ok"
        updates.recorder.record("process:inventory", "firmware.inventory", "box:hardware", outcome, found=len(differ))
        updates.book.set_fact("differences", said)
    return 1 if differ else 0

"""What fwupd says of the devices of this box, and what that means for a cabinet: whether it fits, what holds it, what it changes on the approved list. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from firmware import Refused, cabinet

DEVICES_MAX: Final = 200
SYSTEM: Final = "System Firmware"  # what fwupd calls the firmware of the board (uefi_capsule)
#: What else the inventory shows of the board's own firmware: it changes with it.
OF_BOARD: Final = ("bios", "bios.release", "microcode")


class Device(NamedTuple):
    """One device, as fwupd has it."""

    device: str  # fwupd's DeviceId
    name: str
    vendor: str
    version: str
    guids: frozenset[str]
    plugin: str
    flags: frozenset[str]
    problems: frozenset[str]
    said: str  # why it takes no firmware, in fwupd's words

    @property
    def part(self) -> str:
        """Its name in the inventory."""
        return part_of(self.device)


def part_of(device: str) -> str:
    """The name in the inventory of a device with this DeviceId."""
    return f"fwupd.{device[:12]}"


class Fit(NamedTuple):
    """A device that takes a firmware of the cabinet: from which to which, and what to know before."""

    device: str
    name: str
    before: str
    after: str
    warnings: tuple[str, ...]


class Changed(NamedTuple):
    """A part of the inventory that an approved cabinet changed: `was` on the bank's list, `now` in its place."""

    part: str
    was: str
    now: str


#: Problem of a device (FwupdDeviceProblem) -> what a person can do about it.
PROBLEMS: Final[dict[str, str]] = {
    "system-power-too-low": "the machine's battery is too low: connect it to mains power",
    "power-too-low": "its own battery is too low",
    "require-ac-power": "it wants mains power: connect the machine to it",
    "unreachable": "it is out of reach now: look at its cable and its power",
    "lid-is-closed": "the lid is closed: open it",
    "is-emulated": "it is not a real device",
    "missing-license": "it lacks a licence of its vendor",
    "system-inhibit": "the machine does not allow it now",
    "update-in-progress": "firmware is being written to it already",
    "in-use": "it is in use",
    "display-required": "it wants a screen to be connected",
    "insecure-platform": "the machine's firmware runs in a test mode",
    "firmware-locked": "its firmware is locked: unlock it in the machine's setup (BIOS)",
    "lower-priority": "another of its interfaces takes the firmware",
}
WARNINGS: Final[dict[str, str]] = {
    "affects-fde": "the state volume may ask for its recovery key at the next start",
    "require-ac": "the machine has to stay on mains power",
    "busy": "it does not work while it is written",
    "one": "it has no second copy: a power cut meanwhile can break it",
}
#: FwupdError -> why it was refused after all.
ERRORS: Final[dict[int, str]] = {
    1: "cabinet_older",
    2: "cabinet_same",
    3: "cabinet_waiting",
    7: "cabinet_signer",
    8: "cabinet_device",
    9: "cabinet_same",
    11: "cabinet_signer",
    12: "cabinet_held",
    15: "cabinet_held",
    16: "cabinet_held",
}
FAILED: Final = "cabinet_failed"
TAKES: Final = frozenset({"updatable", "updatable-hidden"})
#: What was written takes effect at a restart, not before.
WAITS: Final = frozenset({"needs-reboot", "needs-shutdown", "needs-activation"})
#: Of several reasons against a cabinet, the one that says most comes first.
_ORDER: Final = ("cabinet_waiting", "cabinet_held", "cabinet_older", "cabinet_same")


def devices(said: Any) -> list[Device]:
    """Of `fwupdmgr get-devices --json`; what is not in that shape is left out."""
    rows = _list(said.get("Devices")) if isinstance(said, dict) else []
    return [_device(d) for d in rows if isinstance(d, dict) and d.get("DeviceId")]


def _device(d: dict[str, Any]) -> Device:
    return Device(
        device=str(d["DeviceId"]),
        name=_plain(d.get("Name"), 60),
        vendor=_plain(d.get("Vendor"), 60),
        version=_plain(d.get("Version"), 40),
        guids=frozenset(str(g).lower() for g in _list(d.get("Guid"))),
        plugin=_plain(d.get("Plugin"), 40),
        flags=frozenset(map(str, _list(d.get("Flags")))),
        problems=frozenset(map(str, _list(d.get("Problems")))),
        said=_plain(d.get("UpdateError"), 120),
    )


def _list(value: Any) -> list[Any]:
    return value[:DEVICES_MAX] if isinstance(value, list) else []


def _plain(value: Any, characters: int) -> str:
    """ASCII: it is shown on a serial line."""
    return "".join(c for c in str(value or "") if c.isprintable() and c.isascii())[:characters].strip()


def parts(found: Iterable[Device]) -> dict[str, str]:
    """Rows of the inventory: each device that says a version."""
    return {d.part: f"{d.name} {d.version}" for d in found if d.name and d.version}


# --- versions -----------------------------------------------------------------------------------------------


def compared(one: str, other: str) -> int:
    """-1, 0 or 1, as rpm and fwupd compare: runs of digits by value, words by letters, more runs are newer."""
    first, second = _runs(one), _runs(other)
    for a, b in zip(first, second, strict=False):
        if a != b:
            # A number is newer than a word in its place: 1.2.0 is newer than 1.2.rc1.
            return -1 if (isinstance(a, int), a) < (isinstance(b, int), b) else 1  # type: ignore[operator]
    return (len(first) > len(second)) - (len(first) < len(second))


def _runs(version: str) -> list[int | str]:
    text = version.strip().lower()
    if re.fullmatch(r"0x[0-9a-f]{1,16}", text):
        return [int(text, 16)]
    return [int(run) if run.isdigit() else run for run in re.findall(r"[0-9]+|[a-z]+", text)]


# --- whether it fits ----------------------------------------------------------------------------------------


def fits(components: Sequence[cabinet.Component], found: Sequence[Device]) -> list[Fit]:
    """The devices that take a firmware of the cabinet now. Raises Refused with the reason that says most when there is none."""
    out: list[Fit] = []
    against: list[Refused] = []
    for component in components:
        for device in found:
            if device.guids & set(component.guids):
                reason = held(component, device)
                if reason is None:
                    out.append(
                        Fit(device.device, device.name, device.version, component.version, _warnings(device.flags))
                    )
                else:
                    against.append(reason)
    if out:
        return sorted(set(out))
    if not against:
        raise Refused("cabinet_device", components[0].name if components else "")
    raise min(against, key=lambda r: _ORDER.index(r.code))


def held(component: cabinet.Component, device: Device) -> Refused | None:
    """Why this device does not take this firmware now; None when it does."""
    if device.flags & WAITS or "update-pending" in device.problems:
        return Refused("cabinet_waiting", device.name)
    if "locked" in device.flags:
        return Refused("cabinet_held", f"{device.name}: {PROBLEMS['firmware-locked']}")
    for problem in sorted(device.problems):
        return Refused("cabinet_held", f"{device.name}: {PROBLEMS.get(problem, problem)}")
    if "needs-bootloader" in device.flags:
        return Refused("cabinet_held", f"{device.name}: only in its recovery mode, as the vendor's page says")
    if not device.flags & TAKES:
        return Refused("cabinet_held", f"{device.name}: {device.said or 'fwupd has no way to write to it here'}")
    order = compared(component.version, device.version)
    if order < 0:
        return Refused("cabinet_older", f"{device.name} has {device.version}, the cabinet {component.version}")
    if order == 0:
        return Refused("cabinet_same", f"{device.name} has {device.version}")
    return None


def _warnings(flags: frozenset[str]) -> tuple[str, ...]:
    out = [WARNINGS[flag] for flag in ("affects-fde", "require-ac") if flag in flags]
    if "usable-during-update" not in flags:
        out.append(WARNINGS["busy"])
    if not flags & {"dual-image", "self-recovery"}:
        out.append(WARNINGS["one"])
    return tuple(out)


# --- afterwards ---------------------------------------------------------------------------------------------


def became(fit: Fit, found: Sequence[Device], error: tuple[int, str] | None = None) -> dict[str, str]:
    """What became of one device: `applied`, `restart` (it takes effect then) or `failed` with fwupd's words and the refusal that they mean."""
    now = next((d for d in found if d.device == fit.device), None)
    row = {"device": fit.device, "name": fit.name, "before": fit.before, "wanted": fit.after, "code": ""}
    if error is not None:
        code = ERRORS.get(error[0], FAILED)
        return {**row, "after": now.version if now else "", "state": "failed", "said": error[1], "code": code}
    if now is None:
        return {**row, "after": "", "state": "restart", "said": "the device is not there at the moment"}
    if now.flags & WAITS:
        return {**row, "after": now.version, "state": "restart", "said": ""}
    if compared(now.version, fit.after) == 0:
        return {**row, "after": now.version, "state": "applied", "said": ""}
    words = now.said or "the device still says its old version"
    return {**row, "after": now.version, "state": "failed", "said": words, "code": FAILED}


def settled(row: Mapping[str, str], found: Sequence[Device]) -> dict[str, str]:
    """What became of one device that waited, after a restart; as it was while it still waits."""
    if row["state"] != "restart":
        return dict(row)
    now = next((d for d in found if d.device == row["device"]), None)
    if now is not None and now.flags & WAITS:
        return dict(row)
    if now is None:
        return {**row, "state": "failed", "said": "the device is not there any more", "code": FAILED}
    if compared(now.version, row["wanted"]) == 0:
        return {**row, "after": now.version, "state": "applied", "said": ""}
    words = now.said or "the restart did not bring it"
    return {**row, "after": now.version, "state": "failed", "said": words, "code": FAILED}


def whole(rows: Sequence[Mapping[str, str]]) -> str:
    """The state of all of it: failed before restart before applied."""
    states = {row["state"] for row in rows}
    return next((s for s in ("failed", "restart") if s in states), "applied")


# --- the approved list --------------------------------------------------------------------------------------


def changes(rows: Sequence[Mapping[str, str]], before: Mapping[str, str], now: Mapping[str, str]) -> list[Changed]:
    """What applied cabinets changed in the inventory: the device's own row, rows that differ by exactly its version, and what goes with the board's firmware."""
    out: dict[str, Changed] = {}
    for row in rows:
        if row["state"] != "applied":
            continue
        own = part_of(row["device"])
        for part in sorted(before.keys() & now.keys()):
            was, became_ = before[part], now[part]
            swapped = " ".join(row["after"] if word == row["before"] else word for word in was.split(" "))
            board = row["name"] == SYSTEM and part in OF_BOARD
            if was != became_ and (part == own or board or swapped == became_):
                out[part] = Changed(part, was, became_)
    return list(out.values())


def approved(listed: Mapping[str, str], changed: Iterable[Changed]) -> dict[str, str]:
    """The bank's list with what two people approved since, in their order; where the list says something else, the list holds."""
    out = dict(listed)
    for part, was, now in changed:
        if out.get(part) == was:
            out[part] = now
    return out

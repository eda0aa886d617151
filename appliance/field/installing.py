"""The page `install`: is this machine enough, which disk, what is on it, then the running system is written there and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.errors import Error
from appliance.selftest import WELL, findings, gathered, named_ports
from appliance.updates import disks

if TYPE_CHECKING:
    from .console import Console


def install(c: Console) -> None:
    """Everything that is asked before a disk is written; refusals are those of appliance/updates/disks.py."""
    installer = c.hands.installer
    need, sector = installer.needed()
    found = [d for d in installer.disks() if not d.runs]
    lines = [*_checked(c), f"A disk needs {need / 1e9:.1f} GB or more.", ""]
    for n, disk in enumerate(found, 1):
        why = disks.refused(disk, need, sector, "")
        lines.append(f"{n:>3}  {disk.line}")
        if why and why != "word":
            lines.append(f"     {disks.REFUSALS[why][1]}")
    if not found:
        raise Error(
            "not_found", "this machine has no other disk", "put one in, restart from the medium, choose this again"
        )
    c.show("Install to disk", lines)
    name = c.pick("disk", [d.name for d in found])
    if not name:
        return
    chosen = installer.disk(name)
    typed = ""
    if disks.STATE in chosen.labels:
        c.tell("It holds a box. repair renews its releases from this stick and keeps messages, keys and log.")
        if c.ask("type repair, or Enter to go on") == "repair":
            version = installer.repair(chosen.name, c.who, c.progress)
            c.tell(f"Release {version} is on {chosen.name}, read back and verified; its state is as it was.")
            _restarted(c)
            return
    if disks.refused(chosen, need, sector, "") == "word":
        c.tell(
            "It holds the state of a box: messages, keys, audit log. All of it would be lost."
            if disks.STATE in chosen.labels
            else "It is not empty. What is on it would be lost."
        )
        typed = c.ask(f"type its serial number ({chosen.word}), or Enter to leave it alone")
        if not typed:
            c.tell("Nothing was done.")
            return
    disks.allowed(chosen, need, sector, typed)
    if not c.yes(f"Write this system to {chosen.name}?"):
        c.tell("Nothing was done.")
        return
    version = installer.install(chosen.name, typed, c.who, c.progress)
    c.tell(
        f"Release {version} is on {chosen.name}, read back and verified.",
        "Take the stick out now. A stick labelled CASEMATE with settings stays in.",
    )
    _restarted(c)


def _restarted(c: Console) -> None:
    if c.yes("Restart the box?"):
        c.hands.restart(False, c.who)


def _checked(c: Console) -> list[str]:
    """The live check: what is not well, each in a line."""
    keys = c.hands.asked("keys")
    hsm = "" if keys.get("ready") else str(keys.get("why") or "not ready")
    workers = keys.get("workers") or []
    opening = bool(hsm and workers) and all(w["state"] == "opening" and not w["losses"] for w in workers)
    found = findings(gathered(c.hands.settings.home), named_ports(c.hands.settings), hsm, opening)
    odd = [row for row in found if row.how != WELL]
    well = f"Checked this machine: {len(found) - len(odd)} of {len(found)} points are well."
    return [well, *(f"  {row.how:5} {row.what}: {row.words}"[:79] for row in odd[:8])]

"""The page `backup`: one is written to the stick; or what a stick holds takes the place of what this box holds, after all of it was unpacked and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.access import may
from appliance.errors import Error

from .backups import IDENTITY

if TYPE_CHECKING:
    from .console import Console


def backup(c: Console) -> None:
    there = c.hands.backups.listed()
    lines = [f"{n:>3}  {name}" for n, name in enumerate(there, 1)] or ["no backup is on the stick"]
    if c.hands.backups.waits():
        lines += ["", "A RESTORED BACKUP TAKES ITS PLACE AT THE NEXT START.   forget   leaves it."]
    told = [
        "write     stores and keys of this box to the stick, encrypted to the bank's key",
        "restore   one of those above in place of what this box holds",
    ]
    c.show("Backup by USB", [*lines, "", *told])
    word = c.ask("write, restore (empty to leave)")
    if word == "write":
        c.tell(*c.hands.backups.made(c.who, c.tell))
    elif word == "restore":
        _restore(c, there)
    elif word == "forget":
        c.hands.backups.forgotten()
        c.tell("Forgotten: this box goes on with what it holds.")


def _restore(c: Console, there: list[str]) -> None:
    """For a new box, with the HSM's keys of the old one. It takes what a factory reset takes, for it does as much."""
    if c.person is None or c.person.purpose or not may(c.person.role, "box.reset"):
        raise Error("forbidden", "only who may reset the box restores one", "an administrator of this console signs in")
    if not there:
        hint = "put the stick with both archives in, then choose this entry again"
        raise Error("not_found", f"no backup (.state.age and .keys.age) is in {c.hands.media}", hint)
    name = c.pick("backup", there)
    if name not in there:
        return
    c.tell(
        f"The bank's age identity opens it. Enter reads {IDENTITY} of the stick.",
        "The HSM has to hold the old box's keys; those of SoftHSM come by menu 6, ceremony.",
    )
    typed = c.ask("identity (it is not shown)", secret=True)
    c.tell("Unpacking and checking all of it ...")
    digests = c.hands.backups.unpacked(name, typed, c.tell)
    word = c.hands.updates.serial or "restore"
    c.tell("What this box holds now is destroyed at the next start: messages, keys, log.")
    if c.ask(f"type {word} to have it so") != word:
        c.hands.backups.forgotten()
        c.tell("Nothing was done.")
        return
    c.hands.backups.wanted(digests, c.who)
    c.tell("It takes its place at the next start: menu 16.")

"""The page `hardware`: a vendor's cabinet from the stick, shown, asked for, approved by another person; the box writes it by itself, outside this console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.updates import cabinet_lines, hardware_lines

if TYPE_CHECKING:
    from .console import Console


def hardware(c: Console) -> None:
    cabinets = c.hands.cabinets
    found = cabinets.state()
    if found:
        c.show("Firmware of hardware", hardware_lines(found))
    waiting = [r for r in found if r["state"] == "asked"]
    if waiting and c.yes(f"Approve request {waiting[0]['number']}?"):
        c.tell(
            f"It is {cabinets.decide(waiting[0]['number'], True, c.who)}.",
            "The box writes it now: this entry shows how it went.",
        )
        return
    path = c.from_stick("cabinet", "cab", "Cabinets on the stick")
    if path is None:
        return
    c.tell("Asking the devices; up to a minute ...")
    c.show("This may be written", cabinet_lines(cabinets.look(path, c.who)))
    if not c.hands.settings["firmware.two_people"]:
        if c.yes("Compare signer, fingerprint and device. Write it?"):
            cabinets.ask(path, c.ask("why"), c.who)
            c.tell("The box writes it now: this entry shows how it went.")
    elif c.yes("Another person has to approve it. Ask for it?"):
        c.tell(f"Request {cabinets.ask(path, c.ask('why'), c.who)}: another person signs in and chooses this entry.")

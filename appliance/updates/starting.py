"""The first start of another release than the last one: stores are copied before it opens them, books put back after going back."""

from __future__ import annotations

from appliance.errors import Error

from . import stores
from .desk import Updates


def noticed(updates: Updates) -> None:
    """A release that the box went back from by itself, on the record once. Asked when the boot partition is there and somebody, or a timer, looks."""
    try:
        found = updates.state()
    except Error:
        return  # whoever looks after the slots is told there
    for slot in found["slots"]:
        if not found["running"] or slot["name"] == found["running"] or slot["state"] != "bad":
            continue
        known = found["left"] if found["left"].get("version") == slot["version"] else {}
        if not known.get("recorded"):
            why = known.get("why", "no start of it came as far as the health gate")
            updates.book.leave(slot["version"], why, True)
            on = f"release:{slot['version']}"
            updates.record_or_keep("process:gate", "firmware.rolled_back", on, why=why, slot=slot["name"])


def at_start(updates: Updates) -> list[str]:
    """What the first start of another release than the last one does."""
    settings = updates.settings
    last, now = updates.book.fact("last"), updates.machine.version
    out = []
    if last and last != now:
        if (settings.home / "updates" / stores.FOLDER / now / stores.DONE).exists():
            done, stay = stores.put_back(settings.home, now, last)
            out += [f"put back as before {last}: {name}" for name in done]
            out += [f"schema of {last}, left as it is: {name}" for name in stay]
            if done or stay:
                updates.keep(
                    "process:started", "firmware.stores_back", f"release:{now}", rows=len(done), found=len(stay)
                )
        else:
            copied = stores.snapshot(settings.home, last)
            out.append(f"{len(copied)} stores copied as {last} left them")
    updates.book.set_fact("last", now)
    return out

"""The first start of another release than the last one: stores are copied before it opens them, books put back after going back."""

from __future__ import annotations

from . import stores
from .desk import Updates


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

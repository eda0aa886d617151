"""The manual's page of the serial console, made from the menu's table. Pure."""

from __future__ import annotations

from .menu import MENU
from .screen import columns, titled

BEGIN = "<!-- menu -->"
END = "<!-- /menu -->"


def manual() -> str:
    """The menu as it is on the screen, and what each entry does."""
    shown = titled("Casemate", "SN-1  ann", columns([(str(i.number), f"{i.title} ({i.word})") for i in MENU]))
    rows = [f"| {i.number} | `{i.word}` | {i.title} | {i.says} |" for i in MENU]
    return "\n".join(["```", *shown, "```", "", "| | word | entry | |", "|---|---|---|---|", *rows])

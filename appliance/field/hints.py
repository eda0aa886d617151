"""What to do, in words of this console: hints of other rooms name commands, and whoever is at the cable has no shell to type them into. Pure.

A command becomes its entry of the menu; one that has none is said to need SSH, which is an entry, too; what is done at the bank's desk stays as it is.
"""

from __future__ import annotations

import re
from typing import Final

#: Beginning of a command -> what does the same here. The longest that fits counts.
ENTRIES: Final = {
    "casemate status": "menu 1",
    "casemate network": "menu 2",
    "casemate link list": "menu 3",
    "casemate firmware inventory": "menu 4, hardware",
    "casemate hardware": "menu 19",
    "casemate keys unseal": "menu 6",
    "casemate keys pin": "menu 6, change",
    "casemate ceremony": "menu 6, ceremony",
    "casemate firmware check": "menu 7",
    "casemate firmware ask": "menu 7",
    "casemate firmware approve": "menu 7",
    "casemate firmware install": "menu 7",
    "casemate firmware status": "menu 8",
    "casemate firmware rollback": "menu 8, back",
    "casemate firmware reinstate": "menu 8, again",
    "casemate firmware bless": "menu 8, good",
    "casemate backup create": "menu 9, write",
    "casemate backup restore": "menu 9, restore",
    "casemate volume confirm": "menu 12",
    "casemate field": "this console",
    "casemate install": "menu 14",
    "casemate firmware restart": "menu 16",
}
#: Beginnings of commands that are for another machine.
DESK: Final = ("casemate breakglass", "casemate site", "casemate backup key", "casemate audit cosign")
SSH: Final = "by SSH: menu 18"
_COMMAND: Final = re.compile(r"`(casemate [^`]*)`")


def here(text: str) -> str:
    """A hint as it is said at the cable."""

    def said(found: re.Match[str]) -> str:
        command = found[1]
        if command.startswith(DESK):
            return found[0]
        fits = [known for known in ENTRIES if command == known or command.startswith(f"{known} ")]
        return ENTRIES[max(fits, key=len)] if fits else f"{found[0]} ({SSH})"

    return _COMMAND.sub(said, text)

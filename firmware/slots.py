"""The two slots as a state table: what may happen to each, and which acts are allowed. Pure.

What protects a box from an update that does not work is one rule, in `refusal`: nothing is written over a slot unless another
slot is good. Everything else follows from the boot loader's counters (entries.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from .entries import Entry

EMPTY: Final = "empty"
WRITTEN: Final = "written"
TRYING: Final = "trying"
GOOD: Final = "good"
BAD: Final = "bad"

BEGIN: Final = "begin"  # an installation begins: the entry goes first
FILLED: Final = "filled"  # written, read back, and entered for the boot loader
START: Final = "start"  # the boot loader starts it
BLESS: Final = "bless"  # the health gate found it well
GIVE_UP: Final = "give up"  # its tries are used up
WITHDRAW: Final = "withdraw"  # a person goes back to the other slot
REINSTATE: Final = "reinstate"  # a person gives a release that failed its tries again

TABLE: Final[dict[tuple[str, str], str]] = {
    (EMPTY, BEGIN): EMPTY,
    (WRITTEN, BEGIN): EMPTY,
    (BAD, BEGIN): EMPTY,
    (GOOD, BEGIN): EMPTY,
    (EMPTY, FILLED): WRITTEN,
    (WRITTEN, START): TRYING,
    (TRYING, START): TRYING,
    (GOOD, START): GOOD,
    (TRYING, BLESS): GOOD,
    (GOOD, BLESS): GOOD,
    (TRYING, GIVE_UP): BAD,
    (WRITTEN, WITHDRAW): BAD,
    (TRYING, WITHDRAW): BAD,
    (GOOD, WITHDRAW): BAD,
    (BAD, REINSTATE): WRITTEN,
}
STATES: Final = (EMPTY, WRITTEN, TRYING, GOOD, BAD)
HEARD: Final = (BEGIN, FILLED, START, BLESS, GIVE_UP, WITHDRAW, REINSTATE)

#: Why an act is not allowed -> what to do.
REASONS: Final[dict[str, str]] = {
    "it runs": "the running slot is never written to; the other one is",
    "no way back": "no other slot is good; wait until the running release has proved itself (`casemate firmware status`)",
    "nothing there": "install a release first: `casemate firmware install FILE`",
    "not now": "`casemate firmware status` shows what each slot is",
}


class Slot(NamedTuple):
    """One slot as it stands."""

    name: str
    state: str
    version: str = ""
    left: int | None = None


def stands(name: str, found: Entry | None, running: bool) -> Slot:
    """What a slot is, from its entry on the EFI system partition. None: nothing there that could be started."""
    if found is None:
        return Slot(name, EMPTY)
    if found.left is None:
        return Slot(name, GOOD, found.version)
    if found.left == 0 and not running:
        return Slot(name, BAD, found.version, 0)
    # On its last try the counter is 0 while it runs: it may still prove itself.
    return Slot(name, TRYING if found.done or running else WRITTEN, found.version, found.left)


def refusal(slots: Mapping[str, Slot], running: str, name: str, heard: str) -> str:
    """Why `heard` must not be done to slot `name`; "" when it may. A key of REASONS."""
    slot = slots[name]
    if (slot.state, heard) not in TABLE:
        return "nothing there" if slot.state == EMPTY else "not now"
    others_good = any(s.state == GOOD for s in slots.values() if s.name != name)
    if heard == BEGIN and name == running:
        return "it runs"
    if heard in (BEGIN, WITHDRAW) and not others_good:
        return "no way back"
    return ""


def other(slots: Mapping[str, Slot], running: str) -> str:
    """The slot an installation goes to: the one that does not run."""
    (name,) = [n for n in slots if n != running]
    return name

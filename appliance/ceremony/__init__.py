"""Ceremonies: what people do to keys together in one room, by a reviewed script, with a signed transcript. At a terminal or the serial console."""

from .conduct import DONE, Outcome, Terms
from .running import new_folder, rehearse, run
from .script import CUSTODIANS, ROLES, Script, load, names
from .signing import Checked, verify
from .terminal import Console, Stopped, Terminal

__all__ = [
    "CUSTODIANS",
    "DONE",
    "ROLES",
    "Checked",
    "Console",
    "Outcome",
    "Script",
    "Stopped",
    "Terminal",
    "Terms",
    "load",
    "names",
    "new_folder",
    "rehearse",
    "run",
    "verify",
]

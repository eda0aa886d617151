"""The serial console: a numbered menu and short commands for a field engineer, on a line that may be slow and that nobody watches.

Standard library only; ASCII, 80 by 24, vt100; writes when a key was pressed and never by itself. What it does goes through the same rooms as the console
and the commands, with the same rights and entries.
"""

from . import codes, lines, officers, programs
from .console import Console
from .hands import Hands
from .keys_page import Ceremonies
from .manual import manual
from .packing import destroy_keys
from .pages import PAGES
from .sessions import Field
from .terminal import Cancelled, Left, Terminal

__all__ = [
    "PAGES",
    "Cancelled",
    "Ceremonies",
    "Console",
    "Field",
    "Hands",
    "Left",
    "Terminal",
    "codes",
    "destroy_keys",
    "lines",
    "manual",
    "officers",
    "programs",
]

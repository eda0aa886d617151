"""Shards: several engines that are one box to everybody else: who owns what, how links and rates divide, one way to ask them all."""

from .dealing import Held, carriers, held, holders
from .engines import BlockingEngines, Caller, Engines, blocking_engines, engines
from .keeping import ALONE, Layout, check_leaving, layout_of, note_layout
from .signpost import Signpost
from .spreading import Load, home, homes, least_loaded

__all__ = [
    "ALONE",
    "BlockingEngines",
    "Caller",
    "Engines",
    "Held",
    "Layout",
    "Load",
    "Signpost",
    "blocking_engines",
    "carriers",
    "check_leaving",
    "engines",
    "held",
    "holders",
    "home",
    "homes",
    "layout_of",
    "least_loaded",
    "note_layout",
]

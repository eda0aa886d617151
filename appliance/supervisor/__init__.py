"""Runs the appliance's processes on one machine: in order, looked after, started again, stopped cleanly."""

from .plan import Child, casemate, child_of
from .policy import waits
from .probe import Probe
from .state_file import StateFile
from .up import up
from .watchman import Watchman

__all__ = ["Child", "Probe", "StateFile", "Watchman", "casemate", "child_of", "up", "waits"]

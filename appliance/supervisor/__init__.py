"""Runs the appliance's processes on one machine: in order, looked after, started again, stopped cleanly."""

from .plan import Child, casemate
from .state_file import StateFile
from .up import up
from .watchman import Watchman

__all__ = ["Child", "StateFile", "Watchman", "casemate", "up"]

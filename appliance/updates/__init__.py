"""Releases on this box: bundles checked, asked for, approved and installed; slots blessed and rolled back; stores as they were before; firmware of the
hardware, seen and written.

The only door to `firmware`. Everything is done by whoever calls, in his own process: the slots can be written by root only, and on the
appliance that is the serial console and the units of a start. What is privileged is on the audit log before it happens.
"""

from firmware import CABINETS, REFUSALS, Refused, Tool, grouped
from firmware import raw_signed as signed_by

from . import disks, gating, inspecting, inventory, resetting, site, stores, window
from .cabinets import Cabinets, Looked
from .desk import Asked, Updates
from .installer import LIVE, Installer
from .machine import Machine, begun, restart
from .offered import Offers
from .progress import progress
from .starting import at_start, noticed
from .telling import asked_lines, cabinet_lines, hardware_lines, left_lines, status_lines

__all__ = [
    "CABINETS",
    "LIVE",
    "REFUSALS",
    "Asked",
    "Cabinets",
    "Installer",
    "Looked",
    "Machine",
    "Offers",
    "Refused",
    "Tool",
    "Updates",
    "asked_lines",
    "at_start",
    "begun",
    "cabinet_lines",
    "disks",
    "gating",
    "grouped",
    "hardware_lines",
    "inspecting",
    "inventory",
    "left_lines",
    "noticed",
    "progress",
    "resetting",
    "restart",
    "signed_by",
    "site",
    "status_lines",
    "stores",
    "window",
]

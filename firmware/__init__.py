"""Releases as signed bundles, and the two slots they go to; cabinets with firmware of hardware. A leaf: imports nothing of the appliance, and only `appliance.updates` enters it.

Decisions are pure (`trust`, `slots`, `entries`, `gate`), the hands are few (`openssl`, `medium`, `building`); README.md has the pictures.
"""

from . import approval, cabinet, copying, entries, gate, gpt, slots, trust
from .authority import Authority, crl, number_of
from .bundle import Bundle, Checked, Recipient, check, looked_at
from .medium import FileDisk, FolderEsp
from .openssl import Tool, is_signed, raw_signed
from .openssl import signed as cms_signed
from .openssl import verified as cms_verified
from .refusals import CABINETS, REFUSALS, Refused
from .release import Manifest, Release
from .trust import Box, grouped
from .version import is_version, version
from .writer import Held, Journal, Unwritten, bless, install, reinstate, roll_back, running_slot, standing

__all__ = [
    "CABINETS",
    "REFUSALS",
    "Authority",
    "Box",
    "Bundle",
    "Checked",
    "FileDisk",
    "FolderEsp",
    "Held",
    "Journal",
    "Manifest",
    "Recipient",
    "Refused",
    "Release",
    "Tool",
    "Unwritten",
    "approval",
    "bless",
    "cabinet",
    "check",
    "cms_signed",
    "cms_verified",
    "copying",
    "crl",
    "entries",
    "gate",
    "gpt",
    "grouped",
    "install",
    "is_signed",
    "is_version",
    "looked_at",
    "number_of",
    "raw_signed",
    "reinstate",
    "roll_back",
    "running_slot",
    "slots",
    "standing",
    "trust",
    "version",
]

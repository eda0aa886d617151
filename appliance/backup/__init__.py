"""What a box needs to be built again: a consistent copy of its stores, encrypted to the bank's key, provable by its audit log, tried by a drill."""

from .age import encrypted, generate, identity, recipient
from .archive import KEYS, STATE, Made, create
from .carry import Target, carry, target_of
from .restore import Restored, drill, restore

__all__ = [
    "KEYS",
    "STATE",
    "Made",
    "Restored",
    "Target",
    "carry",
    "create",
    "drill",
    "encrypted",
    "generate",
    "identity",
    "recipient",
    "restore",
    "target_of",
]

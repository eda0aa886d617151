"""What a box needs to be built again: a consistent copy of its stores, encrypted to the bank's key, provable by its audit log, tried by a drill."""

from . import staged
from .age import encrypted, generate, identity, recipient
from .archive import KEYS, STATE, Made, create
from .bucket import Bucket, bucket_of, put
from .carry import Target, carry, place_of, target_of
from .restore import Restored, drill, restore

__all__ = [
    "KEYS",
    "STATE",
    "Bucket",
    "Made",
    "Restored",
    "Target",
    "bucket_of",
    "carry",
    "create",
    "drill",
    "encrypted",
    "generate",
    "identity",
    "place_of",
    "put",
    "recipient",
    "restore",
    "staged",
    "target_of",
]

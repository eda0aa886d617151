"""SQLite, opened one way: the day partitions of messages, their one writer's statements, and read-only search."""

from . import doubts, letters
from .desk import DeskStore
from .doubts import Candidate, Claim
from .folder import partition_days, partition_exists, partition_path
from .opening import (
    SQLITE_VERSION,
    Connection,
    DatabaseError,
    OperationalError,
    is_damage,
    migrate,
    open_store,
    settle,
)
from .partition import (
    SUBMITTED,
    Partition,
    Sent,
    Work,
    link_numbers,
)
from .reader import Found, Heard, Reader
from .watch import StoreWatch

__all__ = [
    "SQLITE_VERSION",
    "SUBMITTED",
    "Candidate",
    "Claim",
    "Connection",
    "DatabaseError",
    "DeskStore",
    "Found",
    "Heard",
    "OperationalError",
    "Partition",
    "Reader",
    "Sent",
    "StoreWatch",
    "Work",
    "doubts",
    "is_damage",
    "letters",
    "link_numbers",
    "migrate",
    "open_store",
    "partition_days",
    "partition_exists",
    "partition_path",
    "settle",
]

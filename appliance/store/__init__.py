"""SQLite, opened one way: the day partitions of messages, their one writer's statements, and read-only search."""

from . import aging, doubts, forgetting, letters, resealing, stored
from .acts import ActsStore
from .batches import (
    NO_ID,
    ODD,
    SPAN_MS_MAX,
    SUBMITTED,
    Columns,
    Tally,
    batch_row,
    decode_columns,
    message_row,
    packed,
)
from .behind import DIGEST_OCTETS, GATHERED_MIN, IDLE_MIN, Ended, Numbers
from .checkpointing import Checkpointer, empties, empty_log, leave_to_checkpointer, log_emptied
from .counting import submitted_since
from .customers import Wrote, wrote
from .desk import DeskStore
from .doubts import Candidate, Claim
from .figures import Counted
from .folder import free_octets, partition_days, partition_exists, partition_path
from .found import Found, Part
from .living import living
from .migrating import migrate
from .opening import (
    SQLITE_VERSION,
    Connection,
    DatabaseError,
    OperationalError,
    is_damage,
    open_store,
    settle,
    snapshot,
    sound,
)
from .partition import Partition, Sent, link_numbers
from .reader import Heard, Reader
from .readers import Readers
from .schema import run_script
from .stored import NUMBER_OCTETS
from .transaction import transaction
from .watch import ActingWatch, StoreWatch
from .work import Work

__all__ = [
    "DIGEST_OCTETS",
    "GATHERED_MIN",
    "IDLE_MIN",
    "NO_ID",
    "NUMBER_OCTETS",
    "ODD",
    "SPAN_MS_MAX",
    "SQLITE_VERSION",
    "SUBMITTED",
    "ActingWatch",
    "ActsStore",
    "Candidate",
    "Checkpointer",
    "Claim",
    "Columns",
    "Connection",
    "Counted",
    "DatabaseError",
    "DeskStore",
    "Ended",
    "Found",
    "Heard",
    "Numbers",
    "OperationalError",
    "Part",
    "Partition",
    "Reader",
    "Readers",
    "Sent",
    "StoreWatch",
    "Tally",
    "Work",
    "Wrote",
    "aging",
    "batch_row",
    "decode_columns",
    "doubts",
    "empties",
    "empty_log",
    "forgetting",
    "free_octets",
    "is_damage",
    "leave_to_checkpointer",
    "letters",
    "link_numbers",
    "living",
    "log_emptied",
    "message_row",
    "migrate",
    "open_store",
    "packed",
    "partition_days",
    "partition_exists",
    "partition_path",
    "resealing",
    "run_script",
    "settle",
    "snapshot",
    "sound",
    "stored",
    "submitted_since",
    "transaction",
    "wrote",
]

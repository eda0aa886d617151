"""Whether anything in a store may still move: what an engine that is to leave must have finished first. Reads only."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from appliance import clock
from appliance.errors import Error
from appliance.limits import IDEMPOTENCY_DAYS
from appliance.message import ACCEPTED, QUEUED, SCHEDULED, SENT

from . import stored
from .batches import SUBMITTED
from .folder import partition_days, partition_path
from .opening import Connection, DatabaseError, open_store

assert (ACCEPTED, SCHEDULED, QUEUED, SENT, SUBMITTED) == (0, 1, 2, 3, 20)

#: What of a day may still move, and how it is counted; the parameter is the time now in ms.
LIVING: Final = (
    ("messages that wait", "SELECT count(*) FROM progress WHERE status IN (0,1,2) AND ?1"),
    ("segments without an answer", "SELECT count(*) FROM segment WHERE status=20 AND ?1"),
    (
        "messages whose receipt may come",
        "SELECT count(*) FROM progress p JOIN message m ON m.seq=p.seq WHERE p.status=3 AND m.expires_ms>?1",
    ),
    ("messages that a person must decide on", "SELECT count(*) FROM undecided WHERE act=1 AND ?1"),
    ("entries for the audit log", "SELECT count(*) FROM audit_outbox WHERE ?1"),
    ("statuses for the courier", "SELECT count(*) FROM webhook_outbox WHERE ?1"),
    ("statuses for the door", "SELECT count(*) FROM door_outbox WHERE ?1"),
)


KEYS: Final = ("answers to keys that may be repeated", "SELECT count(*) FROM idempotency WHERE ?1")


def living(folder: Path, now_ms: int) -> dict[str, int]:
    """What may still move in the partitions of a folder, by kind. Raises Error `store_damaged`: nobody knows."""
    out: dict[str, int] = {}
    keys_from = clock.day_of(now_ms) - IDEMPOTENCY_DAYS + 1
    for day in partition_days(folder):
        path = partition_path(folder, day)
        try:
            conn = open_store(path, read_only=True)
        except DatabaseError:
            raise Error(
                "store_damaged", f"{path.name} of a leaving engine cannot be read", "restore it first"
            ) from None
        try:
            tables = {row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type='table'")}
            for what, sql in LIVING if day < keys_from else (*LIVING, KEYS):
                if sql.split(" FROM ")[1].split()[0] in tables:
                    count = conn.execute(sql, (now_ms,)).fetchone()[0]
                    if count:
                        out[what] = out.get(what, 0) + count
            if stored.has_batches(conn):
                for what, count in _batched(conn, now_ms).items():
                    out[what] = out.get(what, 0) + count
        except DatabaseError:
            raise Error(
                "store_damaged", f"{path.name} of a leaving engine cannot be read", "restore it first"
            ) from None
        finally:
            conn.close()
    return out


def _batched(conn: Connection, now_ms: int) -> dict[str, int]:
    """The same of messages that are no rows."""
    waiting = coming = 0
    for (first,) in conn.execute("SELECT first FROM batch").fetchall():
        columns, _ = stored.columns_of(conn, first)
        tally = stored.tally_of(conn, 0, first, columns.ids)
        for status, expires_ms in zip(tally.statuses, columns.expires_ms, strict=True):
            waiting += status in (ACCEPTED, SCHEDULED, QUEUED, SUBMITTED)
            coming += status == SENT and expires_ms > now_ms
    named = {LIVING[0][0]: waiting, LIVING[2][0]: coming}
    return {what: count for what, count in named.items() if count}

"""What of a day is past the retention of its class, found in order and a little at a time, for the engine that erases it. Reads only."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from appliance.message import ACCEPTED, FINAL, QUEUED, SCHEDULED

from .folder import partition_path
from .opening import DatabaseError, open_store
from .partition import Partition

AGED: Final = "aged_{}"  # mark: a class (or `inbound`) of which nothing is left to erase
_WAITS: Final = frozenset({ACCEPTED, QUEUED, SCHEDULED})
_ROWS: Final = (
    "SELECT m.seq,p.status,m.expires_ms FROM message m JOIN progress p ON p.seq=m.seq"
    " WHERE m.seq>? AND m.class=? AND m.number!=x'' ORDER BY m.seq LIMIT ?"
)
_BATCHES: Final = "SELECT first FROM batch WHERE first>? AND classes&? ORDER BY first LIMIT ?"
#: What was read, told and joined: nobody needs it in clear any more.
_HEARD: Final = "SELECT n FROM heard WHERE n<=? AND number!=x'' ORDER BY n LIMIT ?"
_PARTS: Final = "SELECT n FROM inbound WHERE n<=? AND number!=x'' AND n NOT IN (SELECT n FROM loose) ORDER BY n LIMIT ?"


def over(status: int, expires_ms: int, now_ms: int) -> bool:
    """Whether nothing is to be done with a message's text any more: it has ended, or its validity has and it left."""
    return status in FINAL or (status not in _WAITS and expires_ms <= now_ms)


def rows_of(partition: Partition, class_: int, after: int, limit: int) -> list[tuple[int, int, int]]:
    """(seq, status, expires_ms) of messages of a class that are rows and still have their number."""
    return list(partition.conn.execute(_ROWS, (after, class_, limit)).fetchall())


def batches_of(partition: Partition, class_: int, after: int, limit: int) -> list[int]:
    """First messages of batches that have the class."""
    return [row[0] for row in partition.conn.execute(_BATCHES, (after, 1 << class_, limit)).fetchall()]


def heard_of(partition: Partition, limit: int) -> list[int]:
    """Numbers of customers' whole messages that were told to everybody they are for."""
    return [row[0] for row in partition.conn.execute(_HEARD, (partition.mark("heard_told"), limit)).fetchall()]


def parts_of(partition: Partition, limit: int) -> list[int]:
    """Numbers of parts that were joined and told."""
    upto = min(partition.mark("inbound_read"), partition.mark("inbound_told"))
    return [row[0] for row in partition.conn.execute(_PARTS, (upto, limit)).fetchall()]


def inbound_waits(partition: Partition) -> bool:
    """Whether customers' messages or parts are there that somebody has not read, or not been told of, yet."""
    upto = min(partition.mark("inbound_read"), partition.mark("inbound_told"))
    waits = (
        ("SELECT 1 FROM heard WHERE n>? LIMIT 1", partition.mark("heard_told")),
        ("SELECT 1 FROM inbound WHERE n>? OR n IN (SELECT n FROM loose) LIMIT 1", upto),
    )
    return any(partition.conn.execute(sql, (after,)).fetchone() is not None for sql, after in waits)


def untold(partition: Partition) -> bool:
    """Whether webhooks are due, whose address is sealed with the text."""
    return partition.conn.execute("SELECT 1 FROM webhook_outbox LIMIT 1").fetchone() is not None


def aged(folder: Path, day: int) -> frozenset[str]:
    """What is aged of a day already, without opening it for writing. Empty when that cannot be read."""
    try:
        conn = open_store(partition_path(folder, day), read_only=True)
    except DatabaseError:
        return frozenset()
    try:
        rows = conn.execute("SELECT name FROM mark WHERE name LIKE 'aged_%'").fetchall()
        return frozenset(name.removeprefix("aged_") for (name,) in rows)
    except DatabaseError:
        return frozenset()
    finally:
        conn.close()

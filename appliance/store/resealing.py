"""What of a day is sealed under one key, in order, for those who seal it anew under another. Reads only."""

from __future__ import annotations

from typing import Any, Final

from .partition import Partition

#: Table -> (its rows after a place that are under a key, the last place there is).
ROWS: Final[dict[str, tuple[str, str]]] = {
    "message": (
        "SELECT seq,id,number,content FROM message WHERE seq>? AND key_id=? ORDER BY seq LIMIT ?",
        "SELECT max(seq) FROM message",
    ),
    "inbound": (
        "SELECT n,id,number,content FROM inbound WHERE n>? AND key_id=? ORDER BY n LIMIT ?",
        "SELECT max(n) FROM inbound",
    ),
    "heard": (
        "SELECT n,id,number,content FROM heard WHERE n>? AND key_id=? ORDER BY n LIMIT ?",
        "SELECT max(n) FROM heard",
    ),
}
BATCHES: Final = "SELECT first FROM batch WHERE first>? ORDER BY first LIMIT ?"
ANSWERS: Final = "SELECT key_mac,answer FROM idempotency WHERE key_mac>? AND key_id=? ORDER BY key_mac LIMIT ?"


def rows_under(partition: Partition, table: str, key_id: int, after: int, limit: int) -> list[tuple[Any, ...]]:
    """(place, id, sealed number, sealed content) of rows of a table of ROWS."""
    return list(partition.conn.execute(ROWS[table][0], (after, key_id, limit)).fetchall())


def last_of(partition: Partition, table: str) -> int:
    """The last place of a table, 0 for none."""
    sql = "SELECT max(first) FROM batch" if table == "batch" else ROWS[table][1]
    return int(partition.conn.execute(sql).fetchone()[0] or 0)


def batches_after(partition: Partition, after: int, limit: int) -> list[int]:
    """The first messages of batches, whatever their key is: that stands within."""
    return [row[0] for row in partition.conn.execute(BATCHES, (after, limit)).fetchall()]


def answers_under(partition: Partition, key_id: int, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
    """(MAC of the request, sealed answer)."""
    return list(partition.conn.execute(ANSWERS, (after, key_id, limit)).fetchall())


def key_of(partition: Partition, seq: int) -> int:
    """The key that a message which is a row is sealed under; 0: there is no such row."""
    row = partition.conn.execute("SELECT key_id FROM message WHERE seq=?", (seq,)).fetchone()
    return int(row[0]) if row is not None else 0

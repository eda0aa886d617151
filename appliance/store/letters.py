"""Customers' messages of a day: the parts as operators delivered them, and the whole messages joined of these."""

from __future__ import annotations

from typing import Any, Final

from .partition import Partition

READ: Final = "inbound_read"  # mark: every row of `inbound` up to it was joined, or is in `loose`
_PART: Final = (
    "SELECT i.n,i.id,l.name,i.at_ms,i.key_id,i.number_index,i.number,i.recipient,i.content FROM inbound i"
    " JOIN link l ON l.number=i.link WHERE "
)
UNREAD: Final = _PART + "i.n>? ORDER BY i.n LIMIT ?"
LOOSE: Final = _PART + "i.n IN (SELECT n FROM loose) ORDER BY i.n"  # noqa: S608 - constants

JOINED_MAX: Final = 20_000  # a second or two of work at a start
JOINED: Final = _PART + "i.n<=? AND i.n NOT IN (SELECT n FROM loose) ORDER BY i.n DESC LIMIT ?"  # noqa: S608 - constants

Row = tuple[Any, ...]  # (n, id, link, at_ms, key_id, blind index, sealed number, recipient, sealed content)


def unread(partition: Partition, after: int, limit: int) -> list[Row]:
    """Parts that came after number `after`, in order."""
    return list(partition.conn.execute(UNREAD, (after, limit)).fetchall())


def loose(partition: Partition) -> list[Row]:
    """Parts that were read before and whose message was not whole then."""
    return list(partition.conn.execute(LOOSE).fetchall())


def joined(partition: Partition, upto: int, since_ms: int) -> list[Row]:
    """Parts up to number `upto` that came after a time and whose message is whole; of the newest JOINED_MAX."""
    rows = partition.conn.execute(JOINED, (upto, JOINED_MAX)).fetchall()
    return [row for row in rows if row[3] >= since_ms]


def was_heard(partition: Partition, message_id: bytes) -> bool:
    """Whether a whole message is there already; its id is that of its first part."""
    return partition.conn.execute("SELECT 1 FROM heard WHERE id=?", (message_id,)).fetchone() is not None


def part_id(partition: Partition, n: int) -> bytes | None:
    """The id of the part with this number."""
    row = partition.conn.execute("SELECT id FROM inbound WHERE n=?", (n,)).fetchone()
    return bytes(row[0]) if row is not None else None


def unsent_to(partition: Partition, number_index: bytes) -> list[tuple[bytes, int, int, str]]:
    """(id, seq, class, sender) of messages to a number that have not left: accepted, queued or scheduled; not the appliance's own answers."""
    return list(
        partition.conn.execute(
            "SELECT m.id,m.seq,m.class,m.sender FROM message m JOIN progress p ON p.seq=m.seq"
            " WHERE m.number_index=? AND p.status IN (0,1,2) AND m.caller<>0",
            (number_index,),
        ).fetchall()
    )

"""HOT: what a day knows of segments that nobody answered, and of receipts whose message is not known yet: for odd cases only."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, NamedTuple

from .partition import Partition

#: What is done with an indeterminate segment: told and left, held for a person, sent again unless a parked receipt settles it.
REPORTED, HELD, TO_RESEND = range(3)

CANDIDATES: Final = (
    "SELECT s.key,s.status,m.segments,m.notify,m.id,m.class,m.encoding,m.sender,m.calling_code,m.number,m.content,m.key_id,"
    "s.submitted_ms,m.expires_ms,s.operator_id,coalesce(u.act,-1),u.at_ms FROM message m"
    " JOIN segment s ON s.key>=m.seq<<8 AND s.key<(m.seq+1)<<8 LEFT JOIN undecided u ON u.key=s.key"
    " WHERE m.number_index=? AND s.link=? AND s.status IN (3,10,20)"
)
CLAIMS: Final = (
    "SELECT operator_id,status,at_ms,error,sender,reference,text_length,text_index,accepted_ms FROM parked"
    " WHERE number_index=? AND link=?"
)


class Candidate(NamedTuple):
    """A segment to one number over one link that has no receipt: under way, sent, or indeterminate."""

    day: int
    key: int
    status: int
    segments: int
    notify: int
    message_id: bytes
    class_: int
    encoding: int
    sender: str
    calling_code: int
    number: bytes
    content: bytes | None
    key_id: int
    submitted_ms: int
    expires_ms: int
    operator_id: str | None
    act: int  # -1: not indeterminate
    lost_ms: int | None  # when it became so


class Claim(NamedTuple):
    """A final receipt whose id no response has brought: what it says of its message. `text_index` is keyed, never the text."""

    day: int
    operator_id: str
    status: int
    at_ms: int
    error: str | None
    sender: str | None
    reference: int | None
    text_length: int | None
    text_index: bytes | None
    accepted_ms: int | None

    @property
    def nameless(self) -> bool:
        """Its form has no ids: what stands for one is its own."""
        return self.operator_id.startswith("?")


def candidates(partition: Partition, link: int, number_index: bytes) -> list[Candidate]:
    """Segments of a day over a link to a number that have no receipt."""
    rows = partition.conn.execute(CANDIDATES, (number_index, link)).fetchall()
    return [Candidate(partition.day, *row) for row in rows]


def claims(partition: Partition, link: int, number_index: bytes) -> list[Claim]:
    """Receipts parked on a day for a link and a number."""
    return [Claim(partition.day, *row) for row in partition.conn.execute(CLAIMS, (number_index, link)).fetchall()]


def doubted(partition: Partition, number_index: bytes) -> list[tuple[int, int, int]]:
    """(seq, when it was accepted, when it was in doubt) of messages to a number that were sent again: each time that they were in doubt."""
    return partition.conn.execute(
        "SELECT m.seq,m.accepted_ms,e.at_ms FROM message m JOIN event e ON e.seq=m.seq WHERE m.number_index=? AND e.status=10"
        " AND EXISTS (SELECT 1 FROM event a WHERE a.seq=m.seq AND a.detail LIKE 'sent again%')",
        (number_index,),
    ).fetchall()


def any_claim(partition: Partition, link: int, number_index: bytes) -> bool:
    """Whether there is one: looked at for every segment that becomes indeterminate."""
    sql = "SELECT 1 FROM parked WHERE number_index=? AND link=? LIMIT 1"
    return partition.conn.execute(sql, (number_index, link)).fetchone() is not None


def parked_ids(partition: Partition, limit: int) -> list[tuple[int, str, int, int]]:
    """(link, operator id, status, at_ms) of the newest parked receipts of a day, oldest of them first."""
    sql = "SELECT link,operator_id,status,at_ms FROM parked ORDER BY at_ms DESC LIMIT ?"
    return partition.conn.execute(sql, (limit,)).fetchall()[::-1]


def parked_receipt(partition: Partition, link: int, operator_id: str) -> tuple[int, int, str | None] | None:
    """(status, at_ms, error) of one parked receipt."""
    sql = "SELECT status,at_ms,error FROM parked WHERE link=? AND operator_id=?"
    return partition.conn.execute(sql, (link, operator_id)).fetchone()


def submitted_ms(partition: Partition, key: int) -> int:
    """When a segment last left, 0 when it never did."""
    row = partition.conn.execute("SELECT submitted_ms FROM segment WHERE key=?", (key,)).fetchone()
    return row[0] or 0 if row is not None else 0


def number_index_of(partition: Partition, seq: int) -> bytes:
    """The blind index of the number a message goes to."""
    return partition.conn.execute("SELECT number_index FROM message WHERE seq=?", (seq,)).fetchone()[0]


def addressed(partition: Partition, seq: int) -> tuple[bytes, int, str]:
    """(blind index of its number, class, sender) of a message: what decides whether its customer wants it."""
    return partition.conn.execute("SELECT number_index,class,sender FROM message WHERE seq=?", (seq,)).fetchone()


def in_doubt(partition: Partition) -> list[tuple[int, int, bytes]]:
    """(link, act, blind index of the number) of each indeterminate segment of a day."""
    return partition.conn.execute(
        "SELECT u.link,u.act,m.number_index FROM undecided u JOIN message m ON m.seq=u.key>>8"
    ).fetchall()


def counts(partition: Partition) -> tuple[Counter[int], int, int]:
    """Indeterminate segments by link, messages held, messages indeterminate."""
    by_link: Counter[int] = Counter()
    held, messages = set(), set()
    for key, link, act in partition.conn.execute("SELECT key,link,act FROM undecided"):
        by_link[link] += 1
        messages.add(key >> 8)
        if act == HELD:
            held.add(key >> 8)
    return by_link, len(held), len(messages)


def doubt_of(partition: Partition, seq: int) -> list[tuple[int, int]]:
    """(segment key, act) of the indeterminate segments of a message."""
    return partition.conn.execute(
        "SELECT key,act FROM undecided WHERE key>=? AND key<? ORDER BY key", (seq << 8, (seq + 1) << 8)
    ).fetchall()


def overdue(partition: Partition, after_seq: int, upto_seq: int, before_ms: int) -> list[tuple[Any, ...]]:
    """(key, link, id as the operator wrote it, canonical id, sender that left, segments, notify) of segments in a span of messages
    that an operator took and said no more of although their validity ended before a time."""
    return partition.conn.execute(
        "SELECT s.key,s.link,coalesce(r.operator_id,s.operator_id),s.operator_id,coalesce(a.sender,m.sender),m.segments,m.notify"
        " FROM progress p JOIN message m ON m.seq=p.seq JOIN segment s ON s.key>=m.seq<<8 AND s.key<(m.seq+1)<<8"
        " LEFT JOIN raw_id r ON r.key=s.key LEFT JOIN sent_as a ON a.key=s.key WHERE p.seq>? AND p.seq<=? AND p.status IN (3,10) AND s.status IN (3,10)"
        " AND s.operator_id IS NOT NULL AND (m.expires_ms<? OR s.status=10)",
        (after_seq, upto_seq, before_ms),
    ).fetchall()


def sendable(partition: Partition, seq: int) -> tuple[int, int, int]:
    """(1 while its content is there, when its validity ends, class) of a message."""
    sql = "SELECT content IS NOT NULL,expires_ms,class FROM message WHERE seq=?"
    return partition.conn.execute(sql, (seq,)).fetchone()

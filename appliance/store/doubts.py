"""HOT: what a day knows of segments that nobody answered, and of receipts whose message is not known yet: for odd cases only."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, NamedTuple

from appliance.message import INDETERMINATE, SENT

from .batches import SUBMITTED
from .behind import ended_entry, ended_row
from .partition import Partition

#: What is done with an indeterminate segment: told and left, held for a person, sent again unless a parked receipt settles it.
REPORTED, HELD, TO_RESEND = range(3)
WAITING: Final = frozenset({SENT, INDETERMINATE, SUBMITTED})  # of a segment that has no receipt

ASKED: Final = "told by the operator when asked"  # what an event says, or ends with, of what query_sm settled
AGAIN: Final = "sent again"  # what it begins with when a segment that was in doubt leaves once more

#: What may own a receipt: what waits for one, and of the rest whatever was in doubt once or settled without one.
OWNERS: Final = (
    "SELECT s.key,s.status,m.segments,m.notify,m.id,m.class,m.encoding,m.sender,m.calling_code,m.number,m.content,m.key_id,"
    "s.submitted_ms,m.expires_ms,s.operator_id,coalesce(u.act,-1),u.at_ms,s.link=?2,m.accepted_ms,s.answered_ms,"
    "(SELECT max(e.at_ms) FROM event e WHERE e.seq=m.seq AND e.status=10),"
    "(SELECT count(*) FROM event e WHERE e.seq=m.seq AND e.detail LIKE 'sent again%'),s.receipted_ms,"
    "EXISTS (SELECT 1 FROM event e WHERE e.seq=m.seq AND e.detail LIKE '%told by the operator when asked%') FROM message m"
    " JOIN segment s ON s.key>=m.seq<<8 AND s.key<(m.seq+1)<<8 LEFT JOIN undecided u ON u.key=s.key"
    " WHERE m.number_index=?1 AND s.link>0 AND (s.link=?2 AND s.status IN (3,10,20) OR EXISTS (SELECT 1 FROM event e"
    " WHERE e.seq=m.seq AND (e.status=10 OR e.detail LIKE '%told by the operator when asked%')))"
)
CLAIMS: Final = (
    "SELECT operator_id,status,at_ms,error,sender,reference,text_length,text_index,accepted_ms FROM parked"
    " WHERE number_index=? AND link=?"
)


class Candidate(NamedTuple):
    """A segment to one number that may own a receipt of one link: it left over it, and what became of each of its copies is not known."""

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
    submitted_ms: int  # when it last left
    expires_ms: int
    operator_id: str | None
    act: int  # -1: not indeterminate
    lost_ms: int | None  # when it became so
    here: bool  # the link is the one over which it last left
    accepted_ms: int
    answered_ms: int | None
    doubted_ms: int | None  # when its message was last in doubt
    again: int  # how often its message was sent again


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


def owners(partition: Partition, link: int, number_index: bytes) -> list[Candidate]:
    """Segments of a day to a number that may own a receipt of a link.

    Not: those that left once and have their receipt, or were refused each time. What the operator told when it was asked is no
    receipt, nor is what a person decided: theirs may still come. What was sent again may have left over any link before.
    """
    out = []
    for *row, again, receipted_ms, asked in partition.conn.execute(OWNERS, (number_index, link)).fetchall():
        candidate = Candidate(partition.day, *(*row, again))
        waits = candidate.status in WAITING
        if not candidate.here and not again:
            continue
        if not waits and not again and receipted_ms is not None and not asked:
            continue
        out.append(candidate)
    return out


def claims(partition: Partition, link: int, number_index: bytes) -> list[Claim]:
    """Receipts parked on a day for a link and a number."""
    return [Claim(partition.day, *row) for row in partition.conn.execute(CLAIMS, (number_index, link)).fetchall()]


def spent(link: int, operator_id: str) -> dict[str, Any]:
    """What stands for a receipt without an id that was given to its segment: the same words once more are the same receipt."""
    return ended_row([ended_entry(link, operator_id)])


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


def doubted(partition: Partition, seqs: list[int]) -> set[int]:
    """Which of these messages were ever in doubt."""
    if not seqs:
        return set()
    sql = f"SELECT seq FROM event WHERE status={INDETERMINATE} AND seq IN ({','.join('?' * len(seqs))})"  # noqa: S608
    return {seq for (seq,) in partition.conn.execute(sql, seqs)}


def sendable(partition: Partition, seq: int) -> tuple[int, int, int]:
    """(1 while its content is there, when its validity ends, class) of a message."""
    sql = "SELECT content IS NOT NULL,expires_ms,class FROM message WHERE seq=?"
    return partition.conn.execute(sql, (seq,)).fetchone()

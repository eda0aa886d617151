"""What became of a day's messages, as figures: by caller, class, link, country and status, by hour, and how long each step took.

Nothing of one message is in them. A batch is counted in a few passes over its columns: what a beat did has one time, so most of it is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from appliance.message import DELIVERED, QUEUED

from .batches import ODD, SUBMITTED
from .found import links_of
from .opening import Connection
from .stored import NUMBER_OCTETS, has_batches, tally_of

#: (until ms, step ms): a duration is counted as the end of its step, so that what lies on one is exact.
STEPS: Final = ((1_000, 10), (60_000, 100), (600_000, 1_000), (86_400_000, 60_000))
STEP_LAST: Final = 3_600_000
_HOUR_MS: Final = 3_600_000


def step(ms: int) -> int:
    """The end of the step that a duration lies in."""
    for until, size in STEPS:
        if ms <= until:
            return max(0, -(-ms // size) * size)
    return -(-ms // STEP_LAST) * STEP_LAST


class Counted(msgspec.Struct):
    """Keys are tuples; a link is "" where there is none yet."""

    messages: Counter[tuple[int, int, str, int, int]] = msgspec.field(default_factory=Counter)
    """(caller, class, link, calling code, status) -> messages"""
    segments: Counter[tuple[int, int, str, int]] = msgspec.field(default_factory=Counter)
    """(caller, class, link, calling code) -> segments that were written to the link"""
    answered: Counter[tuple[int, int, str, int]] = msgspec.field(default_factory=Counter)
    """the same, of those that the operator took"""
    hours: Counter[tuple[int, int, int]] = msgspec.field(default_factory=Counter)
    """(hour since 1970, class, status) -> messages accepted in it"""
    sent_ms: Counter[tuple[int, str, int]] = msgspec.field(default_factory=Counter)
    """(class, link, step) -> messages that the operator took so long after they were accepted, or after the time they were ordered for"""
    delivered_ms: Counter[tuple[int, str, int]] = msgspec.field(default_factory=Counter)
    """the same, of those that a receipt says are delivered"""

    def add(self, other: Counted) -> None:
        for name in self.__struct_fields__:
            getattr(self, name).update(getattr(other, name))


class _Columns(msgspec.Struct, array_like=True, gc=False):
    """The columns of a batch that are counted; what follows is not read."""

    accepted_ms: int
    key_id: int
    ids: bytes
    callers: list[int]
    classes: list[int]
    encodings: msgspec.Raw
    senders: msgspec.Raw
    calling_codes: list[int]


_decode = msgspec.msgpack.Decoder(_Columns).decode

ODD_MESSAGES: Final = (
    "SELECT m.caller,m.class,m.calling_code,p.status,p.link,m.accepted_ms,m.send_at_ms,p.sent_ms,p.changed_ms"
    " FROM message m JOIN progress p ON p.seq=m.seq WHERE m.accepted_ms>=? AND m.accepted_ms<?"
)
ODD_SEGMENTS: Final = (
    "SELECT m.caller,m.class,m.calling_code,s.link,count(*),count(s.answered_ms) FROM segment s JOIN message m ON m.seq=s.key>>8"
    " WHERE m.accepted_ms>=? AND m.accepted_ms<? GROUP BY 1,2,3,4"
)


def counted(conn: Connection, day: int, from_ms: int = 0, to_ms: int = 1 << 62) -> Counted:
    """Of the messages accepted from `from_ms` on, before `to_ms`; inside a transaction."""
    out, links = Counted(), links_of(conn)
    for caller, class_, code, status, link, accepted, ordered, sent, changed in conn.execute(
        ODD_MESSAGES, (from_ms, to_ms)
    ):
        name = links.get(link, "")
        _count(out, 1, (caller, class_, name, code, status), accepted)
        begun = ordered or accepted
        if sent:
            out.sent_ms[class_, name, step(sent - begun)] += 1
        if status == DELIVERED:
            out.delivered_ms[class_, name, step(changed - begun)] += 1
    for caller, class_, code, link, written, answered in conn.execute(ODD_SEGMENTS, (from_ms, to_ms)):
        key = caller, class_, links.get(link, ""), code
        out.segments[key] += written
        out.answered[key] += answered
    if not has_batches(conn):
        return out
    for first, packed in conn.execute("SELECT first,columns FROM batch"):
        columns = _decode(packed)
        if from_ms <= columns.accepted_ms < to_ms:
            _batch(out, conn, day, first, columns, links)
    return out


def _count(out: Counted, n: int, key: tuple[int, int, str, int, int], accepted_ms: int) -> None:
    out.messages[key] += n
    out.hours[accepted_ms // _HOUR_MS, key[1], key[4]] += n


def _batch(out: Counted, conn: Connection, day: int, first: int, columns: _Columns, links: dict[int, str]) -> None:
    tally, accepted = tally_of(conn, day, first, columns.ids), columns.accepted_ms
    same = Counter(
        zip(
            columns.callers, columns.classes, columns.calling_codes, tally.statuses, tally.links,
            map(bool, tally.submitted), tally.answered, tally.receipted, strict=True,
        )
    )  # fmt: skip
    for (caller, class_, code, status, link, left, answered, receipted), n in same.items():
        if status == ODD:
            continue
        name = links.get(link, "") if answered else ""
        _count(out, n, (caller, class_, name, code, QUEUED if status == SUBMITTED else status), accepted)
        if left:
            key = caller, class_, links.get(link, ""), code
            out.segments[key] += n
            if answered:
                out.answered[key] += n
                out.sent_ms[class_, name, step(answered - accepted)] += n
        if status == DELIVERED:
            out.delivered_ms[class_, name, step(receipted - accepted)] += n


def customers(conn: Connection, day: int, from_ms: int, to_ms: int) -> Iterator[tuple[bytes, int, int]]:
    """(blind index, class, status) of each message accepted in a time; inside a transaction."""
    odd = (
        "SELECT m.number_index,m.class,p.status FROM message m JOIN progress p ON p.seq=m.seq"
        " WHERE m.accepted_ms>=? AND m.accepted_ms<?"
    )
    yield from conn.execute(odd, (from_ms, to_ms))
    if not has_batches(conn):
        return
    for first, packed, numbers in conn.execute("SELECT first,columns,numbers FROM batch"):
        columns = _decode(packed)
        if not from_ms <= columns.accepted_ms < to_ms:
            continue
        tally = tally_of(conn, day, first, columns.ids)
        for at, (class_, status) in enumerate(zip(columns.classes, tally.statuses, strict=True)):
            if status != ODD:
                index = numbers[NUMBER_OCTETS * at : NUMBER_OCTETS * (at + 1)]
                yield index, class_, QUEUED if status == SUBMITTED else status

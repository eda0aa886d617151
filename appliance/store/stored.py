"""HOT: what is read of batches, over any connection: by id, by number, by seq, in order, and how many are in which status.

A caller that reads more than once and does not write itself does so within one transaction: a tally and the moves after
it must be of the same moment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from math import inf
from typing import Final, NamedTuple

import msgspec

from appliance.message import DELIVERED, FINAL, QUEUED, SENT, id_ms

from .batches import (
    ID_OCTETS,
    NO_ID,
    ODD,
    SPAN_MS_MAX,
    SUBMITTED,
    Columns,
    Row,
    Tally,
    apply,
    decode_columns,
    ended_as,
    numbers_of,
    told,
)
from .behind import HEAP_OF_NUMBERS, Behind, begins, ended_entry, heap_span, number_entry, numbers_in
from .opening import Connection

NUMBER_OCTETS: Final = 16
WHERE_TIME: Final = (
    "SELECT first,columns FROM batch WHERE from_ms<=? AND from_ms>=? AND upto_ms>=? ORDER BY from_ms DESC"
)
HOLDER: Final = "SELECT first,last FROM batch WHERE first<=? ORDER BY first DESC LIMIT 1"
#: Those of some messages that are rows: one statement, for nearly all are not.
WHOSE_ROWS: Final = (
    "SELECT m.seq,m.id,m.key_id,m.content,m.caller,m.notify FROM json_each(?) j JOIN message m ON m.seq=j.value"
)
#: Batches that something of may wait in: those that are over are not read, which nearly all of many days are.
WAITING_IN: Final = (
    "SELECT b.first FROM batch b LEFT JOIN tally t ON t.first=b.first WHERE b.last>? AND b.first>=? AND b.classes&?"
    " AND coalesce(t.open,1)>0 ORDER BY b.first"
)
MARK: Final = "SELECT value FROM mark WHERE name=?"
DOWN: Final = (
    "SELECT first,last FROM batch WHERE first<? AND classes&? AND upto_ms>=? AND from_ms<=? ORDER BY first DESC"
)
OF_FIRST: Final = "SELECT last FROM batch WHERE first=? AND classes&? AND upto_ms>=? AND from_ms<=?"
FROM_FIRST: Final = "SELECT first FROM batch WHERE first>=? AND first<?"
#: Batches that have no tally; as counts of entries of small indexes, for most days have none.
UNTOLD: Final = "SELECT (SELECT count(*) FROM batch)-(SELECT count(*) FROM tally)"
WITHOUT_TALLY: Final = (
    "SELECT b.first FROM batch b LEFT JOIN tally t ON t.first=b.first WHERE t.first IS NULL AND b.first<?"
)


class Place(NamedTuple):
    """Where a message is: its batch, its place in it."""

    first: int
    at: int
    columns: Columns


def has_batches(conn: Connection) -> bool:
    """Whether a file has the tables: one of an older schema that nobody has opened for writing since has not."""
    return conn.execute("SELECT 1 FROM sqlite_master WHERE name='batch'").fetchone() is not None


def by_id(conn: Connection, message_id: bytes) -> Place | None:
    """The batch that holds an id."""
    at_ms = id_ms(message_id)
    for first, columns in conn.execute(WHERE_TIME, (at_ms, at_ms - SPAN_MS_MAX, at_ms)):
        if message_id in columns:
            read = decode_columns(columns)
            at = next(begins(read.ids, message_id, ID_OCTETS), None)
            if at is not None:
                return Place(first, at // ID_OCTETS, read)
    return None


def holder(conn: Connection, seq: int) -> int | None:
    """The first message of the batch that has a message; None: it is rows."""
    row = conn.execute(HOLDER, (seq,)).fetchone()
    return row[0] if row is not None and seq <= row[1] else None


def holders(conn: Connection, seqs: list[int]) -> list[int]:
    """The first messages of the batches that have some messages, given in order: the newest first."""
    out: list[int] = []
    last = -1
    for seq in seqs:
        if seq > last:
            row = conn.execute(HOLDER, (seq,)).fetchone()
            if row is not None and seq <= row[1]:
                out.append(row[0])
                last = row[1]
    return out[::-1]


def columns_of(conn: Connection, first: int) -> tuple[Columns, bytes]:
    """A batch's columns and blind indexes."""
    columns, numbers = conn.execute("SELECT columns,numbers FROM batch WHERE first=?", (first,)).fetchone()
    return decode_columns(columns), numbers


def tally_of(conn: Connection, day: int, first: int, ids: bytes) -> Tally:
    """What became of a batch as far as is committed: its tally and the moves since."""
    row = conn.execute("SELECT upto,statuses,rest FROM tally WHERE first=?", (first,)).fetchone()
    if row is None:
        tally, upto = Tally.fresh(day, first, ids), 0
    else:
        tally, upto = Tally.read(day, first, row[1], row[2]), row[0]
    if tally.open:
        last = first + len(tally.statuses) - 1
        sql = "SELECT rows FROM moves WHERE n>? AND highest>=? AND lowest<=? ORDER BY n"
        for (rows,) in conn.execute(sql, (upto, first, last)):
            apply(tally, rows)
    return tally


def written_of(conn: Connection, day: int, first: int, ids: bytes) -> Tally:
    """The same of a batch that no moves tell of, as the engine knows of those that it has not in memory."""
    row = conn.execute("SELECT statuses,rest FROM tally WHERE first=?", (first,)).fetchone()
    return Tally.fresh(day, first, ids) if row is None else Tally.read(day, first, *row)


def by_number(conn: Connection, number_index: bytes) -> list[int]:
    """The messages of batches to a number, in order; those that are rows now are among them."""
    found: set[int] = set()
    for (entries,) in conn.execute(HEAP_OF_NUMBERS, heap_span(number_index)):
        found.update(numbers_in(entries, number_index))
    row = conn.execute(MARK, ("numbers_upto",)).fetchone()
    for first, numbers in conn.execute("SELECT first,numbers FROM batch WHERE first>?", (row[0] if row else 0,)):
        found.update(first + at for at in places(numbers, number_index))
    return sorted(found)


def places(numbers: bytes, number_index: bytes) -> Iterator[int]:
    return (at // NUMBER_OCTETS for at in begins(numbers, number_index, NUMBER_OCTETS))


def batches_down(
    conn: Connection, upto: int, status: int | None, classes: int, times: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """(first, last) of the batches before a message that may hold what is asked for, newest first.

    `classes`: a bit for each, -1 for all; `times`: from and until when the ids in it were made.
    """
    if status in (None, DELIVERED):
        for first, last in conn.execute(DOWN, (upto, classes, *times)):
            if status is None or may_hold(conn, first, last, DELIVERED):
                yield first, last
        return
    assert status is not None
    for first in _firsts_in(conn, upto, status):
        row = conn.execute(OF_FIRST, (first, classes, *times)).fetchone()
        if row is not None and may_hold(conn, first, row[0], status):
            yield first, row[0]


def _firsts_in(conn: Connection, upto: int, status: int) -> list[int]:
    """The batches that may hold a status, by their first messages, the newest first: those whose tallies say so, and those of which they do not say all."""
    if status in FINAL or status == SENT:
        open_ = "" if status in FINAL else "open>0 AND "
        # Constants, not parameters: only then the index of the status is used (sqlite.org/partialindex.html).
        sql = f"SELECT first FROM tally WHERE {open_}instr(statuses,x'{status:02x}') AND first<?"  # noqa: S608
    else:
        sql = "SELECT first FROM tally WHERE open>0 AND first<?"
    found = {row[0] for row in conn.execute(sql, (upto,))}
    if status in FINAL:
        ended = [seq for (rows,) in conn.execute("SELECT rows FROM moves") for seq in ended_as(rows, status)]
        found.update(first for first in holders(conn, sorted(ended)) if first < upto)
        return sorted(found, reverse=True)
    lowest = conn.execute("SELECT min(lowest) FROM moves").fetchone()[0]
    if lowest is not None:
        begun = conn.execute(HOLDER, (lowest,)).fetchone()
        found.update(row[0] for row in conn.execute(FROM_FIRST, (begun[0] if begun else 0, upto)))
    if status == QUEUED and conn.execute(UNTOLD).fetchone()[0]:
        found.update(row[0] for row in conn.execute(WITHOUT_TALLY, (upto,)))
    return sorted(found, reverse=True)


def may_hold(conn: Connection, first: int, last: int, status: int) -> bool:
    """Whether a message of a batch may be in a status: asked before the batch is read."""
    row = conn.execute("SELECT open,statuses FROM tally WHERE first=?", (first,)).fetchone()
    if row is None and status == QUEUED:
        return True
    if row is not None and (status in row[1] or (status == QUEUED and SUBMITTED in row[1])):
        return True
    if row is not None and not row[0]:
        return False
    return (
        conn.execute("SELECT 1 FROM moves WHERE highest>=? AND lowest<=? LIMIT 1", (first, last)).fetchone() is not None
    )


def whose(conn: Connection, seqs: list[int]) -> dict[int, Row]:
    """(id, key_id, content, caller, notify) of messages, whether they are rows or in batches; content None after redaction."""
    wanted = sorted(set(seqs))
    out: dict[int, Row] = {row[0]: row[1:] for row in conn.execute(WHOSE_ROWS, (msgspec.json.encode(wanted).decode(),))}
    first, last, columns = 0, -1, None
    for seq in wanted:
        if seq in out:
            continue
        if seq > last:
            row = conn.execute(
                "SELECT first,last,columns FROM batch WHERE first<=? ORDER BY first DESC LIMIT 1", (seq,)
            ).fetchone()
            if row is None or seq > row[1]:
                continue
            first, last, columns = row[0], row[1], decode_columns(row[2])
        assert columns is not None
        at = seq - first
        content = columns.contents[at] or None
        out[seq] = columns.id(at), columns.key_id, content, columns.callers[at], columns.notify[at]
    return out


def waiting(
    conn: Connection, day: int, class_: int, after_seq: int, limit: int, tally: Callable[[int], Tally | None]
) -> list[tuple[Row, Tally]]:
    """Messages of batches that wait, of a class, in order: rows as Partition.waiting has them, and their tallies.

    `tally`: of a batch by its first message, if it is in memory.
    """
    out: list[tuple[Row, Tally]] = []
    row = conn.execute(HOLDER, (after_seq,)).fetchone()
    for (first,) in conn.execute(WAITING_IN, (after_seq, row[0] if row else 0, 1 << class_)):
        known = tally(first)
        if known is not None and QUEUED not in known.statuses:
            continue
        c, _ = columns_of(conn, first)
        if known is None:
            known = written_of(conn, day, first, c.ids)
        if QUEUED not in known.statuses:
            continue
        for at, status in enumerate(known.statuses):
            seq = first + at
            if status == QUEUED and c.classes[at] == class_ and seq > after_seq:
                content = c.contents[at]
                out.append(
                    (
                        (
                            seq, c.id(at), class_, c.encodings[at], 1, c.senders[at], c.numbers[at], content, c.key_id,
                            c.expires_ms[at], c.notify[at], QUEUED,
                        ),
                        known,
                    )
                )  # fmt: skip
        if len(out) >= limit:
            break
    return out[:limit]


def waiting_counts(conn: Connection, day: int, floor_seq: int) -> Counter[int]:
    """By class, how many messages of batches wait, from `floor_seq` on."""
    out: Counter[int] = Counter()
    row = conn.execute(HOLDER, (floor_seq,)).fetchone()
    sql = (
        "SELECT b.first,b.count,b.classes,t.open FROM batch b LEFT JOIN tally t ON t.first=b.first WHERE b.first>=?"
        " AND coalesce(t.open,1)>0"
    )
    firsts = set(moving(conn))
    for first, count, classes, open_ in conn.execute(sql, (row[0] if row else 0,)).fetchall():
        if open_ is None and first not in firsts and classes & (classes - 1) == 0:
            out[classes.bit_length() - 1] += count
            continue
        columns, _ = columns_of(conn, first)
        tally = tally_of(conn, day, first, columns.ids)
        out.update(class_ for class_, status in zip(columns.classes, tally.statuses, strict=True) if status == QUEUED)
    return out


def totals(conn: Connection) -> Counter[int]:
    """How many messages are in which status, rows and batches together."""
    out: Counter[int] = Counter(dict(conn.execute("SELECT status,count(*) FROM progress GROUP BY status").fetchall()))
    for statuses, count in conn.execute("SELECT statuses,count(*) FROM tally GROUP BY statuses"):
        for status, n in Counter(statuses).items():
            out[status] += n * count
    sql = "SELECT coalesce(sum(count),0) FROM batch WHERE first NOT IN (SELECT first FROM tally)"
    out[QUEUED] += conn.execute(sql).fetchone()[0]
    for before, after in _moved(conn):
        if before != after:
            out.subtract(before)
            out.update(after)
    out[QUEUED] += out.pop(SUBMITTED, 0)
    out.pop(ODD, None)
    return Counter({status: n for status, n in out.items() if n})


def _moved(conn: Connection) -> Iterator[tuple[bytes, bytearray]]:
    """The statuses of each batch that moves tell of, as its tally has them and as they are. One pass over the moves for all batches: they overlap."""
    firsts = moving(conn)
    uptos: list[float] = []
    before: list[bytes] = []
    for first in firsts:
        row = conn.execute("SELECT open,upto,statuses FROM tally WHERE first=?", (first,)).fetchone()
        if row is None:
            row = 1, 0, bytes(Tally.fresh(0, first, columns_of(conn, first)[0].ids).statuses)
        uptos.append(row[1] if row[0] else inf)  # what is over has taken in all
        before.append(row[2])
    after = [bytearray(each) for each in before]
    for n, rows in conn.execute("SELECT n,rows FROM moves ORDER BY n"):
        for seq, status in told(rows):
            k = bisect_right(firsts, seq) - 1
            if k >= 0 and n > uptos[k] and seq - firsts[k] < len(after[k]):
                after[k][seq - firsts[k]] = status
    yield from zip(before, after, strict=True)


def statuses(conn: Connection) -> dict[bytes, int]:
    """The status of every message by its id, rows and batches together."""
    found = dict(conn.execute("SELECT m.id,p.status FROM progress p JOIN message m ON m.seq=p.seq").fetchall())
    for first, packed in conn.execute("SELECT first,columns FROM batch").fetchall():
        columns = decode_columns(packed)
        tally = tally_of(conn, 0, first, columns.ids)
        for at in range(len(tally.statuses)):
            status = tally.progress(at, 0)[0]
            if status != ODD:
                found[columns.id(at)] = status
    return found


def moving(conn: Connection) -> list[int]:
    """The batches of which moves tell more than their tallies, by their first messages."""
    seqs: set[int] = set()
    for (rows,) in conn.execute("SELECT rows FROM moves"):
        seqs |= numbers_of(rows)
    out: list[int] = []
    last = -1
    for seq in sorted(seqs):
        if seq > last:
            row = conn.execute(HOLDER, (seq,)).fetchone()
            if row is None or seq > row[1]:
                continue
            first, last = row
            out.append(first)
    return out


def any_open(conn: Connection) -> list[int]:
    """The batches whose tallies say that something is still to come."""
    return [row[0] for row in conn.execute("SELECT first FROM tally WHERE open>0 ORDER BY first")]


def number_entries(first: int, numbers: bytes) -> list[bytes]:
    """The entries of `number` for a batch."""
    size = len(numbers) // NUMBER_OCTETS
    indexes = (numbers[NUMBER_OCTETS * at : NUMBER_OCTETS * (at + 1)] for at in range(size))
    return [number_entry(index, first + at) for at, index in enumerate(indexes) if index != NO_ID]


def gather_again(conn: Connection, numbers: Behind, ended: Behind, last_seq: int, last_moves: int) -> None:
    """At a start: what was not yet put in place when the process ended."""
    for first, indexes in conn.execute("SELECT first,numbers FROM batch WHERE first>?", (numbers.upto,)):
        numbers.gather(number_entries(first, indexes), 0)
    numbers.gather([], last_seq)
    for first, statuses, rest in conn.execute("SELECT first,statuses,rest FROM tally WHERE upto>?", (ended.upto,)):
        tally = Tally.read(0, first, statuses, rest)
        over = [at for at, status in enumerate(statuses) if status in FINAL and tally.operator_ids[at]]
        ended.gather([ended_entry(tally.links[at], tally.operator_ids[at]) for at in over], 0)
    for first in moving(conn):
        columns, _ = columns_of(conn, first)
        tally = tally_of(conn, 0, first, columns.ids)
        over = [at for at, status in enumerate(tally.statuses) if status in FINAL and tally.operator_ids[at]]
        ended.gather([ended_entry(tally.links[at], tally.operator_ids[at]) for at in over], 0)
    ended.gather([], last_moves)

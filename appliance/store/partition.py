"""HOT: one day of messages in one file: its schema, and the constant statements of its one writer.

Trust: numbers, bodies, references and callback addresses are sealed with AAD that binds them to their row, so somebody who
can change this file can delete or reorder rows and change statuses and times, but cannot read, forge or swap a body or a number.
What was committed is also counted, by digest, in the audit log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from appliance.errors import Error

from . import stored
from .batches import (
    FORGET_MOVES,
    INSERT_MOVES,
    UNFOLD_MESSAGE,
    UNFOLD_PROGRESS,
    UNFOLD_SEGMENT,
    WRITE_TALLY,
    Tally,
)
from .behind import HEAP_OF_ENDED, HEAP_OF_NUMBERS, Ended, Numbers, ended_entry, heap_span, is_in, numbers_in
from .checkpointing import empties
from .folder import partition_path
from .migrating import migrate
from .opening import Connection, open_store, settle
from .schema import MIGRATIONS
from .work import STATEMENTS, Work

SCRUB_MS: Final = 100  # a beat waits no longer for a reader to be out of the way
FIND_OPERATOR_ID: Final = (
    "SELECT s.key,s.status,m.segments,m.notify,p.status FROM segment s JOIN message m ON m.seq=s.key>>8"
    " JOIN progress p ON p.seq=m.seq WHERE s.operator_id=? AND s.link=?"
)
PARTS: Final = "SELECT key&255,status,error,link,operator_id IS NOT NULL FROM segment WHERE key>=? AND key<?"
STATE: Final = (
    "SELECT p.status,m.segments,m.notify,p.sent_ms FROM progress p JOIN message m ON m.seq=p.seq WHERE p.seq=?"
)
WAITING: Final = (
    "SELECT m.seq,m.id,m.class,m.encoding,m.segments,m.sender,m.number,m.content,m.key_id,m.expires_ms,m.notify,p.status"
    " FROM progress p JOIN message m ON m.seq=p.seq WHERE p.seq>? AND p.status=2 AND m.class=? ORDER BY p.seq LIMIT ?"
)
LAST_SEQ: Final = "SELECT max(coalesce((SELECT max(seq) FROM message),0),coalesce((SELECT last FROM batch ORDER BY first DESC LIMIT 1),0))"
BY_ID: Final = "SELECT m.seq,p.status,m.notify,m.segments FROM message m JOIN progress p ON p.seq=m.seq WHERE m.id=?"


class Sent(NamedTuple):
    """Where a receipt belongs: a segment's row and what must be known of its message."""

    day: int
    key: int  # seq << 8 | part, parts counted from 1... see segment_key
    status: int
    segments: int
    notify: int
    message_status: int


class Partition:
    """The one writer of a day. Not for two threads at once; `commit` may run in another thread while nothing else does."""

    def __init__(self, folder: Path, day: int) -> None:
        self.day = day
        self.path = partition_path(folder, day)
        self.conn: Connection = open_store(self.path)
        try:
            settle(self.conn)
            migrate(self.conn, MIGRATIONS)
        except Error:
            self.conn.close()
            raise
        self.last_seq: int = self.conn.execute(LAST_SEQ).fetchone()[0]
        self.last_moves: int = self.conn.execute("SELECT coalesce(max(n),0) FROM moves").fetchone()[0]
        self.last_moves = max(self.last_moves, self.mark("moves"))
        self._cursor = self.conn.cursor()
        self._cursor.execute("PRAGMA secure_delete=OFF")
        self._secure = False
        self._numbers = Numbers("numbers_upto", self.mark("numbers_upto"))
        self._ended = Ended("ended_upto", self.mark("ended_upto"))
        self._new_numbers: list[bytes] = []
        self._new_ended: list[bytes] = []
        stored.gather_again(self.conn, self._numbers, self._ended, self.last_seq, self.last_moves)

    def write(self, work: Work) -> None:
        """Runs the statements of `work` inside a transaction and leaves it open for `commit`.

        The audit entries in `work` are the caller's to put into the outbox before `commit`.
        """
        cursor = self._cursor
        self.begin()
        erases = work.erases()
        if erases != self._secure:
            # Only then: zeroing whatever is deleted costs writes (sqlite.org/pragma.html#pragma_secure_delete).
            cursor.execute(f"PRAGMA secure_delete={'ON' if erases else 'OFF'}")
            self._secure = erases
        for name, sql in STATEMENTS:
            rows = getattr(work, name)
            if rows:
                cursor.executemany(sql, rows)
        for first, *_, numbers, _ in work.batches:
            self._new_numbers += stored.number_entries(first, numbers)
        if work.moves:
            self.last_moves += 1
            cursor.execute(INSERT_MOVES, work.moves.row(self.last_moves))
            self._new_ended += [ended_entry(link, operator_id) for link, operator_id in work.moves.over_ids]
        if work.tallies:
            cursor.executemany(WRITE_TALLY, [tally.row(self.last_moves) for tally in work.tallies.values()])

    def write_unfolded(self, work: Work) -> None:
        """The rows of unfolded messages alone, for those who look at them before the rest is written; `write` does it again."""
        self.begin()
        messages, segments = work.unfolded_written
        self._cursor.executemany(UNFOLD_MESSAGE, work.unfolded_messages[messages:])
        self._cursor.executemany(UNFOLD_PROGRESS, work.unfolded_progress[messages:])
        self._cursor.executemany(UNFOLD_SEGMENT, work.unfolded_segments[segments:])
        work.unfolded_written = len(work.unfolded_messages), len(work.unfolded_segments)

    def place(self, least: int) -> None:
        """Inside the transaction: a little of the indexes that are built behind the writing, once `least` entries wait."""
        for index in (self._numbers, self._ended):
            if index.place(self._cursor, least):
                self.set_mark(index.mark, index.upto)

    def behind(self, least: int) -> bool:
        """Whether so much waits to be put in place, or has begun to be."""
        return self._numbers.enough(least) or self._ended.enough(least)

    def forget_moves(self, before: int) -> None:
        """Inside the transaction: moves that tallies have taken in. Their numbers are not used again."""
        self._cursor.execute(FORGET_MOVES, (before,))
        self.set_mark("moves", self.last_moves)

    def begin(self) -> None:
        """Opens a transaction unless one is open."""
        if not self.conn.in_transaction:
            self.conn.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self.conn.execute("COMMIT")
        self._numbers.committed()
        self._ended.committed()
        self._numbers.gather(self._new_numbers, self.last_seq)
        self._ended.gather(self._new_ended, self.last_moves)
        self._new_numbers, self._new_ended = [], []

    def rollback(self) -> None:
        if self.conn.in_transaction:
            self.conn.execute("ROLLBACK")
        self._new_numbers, self._new_ended = [], []
        self._numbers.again()
        self._ended.again()

    def write_over(self, now_ms: int) -> None:
        """Puts something else in the place of a transaction whose commit failed.

        If it was the sync that failed, it is whole in the log, and a restart would take it for committed.
        """
        self.rollback()
        self.begin()
        self.set_mark("refused", now_ms)
        self.commit()

    def scrub(self) -> bool:
        """Empties the write-ahead log into the file, so that what was erased is in neither; False: a reader stood in the way.

        Like `commit` it may run in another thread while nothing else does.
        """
        return empties(self.conn, SCRUB_MS)

    def find_operator_id(self, link: int, operator_id: str) -> Sent | None:
        """The newest segment that link `link` gave this id, with an id already in its canonical form."""
        rows = self.conn.execute(FIND_OPERATOR_ID, (operator_id, link)).fetchall()
        if not rows:
            return None
        key, status, segments, notify, message_status = max(rows)
        return Sent(self.day, key, status, segments, notify, message_status)

    def parts(self, seq: int) -> list[tuple[int, int, str | None, int, int]]:
        """(part, status, error, link, whether an operator took it) of each segment of a message that was ever submitted."""
        return self.conn.execute(PARTS, (seq << 8, (seq + 1) << 8)).fetchall()

    def state(self, seq: int) -> tuple[int, int, int, int | None]:
        """(status, segments, notify, sent_ms) of a message."""
        return self.conn.execute(STATE, (seq,)).fetchone()

    def waiting(
        self, class_: int, after_seq: int, limit: int, tally: Callable[[int], Tally | None]
    ) -> list[tuple[tuple[Any, ...], Tally | None]]:
        """Queued messages of a class in order, for paging in, each with its tally unless it is rows.

        `tally`: of a batch by its first message, if it is in memory.
        """
        rows = self.conn.execute(WAITING, (after_seq, class_, limit)).fetchall()
        out: list[tuple[tuple[Any, ...], Tally | None]] = [(row, None) for row in rows]
        out += stored.waiting(self.conn, self.day, class_, after_seq, limit, tally)
        out.sort(key=lambda each: each[0][0])
        return out[:limit]

    def by_id(self, message_id: bytes) -> tuple[int, int, int, int] | None:
        """(seq, status, notify, segments) of a message."""
        return self.conn.execute(BY_ID, (message_id,)).fetchone()

    def was_ended(self, link: int, operator_id: str) -> bool:
        """Whether a segment of a batch that has its final receipt had this id."""
        entry = ended_entry(link, operator_id)
        if entry in self._ended:
            return True
        return any(is_in(digests, entry) for (digests,) in self.conn.execute(HEAP_OF_ENDED, heap_span(entry)))

    def batched_to(self, number_index: bytes) -> list[int]:
        """The messages of batches to a number, in order; those that are rows now are among them."""
        found: set[int] = set(numbers_in(self._numbers.heap(number_index[0]), number_index))
        for (entries,) in self.conn.execute(HEAP_OF_NUMBERS, heap_span(number_index)):
            found.update(numbers_in(entries, number_index))
        return sorted(found)

    def unplaced(self, entries: set[bytes]) -> None:
        """Entries of the index of numbers that wait to be put in place are not put there."""
        self._numbers.drop(entries)

    def content(self, seq: int) -> bytes | None:
        """The sealed content of a message; None after redaction."""
        row = self.conn.execute("SELECT content FROM message WHERE seq=?", (seq,)).fetchone()
        return row[0] if row is not None else None

    def was(self, seq: int, status: int) -> bool:
        """Whether an event says that a message had this status at some time."""
        found = self.conn.execute("SELECT 1 FROM event WHERE seq=? AND status=? LIMIT 1", (seq, status)).fetchone()
        return found is not None

    def details(self, seq: int, status: int) -> list[str]:
        """What the events say by which a message came to a status."""
        rows = self.conn.execute("SELECT detail FROM event WHERE seq=? AND status=?", (seq, status))
        return [row[0] or "" for row in rows]

    def due(self, now_ms: int, class_: int, limit: int) -> list[int]:
        """Scheduled messages of a class whose time has come."""
        rows = self.conn.execute(
            "SELECT seq FROM schedule WHERE class=? AND send_at_ms<=? ORDER BY send_at_ms LIMIT ?",
            (class_, now_ms, limit),
        )
        return [r[0] for r in rows]

    def has_schedule(self) -> bool:
        return self.conn.execute("SELECT 1 FROM schedule LIMIT 1").fetchone() is not None

    def rows_of(self, seqs: list[int]) -> list[tuple[Any, ...]]:
        """The same columns as `waiting` for the messages named."""
        marks = ",".join("?" * len(seqs))
        sql = WAITING.split(" WHERE ")[0] + f" WHERE m.seq IN ({marks}) ORDER BY m.seq"
        return self.conn.execute(sql, seqs).fetchall()

    def idempotent(self, key_macs: list[bytes]) -> dict[bytes, tuple[bytes, int, bytes]]:
        """key_mac -> (body_mac, key_id, sealed answer) for those seen before on this day."""
        out = {}
        for key in key_macs:
            row = self.conn.execute("SELECT body_mac,key_id,answer FROM idempotency WHERE key_mac=?", (key,)).fetchone()
            if row is not None:
                out[key] = row
        return out

    def mark(self, name: str) -> int:
        row = self.conn.execute("SELECT value FROM mark WHERE name=?", (name,)).fetchone()
        return row[0] if row else 0

    def marks(self, beginning: str) -> list[tuple[str, int]]:
        """Name and value of those whose name begins so."""
        sql = "SELECT name,value FROM mark WHERE name>=? AND name<?"
        return self.conn.execute(sql, (beginning, beginning + "\U0010ffff")).fetchall()

    def set_mark(self, name: str, value: int) -> None:
        """Inside the caller's transaction."""
        self.conn.execute("INSERT OR REPLACE INTO mark(name,value) VALUES(?,?)", (name, value))

    def interrupted(self, floor_seq: int) -> list[tuple[int, int, int, int, int]]:
        """(key, link, class, segments, notify) of segments a crash left between intention and answer."""
        return self.conn.execute(
            "SELECT s.key,s.link,m.class,m.segments,m.notify FROM segment s JOIN message m ON m.seq=s.key>>8"
            " WHERE s.key>=? AND s.status=20",
            (floor_seq << 8,),
        ).fetchall()

    def waiting_counts(self, floor_seq: int) -> list[tuple[int, int]]:
        """(class, messages) that wait to be sent, from `floor_seq` on."""
        sql = (
            "SELECT m.class,count(*) FROM progress p JOIN message m ON m.seq=p.seq WHERE p.seq>=? AND p.status=2"
            " GROUP BY m.class"
        )
        counts = Counter(dict(self.conn.execute(sql, (floor_seq,)).fetchall()))
        return sorted((counts + stored.waiting_counts(self.conn, self.day, floor_seq)).items())

    def webhooks(self, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
        """The oldest status events that the courier has not yet taken: (number of the first, rows)."""
        rows = self._due("SELECT n,seq,status,at_ms,error FROM webhook_outbox ORDER BY n LIMIT ?", limit)
        return (rows[0][0] if rows else 0), [row[:-1] for row in rows]

    def settle_webhooks(self, upto: int) -> None:
        self.conn.execute("DELETE FROM webhook_outbox WHERE n<=?", (upto,))

    def doors(self, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
        """The oldest statuses that the SMPP door has not yet taken: (number of the first, rows)."""
        rows = self._due("SELECT n,seq,status,at_ms,error FROM door_outbox ORDER BY n LIMIT ?", limit)
        return (rows[0][0] if rows else 0), rows

    def _due(self, sql: str, limit: int) -> list[tuple[Any, ...]]:
        """(n, id, key_id, content, status, at_ms, error, caller, notify) of the rows of an outbox."""
        rows = self.conn.execute(sql, (limit,)).fetchall()
        of = stored.whose(self.conn, [row[1] for row in rows])
        out = []
        for n, seq, status, at_ms, error in rows:
            if seq in of:
                message_id, key_id, content, caller, notify = of[seq]
                out.append((n, message_id, key_id, content, status, at_ms, error, caller, notify))
        return out

    def settle_doors(self, upto: int) -> None:
        self.conn.execute("DELETE FROM door_outbox WHERE n<=?", (upto,))

    def arrived(self, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
        """The oldest customers' messages that the SMPP door has not yet looked at, the same way; they stay where they are."""
        rows = self.conn.execute(
            "SELECT i.n,i.id,i.key_id,i.number,i.recipient,i.content,i.at_ms,l.name FROM inbound i"
            " JOIN link l ON l.number=i.link WHERE i.n>? ORDER BY i.n LIMIT ?",
            (self.mark("inbound_told"), limit),
        ).fetchall()
        return (rows[0][0] if rows else 0), rows

    def settle_arrived(self, upto: int) -> None:
        self.set_mark("inbound_told", upto)

    def heard(self, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
        """The oldest whole messages of customers that the courier has not yet taken, the same way; they stay where they are."""
        rows = self.conn.execute(
            "SELECT n,id,key_id,number,recipient,content,at_ms FROM heard WHERE n>? ORDER BY n LIMIT ?",
            (self.mark("heard_told"), limit),
        ).fetchall()
        return (rows[0][0] if rows else 0), rows

    def settle_heard(self, upto: int) -> None:
        self.set_mark("heard_told", upto)

    def untold(self) -> bool:
        """Whether the SMPP door has not taken everything of this day. Unlike what `may_move` tells, this ends with retention."""
        return (
            self.conn.execute("SELECT 1 FROM door_outbox LIMIT 1").fetchone() is not None
            or self.conn.execute("SELECT 1 FROM inbound WHERE n>? LIMIT 1", (self.mark("inbound_told"),)).fetchone()
            is not None
        )

    def may_move(self, now_ms: int) -> bool:
        """Whether something of this day is still to happen: scheduled, scheduled once and not over, or not yet told."""
        return (
            self.has_schedule()
            or self.mark("open_until") > now_ms
            or self.conn.execute("SELECT 1 FROM webhook_outbox LIMIT 1").fetchone() is not None
            or self.conn.execute("SELECT 1 FROM heard WHERE n>? LIMIT 1", (self.mark("heard_told"),)).fetchone()
            is not None
        )

    def totals(self) -> dict[int, int]:
        return dict(stored.totals(self.conn))

    def close(self) -> None:
        self.rollback()
        self.conn.close()


def link_numbers(partition: Partition, names: list[str]) -> dict[str, int]:
    """The small number of each link in this partition; a name keeps its number for ever."""
    conn = partition.conn
    for name in names:
        conn.execute("INSERT OR IGNORE INTO link(name) VALUES(?)", (name,))
    return dict(conn.execute("SELECT name,number FROM link").fetchall())

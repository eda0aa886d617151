"""Read-only search over the partitions, for gateways, the console and commands. Blocking: event loops call it in a thread."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from appliance import clock
from appliance.errors import Error
from appliance.message import INDETERMINATE, STATUSES, id_ms

from . import stored
from .batches import SUBMITTED
from .figures import Counted, counted, customers
from .folder import partition_days, partition_exists, partition_path
from .found import Found, Part, Wanted, basis_of, batched, notify_of, search, timeline
from .opening import Connection, DatabaseError, is_damage, open_store

COLUMNS = (
    "m.id,m.seq,m.caller,p.status,m.class,m.encoding,m.segments,m.sender,m.calling_code,l.name,m.accepted_ms,m.send_at_ms,"
    "m.expires_ms,m.key_id,m.number,m.content,p.error,p.changed_ms,p.sent_ms"
)
FROM = " FROM message m JOIN progress p ON p.seq=m.seq LEFT JOIN link l ON l.number=p.link"
#: The narrow rows first, for what nearly none of many fits (sqlite.org/optoverview.html#crossjoin).
NARROW_FIRST = " FROM progress p CROSS JOIN message m ON m.seq=p.seq LEFT JOIN link l ON l.number=p.link"


class Heard(NamedTuple):
    """A customer's whole message; `number` (AAD b"n" + id) and `content` (AAD b"h" + id) are sealed."""

    id: bytes
    at_ms: int
    key_id: int
    number: bytes
    recipient: str
    content: bytes
    place: tuple[int, int] = (0, 0)  # day and number within it

    @property
    def day(self) -> int:
        return self.place[0]

    @property
    def seq(self) -> int:
        return self.place[1]

    @property
    def accepted_ms(self) -> int:
        return self.at_ms


HEARD_ONE = "SELECT id,at_ms,key_id,number,recipient,content,n FROM heard WHERE id=?"
HEARD_DOWN = "SELECT n,id,at_ms,key_id,number,recipient,content FROM heard WHERE n<? ORDER BY n DESC LIMIT ?"
HEARD = "SELECT n,id,at_ms,key_id,number,recipient,content FROM heard WHERE n>? ORDER BY n LIMIT ?"


class Reader:
    """Reads the partitions of one store. Keeps those it looked at open; safe for one thread at a time."""

    OPEN_MAX = 40  # a month and more: to open a file costs more than to find a number in it
    CACHE_KIB = 512  # of each; the kernel's cache is behind it

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[int, Connection] = {}
        self._unreadable: dict[int, str] = {}  # days whose files are damaged, and why
        self._batched: set[int] = set()  # days whose files have batches: that does not change

    def message(self, message_id: bytes) -> Found | None:
        """One message with its events and parts; its day is within its id."""
        day = clock.day_of(id_ms(message_id))
        conn = self._readable(day)
        if conn is None:
            return None
        with _moment(conn, day):
            return self._message(conn, message_id, day)

    def _message(self, conn: Connection, message_id: bytes, day: int) -> Found | None:
        place = stored.by_id(conn, message_id) if stored.has_batches(conn) else None
        if place is not None:
            whole = batched(conn, day, place.first, place.columns)
            found = whole.found(place.at)
            if found is not None:
                found.parts = whole.parts(place.at)
                found.basis = basis_of(conn, found.seq)
                found.events = timeline(found, whole.tally.answered[place.at] or None, [])
                return found
        row = conn.execute(f"SELECT {COLUMNS}{FROM} WHERE m.id=?", (message_id,)).fetchone()
        if row is None:
            return None
        found = _found(row, day)
        found.parts = [
            Part(k & 255, "submitted" if s == SUBMITTED else STATUSES[s], *rest)
            for k, s, *rest in conn.execute(
                "SELECT s.key,s.status,l.name,s.submitted_ms,s.answered_ms,s.receipted_ms,s.error,s.operator_id FROM segment s"
                " LEFT JOIN link l ON l.number=s.link WHERE s.key>=? AND s.key<? ORDER BY s.key",
                (found.seq << 8, (found.seq + 1) << 8),
            )
        ]
        odd = conn.execute("SELECT at_ms,status,detail FROM event WHERE seq=? ORDER BY n", (found.seq,)).fetchall()
        found.basis, found.notify = basis_of(conn, found.seq), notify_of(conn, found.seq)
        found.events = timeline(found, row[-1], odd)
        return found

    def search(
        self,
        status: int | None = None,
        class_: int | None = None,
        link: str | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        number_index: bytes | None = None,
        callers: Iterable[int] | None = None,
        limit: int = 50,
        cursor: str | None = None,
        patience_s: float | None = None,
    ) -> tuple[list[Found], str | None]:
        """A page of messages, newest first, and the cursor of the next page (None when this is the last).

        `patience_s`: after so long what was found so far is the page, and its cursor goes on where the search stopped. Raises Error `invalid`
        for a cursor that this method did not give.
        """
        until_s = clock.monotonic_s() + patience_s if patience_s is not None else float("inf")
        before = cursor_of(cursor)
        callers = None if callers is None else [int(c) for c in callers]
        wanted = Wanted(status, class_, link, from_ms, to_ms, number_index, callers)
        sql, values = _statement(wanted)
        rows: list[Found] = []
        looked = False
        for day in reversed(partition_days(self.folder)):
            if before is not None and (day > before[0] or (day, 0) == before):
                continue
            if from_ms is not None and (day + 1) * clock.DAY_MS <= from_ms - clock.DAY_MS:
                break
            if to_ms is not None and day * clock.DAY_MS > to_ms:
                continue
            conn = self._readable(day)
            if conn is None:
                continue
            upto = before[1] if before is not None and day == before[0] else 1 << 62
            most = limit + 1 - len(rows)
            if looked and clock.monotonic_s() > until_s:
                return rows, cursor_text(day + 1, 0)
            looked = True
            with _moment(conn, day):
                odd = [_found(row, day) for row in conn.execute(sql, (*values, upto, most))]
                usual, down = list[Found](), 0
                if self._has_batches(conn, day):
                    usual, down = search(conn, day, upto, most, wanted, lambda: clock.monotonic_s() > until_s)
            rows += sorted((f for f in odd + usual if f.seq >= down), key=lambda found: -found.seq)[:most]
            if len(rows) > limit:
                rows = rows[:limit]
                return rows, cursor_text(rows[-1].day, rows[-1].seq)
            if down:
                return rows, cursor_text(day, down)
        return rows, None

    def held(self, limit: int = 50, cursor: str | None = None) -> tuple[list[Found], str | None]:
        """A page of indeterminate messages that wait for a person, newest first, and the cursor of the next page.

        Raises Error `store_damaged`.
        """
        before = cursor_of(cursor)
        rows: list[Found] = []
        for day in reversed(partition_days(self.folder)):
            if before is not None and day > before[0]:
                continue
            conn = self._readable(day)
            if conn is None or not conn.execute("SELECT 1 FROM sqlite_master WHERE name='undecided'").fetchone():
                continue
            upto = before[1] if before is not None and day == before[0] else 1 << 62
            where = "m.seq IN (SELECT key>>8 FROM undecided WHERE act=1) AND p.status=? AND m.seq<?"
            sql = f"SELECT {COLUMNS}{FROM} WHERE {where} ORDER BY m.seq DESC LIMIT ?"
            rows += [_found(row, day) for row in conn.execute(sql, (INDETERMINATE, upto, limit + 1 - len(rows)))]
            if len(rows) > limit:
                return rows[:limit], cursor_text(rows[limit - 1].day, rows[limit - 1].seq)
        return rows, None

    def totals(self, day: int) -> dict[str, int]:
        """Messages of a day by the status they are in. Raises Error `store_damaged`."""
        conn = self._readable(day)
        if conn is None:
            return {}
        with _moment(conn, day):
            if stored.has_batches(conn):
                return {STATUSES[s]: n for s, n in stored.totals(conn).items()}
            return {STATUSES[s]: n for s, n in conn.execute("SELECT status,count(*) FROM progress GROUP BY status")}

    def counted(self, day: int, from_ms: int = 0, to_ms: int = 1 << 62) -> Counted:
        """What became of a day's messages, or of those accepted in a time. Raises Error `store_damaged`."""
        conn = self._readable(day)
        if conn is None:
            return Counted()
        with _moment(conn, day):
            return counted(conn, day, from_ms, to_ms)

    def customers(self, day: int, from_ms: int, to_ms: int) -> Iterator[tuple[bytes, int, int]]:
        """(blind index, class, status) of each message of a day accepted in a time. Raises Error `store_damaged`."""
        conn = self._readable(day)
        if conn is not None:
            with _moment(conn, day):
                yield from customers(conn, day, from_ms, to_ms)

    def heard_one(self, message_id: bytes) -> Heard | None:
        """A customer's message by its id: kept on the day on which it became whole, that of its first part or one after.

        Raises Error `store_damaged` when it is on no day that can be read, and one cannot.
        """
        first = clock.day_of(id_ms(message_id))
        days = [day for day in partition_days(self.folder) if day >= first]
        for day in days:
            conn = self._partition(day)
            if conn is None or not conn.execute("SELECT 1 FROM sqlite_master WHERE name='heard'").fetchone():
                continue
            row = conn.execute(HEARD_ONE, (message_id,)).fetchone()
            if row is not None:
                *row, n = row
                return Heard(*row)._replace(place=(day, n))
        for day in days:
            self._readable(day)
        return None

    def heard(
        self, limit: int, cursor: str | None, sees: Callable[[str], bool], rows_max: int
    ) -> tuple[list[Heard], str | None, str | None]:
        """A page of customers' messages, oldest first, whose recipient `sees` lets through; looks over `rows_max` at most.

        Then the cursor of the next page (None when this is the last) and the one to go on from later. Raises Error
        `store_damaged` once a day that is next cannot be read: a cursor beyond it would lose its messages in silence.
        """
        where = cursor_of(cursor)
        rows: list[Heard] = []
        looked = 0
        for day in partition_days(self.folder):
            if where is not None and day < where[0]:
                continue
            conn = self._readable(day)
            if conn is None or not conn.execute("SELECT 1 FROM sqlite_master WHERE name='heard'").fetchone():
                continue
            after = where[1] if where is not None and day == where[0] else 0
            for n, *row in conn.execute(HEARD, (after, rows_max + 1 - looked)).fetchall():
                if len(rows) == limit or looked == rows_max:
                    assert where is not None
                    return rows, cursor_text(*where), cursor_text(*where)
                looked += 1
                where = (day, n)
                if sees(row[4]):
                    rows.append(Heard(*row)._replace(place=where))
        return rows, None, cursor_text(*where) if where is not None else None

    def heard_newest(self, limit: int = 50, cursor: str | None = None) -> tuple[list[Heard], str | None]:
        """A page of customers' messages, newest first, and the cursor of the next page. Raises Error `invalid`."""
        before = cursor_of(cursor)
        rows: list[Heard] = []
        for day in reversed(partition_days(self.folder)):
            conn = self._readable(day) if before is None or day <= before[0] else None
            if conn is None or not conn.execute("SELECT 1 FROM sqlite_master WHERE name='heard'").fetchone():
                continue
            upto = before[1] if before is not None and day == before[0] else 1 << 62
            found = conn.execute(HEARD_DOWN, (upto, limit + 1 - len(rows))).fetchall()
            rows += [Heard(*row)._replace(place=(day, n)) for n, *row in found]
            if len(rows) > limit:
                return rows[:limit], cursor_text(*rows[limit - 1].place)
        return rows, None

    def close(self) -> None:
        for conn in self._open.values():
            conn.close()
        self._open.clear()
        self._batched.clear()

    def _has_batches(self, conn: Connection, day: int) -> bool:
        if day not in self._batched and stored.has_batches(conn):
            self._batched.add(day)
        return day in self._batched

    def _readable(self, day: int) -> Connection | None:
        """As `_partition`. Raises Error `store_damaged` where a day is there and cannot be read: no page leaves it out in silence."""
        conn = self._partition(day)
        why = self._unreadable.get(day)
        if conn is None and why is not None:
            raise damaged(day, why)
        return conn

    def _partition(self, day: int) -> Connection | None:
        conn = self._open.pop(day, None)
        if not partition_exists(self.folder, day):
            self._batched.discard(day)
            self._unreadable.pop(day, None)
            if conn is not None:
                conn.close()  # erased since: what is still readable through an open file is gone for us, too
            return None
        if conn is None:
            path = partition_path(self.folder, day)
            try:
                conn = open_store(path, read_only=True)
                conn.execute("SELECT 1 FROM message LIMIT 1")
                conn.execute(f"PRAGMA cache_size=-{self.CACHE_KIB}")
            except Error as e:
                if e.code == "store_damaged":
                    self._unreadable[day] = e.message
                return None
            except DatabaseError as e:
                if is_damage(e):
                    self._unreadable[day] = str(e)
                return None  # made this instant, its schema is not there yet
            self._unreadable.pop(day, None)
            while len(self._open) >= self.OPEN_MAX:
                self._open.pop(next(iter(self._open))).close()
        self._open[day] = conn
        return conn


@contextmanager
def _moment(conn: Connection, day: int) -> Iterator[None]:
    """What is read within is of one moment: the engine goes on writing. Raises Error `store_damaged` for a file that cannot be read."""
    try:
        conn.execute("BEGIN")
        try:
            yield
        finally:
            conn.execute("COMMIT")
    except DatabaseError as e:
        raise damaged(day, str(e)) from None


def _statement(wanted: Wanted) -> tuple[str, list[Any]]:
    """Of messages that are rows, newest first; after the values come before which number, and how many."""
    where, values = ["1"], []
    for column, value in (
        ("p.status=?", wanted.status),
        ("m.class=?", wanted.class_),
        ("p.link=(SELECT number FROM link WHERE name=?)", wanted.link),
        ("m.accepted_ms>=?", wanted.from_ms),
        ("m.accepted_ms<?", wanted.to_ms),
        ("m.number_index=?", wanted.number_index),
    ):
        if value is not None:
            where.append(column)
            values.append(value)
    if wanted.callers is not None:
        where.append(f"m.caller IN ({','.join(map(str, wanted.callers))})")
    narrow = wanted.number_index is None and (wanted.status is not None or wanted.link is not None)
    among, seq = (NARROW_FIRST, "p.seq") if narrow else (FROM, "m.seq")
    return f"SELECT {COLUMNS}{among} WHERE {' AND '.join(where)} AND {seq}<? ORDER BY {seq} DESC LIMIT ?", values


def damaged(day: int, why: str) -> Error:
    return Error(
        "store_damaged",
        f"the messages of {clock.day_name(day)} cannot be read: {why}",
        "search the days before and after it by time; restore that day from a backup",
    )


def _found(row: tuple[Any, ...], day: int) -> Found:
    message_id, seq, *rest = row
    return Found(message_id, seq, day, *rest[:-1])


def cursor_text(day: int, seq: int) -> str:
    return base64.urlsafe_b64encode(f"{day}.{seq}".encode()).decode().rstrip("=")


def cursor_of(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        day, seq = (
            base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True).decode().split(".")
        )
        if not (day.isascii() and day.isdigit() and seq.isascii() and seq.isdigit() and len(seq) < 19):
            raise ValueError
        return int(day), int(seq)
    except (ValueError, binascii.Error, UnicodeError):
        raise Error(
            "invalid", "the cursor is not one that this search gave", "start again without a cursor", field="cursor"
        ) from None

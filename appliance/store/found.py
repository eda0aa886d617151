"""What a search finds: a stored message with its events and parts; and the search among messages that are in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from appliance import clock
from appliance.message import ACCEPTED, FINAL, INDETERMINATE, QUEUED, SCHEDULED, SENT, STATUSES

from . import stored
from .batches import ODD, SUBMITTED, Columns, Tally
from .opening import Connection, DatabaseError

TIMES_MS_APART: Final = 60_000  # when a batch was accepted, and when the ids in it were made: far more than ever


class Part(msgspec.Struct):
    """One segment of a message as it went over a link. Times in milliseconds since 1970, None when not yet."""

    part: int
    status: str
    link: str | None
    submitted_ms: int | None
    answered_ms: int | None
    receipted_ms: int | None
    error: str | None
    operator_id: str | None = None  # as its answer had it, in the form that both sides share


class Found(msgspec.Struct):
    """One stored message. `number` and `content` are sealed; `content` is None after redaction."""

    id: bytes
    seq: int
    day: int
    caller: int
    status: int
    class_: int
    encoding: int
    segments: int
    sender: str
    calling_code: int
    link: str | None
    accepted_ms: int
    send_at_ms: int
    expires_ms: int
    key_id: int
    number: bytes | None
    content: bytes | None
    error: str | None
    changed_ms: int
    events: list[tuple[int, str, str]] = []  # (at_ms, status, detail), in order; filled by Reader.message
    parts: list[Part] = []
    notify: int = 0  # NOTIFY_ bits: who is told of its statuses
    basis: str = ""  # versions of the rules that let it through; filled by Reader.message


class Wanted(NamedTuple):
    """What a search asks for; None: everything."""

    status: int | None
    class_: int | None
    link: str | None
    from_ms: int | None
    to_ms: int | None
    number_index: bytes | None
    callers: Iterable[int] | None


class Batched:
    """One batch with what became of it, as one moment knows it."""

    def __init__(self, day: int, columns: Columns, tally: Tally, links: dict[int, str]) -> None:
        self.day = day
        self.columns = columns
        self.tally = tally
        self.links = links

    def found(self, at: int) -> Found | None:
        """The message in a place, None when it is rows."""
        columns = self.columns
        status, link, changed_ms, _, error = self.tally.progress(at, columns.accepted_ms)
        if status == ODD:
            return None
        return Found(
            columns.id(at),
            self.tally.first + at,
            self.day,
            columns.callers[at],
            status,
            columns.classes[at],
            columns.encodings[at],
            1,
            columns.senders[at],
            columns.calling_codes[at],
            self.links.get(link) if link is not None else None,
            columns.accepted_ms,
            0,
            columns.expires_ms[at],
            columns.key_id,
            columns.numbers[at],
            columns.contents[at] or None,
            error,
            changed_ms,
            notify=columns.notify[at],
        )

    def parts(self, at: int) -> list[Part]:
        row = self.tally.segment(at)
        if row is None:
            return []
        key, status, link, submitted, answered, operator_id, receipted, error = row
        word = "submitted" if status == SUBMITTED else STATUSES[status]
        name = self.links.get(link)
        return [Part(key & 255, word, name, submitted, answered, receipted, error, operator_id)]

    def fits(self, at: int, wanted: Wanted) -> bool:
        columns = self.columns
        status, link, *_ = self.tally.progress(at, columns.accepted_ms)
        return (
            (wanted.status is None or status == wanted.status)
            and (wanted.class_ is None or columns.classes[at] == wanted.class_)
            and (wanted.link is None or (link is not None and self.links.get(link) == wanted.link))
            and (wanted.callers is None or columns.callers[at] in wanted.callers)
        )


def batched(conn: Connection, day: int, first: int, columns: Columns) -> Batched:
    """A batch and its tally; inside a transaction."""
    return Batched(day, columns, stored.tally_of(conn, day, first, columns.ids), links_of(conn))


def links_of(conn: Connection) -> dict[int, str]:
    return dict(conn.execute("SELECT number,name FROM link").fetchall())


def search(
    conn: Connection, day: int, upto: int, limit: int, wanted: Wanted, enough: Callable[[], bool] = lambda: False
) -> tuple[list[Found], int]:
    """At most `limit` messages that are in batches, newest first, before number `upto`; inside a transaction.

    And the number down to which it looked: 0 but where `enough` said before a batch that it may stop.
    """
    out: list[Found] = []
    links = links_of(conn)
    if wanted.link is not None and wanted.link not in links.values():
        return out, 0
    for n, (first, last) in enumerate(_candidates(conn, upto, wanted)):
        if n and enough():
            return out, last + 1
        read = stored.decode_columns(conn.execute("SELECT columns FROM batch WHERE first=?", (first,)).fetchone()[0])
        if wanted.from_ms is not None and read.accepted_ms < wanted.from_ms:
            continue
        if wanted.to_ms is not None and read.accepted_ms >= wanted.to_ms:
            continue
        if wanted.number_index is not None:
            numbers = conn.execute("SELECT numbers FROM batch WHERE first=?", (first,)).fetchone()[0]
            places = list(stored.places(numbers, wanted.number_index))
        else:
            places = list(range(last - first + 1))
        whole = Batched(day, read, stored.tally_of(conn, day, first, read.ids), links)
        for at in reversed(places):
            if first + at < upto and whole.fits(at, wanted) and (found := whole.found(at)) is not None:
                out.append(found)
                if len(out) == limit:
                    return out, 0
    return out, 0


def _candidates(conn: Connection, upto: int, wanted: Wanted) -> Iterator[tuple[int, int]]:
    """(first, last) of batches before a message, newest first."""
    if wanted.number_index is not None:
        for first in stored.holders(conn, stored.by_number(conn, wanted.number_index)):
            row = conn.execute("SELECT last FROM batch WHERE first=?", (first,)).fetchone()
            if row is not None and first < upto:
                yield first, row[0]
        return
    # Ids are made as the batch is accepted, in the same request: never further apart than this but by a clock that was set.
    times = (wanted.from_ms or 0) - TIMES_MS_APART, (1 << 62 if wanted.to_ms is None else wanted.to_ms) + TIMES_MS_APART
    yield from stored.batches_down(
        conn, upto, wanted.status, -1 if wanted.class_ is None else 1 << wanted.class_, times
    )


def basis_of(conn: Connection, seq: int) -> str:
    """Empty for a day whose partition was made before such was kept."""
    try:
        row = conn.execute("SELECT text FROM basis WHERE seq<=? ORDER BY seq DESC LIMIT 1", (seq,)).fetchone()
    except DatabaseError:
        return ""
    return row[0] if row else ""


def notify_of(conn: Connection, seq: int) -> int:
    """0 as well for a day of before there was a door, whose file nobody has opened for writing since."""
    try:
        return int(conn.execute("SELECT notify FROM message WHERE seq=?", (seq,)).fetchone()[0])
    except DatabaseError:
        return 0


def timeline(found: Found, sent_ms: int | None, odd: list[tuple[int, int, str]]) -> list[tuple[int, str, str]]:
    """The statuses a message went through, oldest first: the usual ones from its columns, the odd ones as recorded."""
    events = [(found.accepted_ms, STATUSES[ACCEPTED], "")]
    if found.send_at_ms:
        events.append((found.accepted_ms, STATUSES[SCHEDULED], clock.rfc3339(found.send_at_ms)))
    else:
        events.append((found.accepted_ms, STATUSES[QUEUED], ""))
    events += [(at, STATUSES[status], detail) for at, status, detail in odd]
    if sent_ms is not None:
        events.append((sent_ms, STATUSES[SENT], found.link or ""))
    if found.status in FINAL or found.status == INDETERMINATE:
        last = STATUSES[found.status]
        if not any(status == last for _, status, _ in events):
            events.append((found.changed_ms, last, found.error or ""))
    return sorted(events, key=lambda e: e[0])

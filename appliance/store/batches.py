"""HOT: messages as they are stored as long as nothing odd happens to them: a batch is one row, and so is what became of it.

Three kinds of rows stand for the usual life of a message:

batch   the columns of many messages, written once
moves   what a beat did: which of them left, were answered, have a receipt; one row a beat and day, never changed
tally   what became of each message of a batch; written when the last of them is final, or every few seconds until then.
        It makes the moves before it needless

A message that something odd happens to (refused, throttled, in doubt, cancelled, redacted ...) is *unfolded* first: it
becomes rows of `message`, `progress` and `segment`, its place in the tally says ODD, and from then on the rows count.
Long and scheduled messages are rows from the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from appliance.message import FINAL, QUEUED, SENT, id_ms

#: Status of a segment on its way: the intention is on disk, the answer is not. What a crash leaves in it is indeterminate.
SUBMITTED: Final = 20
#: In a tally: the message is rows of its own.
ODD: Final = 255
#: A batch whose ids are further apart in time is stored as rows, so that one is found by the time within its id.
SPAN_MS_MAX: Final = 10_000

ID_OCTETS: Final = 16
NO_ID: Final = bytes(ID_OCTETS)  # place of a message that was a row from the beginning

INSERT_BATCH: Final = (
    "INSERT INTO batch(first,last,count,classes,from_ms,upto_ms,numbers,columns) VALUES(?,?,?,?,?,?,?,?)"
)
REWRITE: Final = "UPDATE batch SET columns=?,numbers=? WHERE first=?"
INSERT_MOVES: Final = "INSERT INTO moves(n,lowest,highest,rows) VALUES(?,?,?,?)"
FORGET_MOVES: Final = "DELETE FROM moves WHERE n<?"
WRITE_TALLY: Final = "INSERT OR REPLACE INTO tally(first,open,upto,statuses,rest) VALUES(?,?,?,?,?)"
#: Again after a rollback: a row that is there already is at least as new.
UNFOLD_MESSAGE: Final = (
    "INSERT OR IGNORE INTO message(seq,id,caller,class,encoding,segments,sender,calling_code,number_index,number,content,"
    "key_id,accepted_ms,send_at_ms,expires_ms,notify) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
UNFOLD_PROGRESS: Final = "INSERT OR IGNORE INTO progress(seq,status,link,changed_ms,sent_ms,error) VALUES(?,?,?,?,?,?)"
UNFOLD_SEGMENT: Final = (
    "INSERT OR IGNORE INTO segment(key,status,link,submitted_ms,answered_ms,operator_id,receipted_ms,error)"
    " VALUES(?,?,?,?,?,?,?,?)"
)

Row = tuple[Any, ...]

_encode = msgspec.msgpack.Encoder().encode


class Columns(msgspec.Struct, array_like=True, gc=False):
    """What a batch holds, one entry a message, those that are rows from the beginning as blanks."""

    accepted_ms: int
    key_id: int
    ids: bytes
    callers: list[int]
    classes: list[int]
    encodings: list[int]
    senders: list[str]
    calling_codes: list[int]
    numbers: list[bytes]  # b"" after erasure
    contents: list[bytes]  # b"" after redaction or erasure
    expires_ms: list[int]
    notify: list[int]

    def id(self, at: int) -> bytes:
        return self.ids[ID_OCTETS * at : ID_OCTETS * (at + 1)]


class _Rest(msgspec.Struct, array_like=True, gc=False):
    links: bytes
    submitted: list[int]
    answered: list[int]
    receipted: list[int]
    operator_ids: list[str]
    errors: dict[int, str]


decode_columns = msgspec.msgpack.Decoder(Columns).decode
_decode_rest = msgspec.msgpack.Decoder(_Rest).decode


def batch_row(first: int, columns: Columns, numbers: list[bytes]) -> Row:
    """The row of a batch whose messages have the numbers from `first` on; `numbers` are the blind indexes."""
    ids = columns.ids
    size = len(columns.callers)
    times = [id_ms(ids[at : at + 6]) for at in range(0, ID_OCTETS * size, ID_OCTETS) if ids[at : at + 6] != NO_ID[:6]]
    mask = 0
    for class_ in set(columns.classes):
        mask |= 1 << class_
    return first, first + size - 1, len(times), mask, min(times), max(times), b"".join(numbers), _encode(columns)


def packed(columns: Columns) -> bytes:
    """The columns of a batch as its row has them."""
    return _encode(columns)


_OVER: Final = (*sorted(FINAL), ODD)


class Tally:
    """What became of each message of a batch. Times in milliseconds, 0: not yet."""

    __slots__ = (
        "answered",
        "day",
        "errors",
        "first",
        "links",
        "moving",
        "open",
        "operator_ids",
        "receipted",
        "statuses",
        "submitted",
    )

    def __init__(self, day: int, first: int, statuses: bytearray) -> None:
        size = len(statuses)
        self.day = day
        self.first = first
        self.statuses = statuses
        self.open = size - sum(map(statuses.count, _OVER))
        self.links = bytearray(size)
        self.submitted = [0] * size
        self.answered = [0] * size
        self.receipted = [0] * size
        self.operator_ids = [""] * size
        self.errors: dict[int, str] = {}
        self.moving = False  # moves tell more of it than is written; the engine's to say

    @classmethod
    def fresh(cls, day: int, first: int, ids: bytes) -> Tally:
        """Of a batch of which nothing has left."""
        statuses = bytearray([QUEUED]) * (len(ids) // ID_OCTETS)
        at = ids.find(NO_ID)
        while at >= 0:
            if at % ID_OCTETS == 0:
                statuses[at // ID_OCTETS] = ODD
            at = ids.find(NO_ID, at + 1)
        return cls(day, first, statuses)

    @classmethod
    def read(cls, day: int, first: int, statuses: bytes, rest: bytes) -> Tally:
        tally = cls(day, first, bytearray(statuses))
        (links, tally.submitted, tally.answered, tally.receipted, tally.operator_ids, tally.errors) = (
            msgspec.structs.astuple(_decode_rest(rest))
        )
        tally.links = bytearray(links)
        return tally

    def row(self, upto: int) -> Row:
        """For WRITE_TALLY; `upto`: the number of the last moves that are in it."""
        rest = _Rest(bytes(self.links), self.submitted, self.answered, self.receipted, self.operator_ids, self.errors)
        return self.first, self.open, upto, bytes(self.statuses), _encode(rest)

    def progress(self, at: int, accepted_ms: int) -> Row:
        """(status, link, changed_ms, sent_ms, error) as a row of `progress` has them."""
        status = self.statuses[at]
        link = self.links[at] if self.answered[at] else None
        changed_ms = self.receipted[at] or self.answered[at] or accepted_ms
        shown = QUEUED if status == SUBMITTED else status
        return shown, link, changed_ms, self.answered[at] or None, self.errors.get(at)

    def segment(self, at: int) -> Row | None:
        """The row of `segment`, None when it has not begun to leave."""
        if not self.submitted[at]:
            return None
        return (
            (self.first + at) << 8 | 1,
            self.statuses[at],
            self.links[at],
            self.submitted[at],
            self.answered[at] or None,
            self.operator_ids[at] or None,
            self.receipted[at] or None,
            self.errors.get(at),
        )


def message_row(seq: int, columns: Columns, at: int, number_index: bytes) -> Row:
    """A message of a batch as a row of `message`."""
    return (
        seq,
        columns.id(at),
        columns.callers[at],
        columns.classes[at],
        columns.encodings[at],
        1,
        columns.senders[at],
        columns.calling_codes[at],
        number_index,
        columns.numbers[at],
        columns.contents[at] or None,
        columns.key_id,
        columns.accepted_ms,
        0,
        columns.expires_ms[at],
        columns.notify[at],
    )


# --- what a beat did ------------------------------------------------------------------------------------------


class Moves:
    """What the usual messages of a day did in one beat: lists of their numbers, by link where it counts."""

    __slots__ = ("at_ms", "errors", "left", "over", "over_ids", "over_statuses", "taken", "taken_ids")

    def __init__(self) -> None:
        self.at_ms = 0
        self.left: dict[int, list[int]] = {}  # by link: submits whose intention this is
        self.taken: dict[int, list[int]] = {}  # by link: answered, with the operator's ids beside
        self.taken_ids: dict[int, list[str]] = {}
        self.over: list[int] = []  # with a final receipt
        self.over_statuses = bytearray()
        self.over_ids: list[tuple[int, str]] = []  # link and operator's id of these
        self.errors: dict[int, str] = {}

    def __bool__(self) -> bool:
        return bool(self.taken or self.over) or any(self.left.values())

    def join(self, later: Moves) -> None:
        """What a later beat did becomes this one's: none of it was answered before that left."""
        self.at_ms = max(self.at_ms, later.at_ms)
        for mine, theirs in ((self.left, later.left), (self.taken, later.taken), (self.taken_ids, later.taken_ids)):
            for link, each in theirs.items():
                mine.setdefault(link, []).extend(each)  # type: ignore[arg-type, attr-defined]
        self.over += later.over
        self.over_statuses += later.over_statuses
        self.over_ids += later.over_ids
        self.errors |= later.errors

    def row(self, n: int) -> Row:
        """For INSERT_MOVES."""
        spans = [*self.left.values(), *self.taken.values()]
        if self.over:
            spans.append(self.over)
        spans = [span for span in spans if span]
        lowest = min(map(min, spans), default=0)
        highest = max(map(max, spans), default=0)
        row = (self.at_ms, self.left, self.taken, self.taken_ids, self.over, bytes(self.over_statuses), self.errors)
        return n, lowest, highest, _encode(row)


class _Moved(msgspec.Struct, array_like=True, gc=False):
    at_ms: int
    left: dict[int, list[int]]
    taken: dict[int, list[int]]
    taken_ids: dict[int, list[str]]
    over: list[int]
    over_statuses: bytes
    errors: dict[int, str]


_decode_moves = msgspec.msgpack.Decoder(_Moved).decode


def numbers_of(rows: bytes) -> set[int]:
    """The messages that a row of `moves` is about."""
    moved = _decode_moves(rows)
    out = set(moved.over)
    for seqs in (*moved.left.values(), *moved.taken.values()):
        out.update(seqs)
    return out


def ended_as(rows: bytes, status: int) -> list[int]:
    """The messages that a row of `moves` says have ended in a status."""
    moved = _decode_moves(rows)
    if status not in moved.over_statuses:
        return []
    return [seq for seq, over in zip(moved.over, moved.over_statuses, strict=True) if over == status]


def told(rows: bytes) -> Iterator[tuple[int, int]]:
    """The messages that a row of `moves` is about and the statuses they come into, in the order in which `apply` does it."""
    moved = _decode_moves(rows)
    for seqs in moved.taken.values():
        for seq in seqs:
            yield seq, SENT
    yield from zip(moved.over, moved.over_statuses, strict=True)
    for seqs in moved.left.values():
        for seq in seqs:
            yield seq, SUBMITTED


def apply(tally: Tally, rows: bytes) -> None:
    """Does to a tally what a row of `moves` says of its messages."""
    moved = _decode_moves(rows)
    first, size, at_ms = tally.first, len(tally.statuses), moved.at_ms
    statuses = tally.statuses
    # In the order in which a beat does it; what left in it may have been answered only in a later one.
    for link, seqs in moved.taken.items():
        for seq, operator_id in zip(seqs, moved.taken_ids[link], strict=True):
            at = seq - first
            if 0 <= at < size:
                statuses[at], tally.answered[at], tally.operator_ids[at] = SENT, at_ms, operator_id
    for seq, status in zip(moved.over, moved.over_statuses, strict=True):
        at = seq - first
        if 0 <= at < size:
            statuses[at], tally.receipted[at] = status, at_ms
            tally.open -= 1
            if seq in moved.errors:
                tally.errors[at] = moved.errors[seq]
    for link, seqs in moved.left.items():
        for seq in seqs:
            at = seq - first
            if 0 <= at < size:
                statuses[at], tally.submitted[at], tally.links[at] = SUBMITTED, at_ms, link

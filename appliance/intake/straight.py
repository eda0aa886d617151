"""HOT: rows as nearly all of them are, many at a time, a column after another: a third of what one row after another costs.

Says and keeps what `Intake` does row by row (a test compares the two). A row that is odd, or that a rule refuses, is
`Odd` and is taken by itself: nothing of its run was kept yet. Every rule that a row meets there is met here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec import UNSET

from appliance.errors import Error
from appliance.limits import VALIDITY_S_DEFAULT
from appliance.message import CLASSES, ENCODINGS, Content, id_text
from appliance.numbering import normalise, sender_kind
from appliance.text import encode

from .accepted import Accepted
from .row import Row

if TYPE_CHECKING:
    from .intake import Intake

T = TypeVar("T")

_content: Final = msgspec.msgpack.Encoder().encode
_CLASS: Final = {name: number for number, name in enumerate(CLASSES)} | {None: CLASSES.index("transaction")}


class Odd(Exception):
    """A row to be taken by itself: its place among those given."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


def take(intake: Intake, rows: Sequence[Row | Error], first: int) -> None:
    """Takes all of `rows`, the first of which is row `first` of the request, or raises Odd and takes none."""
    kept: list[Any] = list(rows)
    for place, row in enumerate(kept):
        if isinstance(row, Error) or row.send_at is not None or row.callback_url is not None:
            raise Odd(place)
    numbers = _each(normalise, [row.to for row in kept])
    to, calling_codes = (list(column) for column in zip(*numbers, strict=True))
    classes = [_CLASS[row.class_] for row in kept]
    senders = ["" if row.from_ is None else row.from_ for row in kept]
    encodings, payloads, segments = _texts(intake, kept, classes)
    _senders([row.from_ for row in kept])
    subjects = _allowed(intake, kept, to, calling_codes, classes, senders)

    at_ms, batch, count = intake.at_ms, intake.batch, len(kept)
    ids = intake.ids[first : first + count]
    validities = [
        VALIDITY_S_DEFAULT[class_] if row.validity_s is None else row.validity_s
        for row, class_ in zip(kept, classes, strict=True)
    ]
    notes: Iterable[Any] = [None] * count if intake.notes is None else intake.notes[first : first + count]
    ruled: Iterable[Any] = [None] * count
    if intake.ruled:
        ruled = [intake.ruled.pop(index, None) for index in range(first, first + count)]
    contents = [
        _content(Content(encoding, payload, row.reference, None, row.metadata, note, rules))
        for encoding, payload, row, note, rules in zip(encodings, payloads, kept, notes, ruled, strict=True)
    ]
    seal_many = intake.sealing.key.seal_many
    batch.ids += ids
    batch.callers += intake.callers[first : first + count]
    batch.classes += classes
    batch.encodings += encodings
    batch.segments += segments
    batch.senders += senders
    batch.calling_codes += calling_codes
    batch.number_indexes += subjects
    batch.numbers += seal_many([number.encode() for number in to], [b"n" + i for i in ids])
    batch.contents += seal_many(contents, [b"c" + i for i in ids])
    batch.send_at_ms += [0] * count
    batch.expires_ms += [at_ms + validity * 1000 for validity in validities]
    batch.notify += [0] * count if intake.notify is None else intake.notify[first : first + count]
    batch.to += to
    batch.payloads += payloads
    shown: Iterable[Any] = range(first, first + count) if intake.indexed else [UNSET] * count
    intake.accepted += [
        Accepted(id_text(i), "accepted", CLASSES[c], s, ENCODINGS[e], n, UNSET if row.reference is None else row.reference)
        for i, c, s, e, n, row in zip(ids, classes, segments, encodings, shown, kept, strict=True)
    ]  # fmt: skip


def _each(do: Callable[[str], T], column: list[str]) -> list[T]:
    """`do` of each; raises Odd where it raises Error."""
    out: list[T] = []
    add = out.append
    try:
        for value in column:
            add(do(value))
    except Error:
        raise Odd(len(out)) from None
    return out


def _texts(intake: Intake, rows: list[Any], classes: list[int]) -> tuple[list[int], list[bytes], list[int]]:
    """Encodings, payloads and segments of texts that the guard lets through as they are."""
    texts = [row.text for row in rows]
    guard = intake.guard
    if guard is not None:
        place = 0
        try:
            for place in guard.doubtful(texts, [not class_ for class_ in classes]):  # where it raises
                if guard.check(texts[place], not classes[place]).rules:
                    raise Odd(place)
        except Error:
            raise Odd(place) from None
    encoded = _each(encode, texts)
    encodings, payloads, segments = (list(column) for column in zip(*encoded, strict=True))
    return encodings, payloads, segments


def _senders(given: list[str | None]) -> None:
    for sender in set(given):
        if sender is not None:
            try:
                sender_kind(sender)
            except Error:
                raise Odd(given.index(sender)) from None


def _allowed(
    intake: Intake, rows: list[Any], to: list[str], calling_codes: list[int], classes: list[int], senders: list[str]
) -> list[bytes]:
    """Blind indexes of numbers that a link serves, whose customers and senders nothing speaks against."""
    serves, check_consent, check_sender = intake.serves, intake.check_consent, intake.check_sender
    blind, check_quiet, at_ms = intake.sealing.index, intake.check_quiet, intake.at_ms
    subjects: list[bytes] = []
    place = 0
    try:
        for number, class_, sender in zip(to, classes, senders, strict=True):
            if not serves(number, class_, sender):
                raise Odd(place)
            subject = blind(number)
            if check_consent is not None:
                check_consent(subject, class_, sender)
            if check_sender is not None:
                check_sender(number, calling_codes[place], class_, sender, rows[place].text)
            if check_quiet is not None and check_quiet(number, calling_codes[place], class_, sender, at_ms) is not None:
                raise Odd(place)
            subjects.append(subject)
            place += 1
    except Error:
        raise Odd(place) from None
    return subjects

"""From rows that a caller wrote to columns that an engine commits: numbers normalised, texts encoded, both sealed.

HOT: column after column in `straight.py`, a turn a message for what is odd. A row that cannot be sent is set aside with its
error; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET

from appliance.clock import DAY_MS, day_of, rfc3339
from appliance.content import Guard
from appliance.errors import Error
from appliance.limits import SCHEDULE_AHEAD_S_MAX, SCHEDULE_BEHIND_S_MAX, VALIDITY_S_DEFAULT
from appliance.message import CLASSES, ENCODINGS, NOTIFY_WEBHOOK, Batch, Content, DoorNote, id_text, new_ids
from appliance.numbering import normalise, sender_kind
from appliance.text import encode

from . import straight
from .accepted import Accepted, Rejected
from .row import Row
from .sealing import Sealing

CLASS: Final = {name: number for number, name in enumerate(CLASSES)}
_content: Final = msgspec.msgpack.Encoder().encode
#: The columns that a row fills by itself, in the order in which `take` gathers them.
TAKEN: Final = (
    "ids", "callers", "classes", "encodings", "segments", "senders", "calling_codes", "number_indexes",
    "send_at_ms", "expires_ms", "notify", "to", "payloads",
)  # fmt: skip
#: A run shorter than this gains nothing by columns; with more odd rows than this among those at hand neither does the rest.
STRAIGHT_MIN: Final = 4
ODD_MAX: Final = 6
_AHEAD_MS: Final = SCHEDULE_AHEAD_S_MAX * 1000
_BEHIND_MS: Final = SCHEDULE_BEHIND_S_MAX * 1000


class Held(Protocol):
    """That a message waits: until when, and the names of the quiet hours."""

    @property
    def until_ms(self) -> int: ...
    @property
    def rules(self) -> tuple[str, ...]: ...


class Intake:
    """One request's messages on their way in: `take` rows, then `batch`, `accepted` and `errors` are complete.

    `caller`: an API key's number, one for all or one a row. `serves`: whether a link takes number, class and sender. `indexed`: each answer says which row it is about. `ids`,
    `notify` and `notes`, one entry a row: ids given before (all of the sealing's day), who is told besides a callback, and
    what the SMPP door says again in a receipt. `guard`: what texts may carry. `check_sender`: raises for a sender that
    may not be used with number, calling code, class and text; None: all may. `check_consent`: raises when the customer (blind index) asked not to be written to. `check_quiet`: when a message to number, calling code, class and sender at a time may
    leave, None: then. `basis`: the versions of all these rules. `ruled`, by row: what was done to a text before, as Content says.
    `shard`: who will own the messages, where `ids` does not say it.
    """

    def __init__(
        self,
        count: int,
        caller: int | Sequence[int],
        sealing: Sealing,
        at_ms: int,
        check_callback: Callable[[str], None],
        serves: Callable[[str, int, str], bool],
        indexed: bool = False,
        ids: list[bytes] | None = None,
        notify: Sequence[int] | None = None,
        guard: Guard | None = None,
        notes: Sequence[DoorNote] | None = None,
        check_sender: Callable[..., object] | None = None,
        check_consent: Callable[[bytes, int, str], object] | None = None,
        check_quiet: Callable[[str, int, int, str, int], Held | None] | None = None,
        basis: str = "",
        shard: int = 0,
        kept_days: int = 0,
    ) -> None:
        self.ids = new_ids(count, at_ms, shard) if ids is None else ids
        self.callers = [caller] * count if isinstance(caller, int) else caller
        self.sealing = sealing
        self.at_ms = at_ms
        self.check_callback = check_callback
        self.serves = serves
        self.indexed = indexed
        self.notify = notify
        self.notes = notes
        self.guard = guard
        self.check_sender = check_sender
        self.check_consent = check_consent
        self.check_quiet = check_quiet
        self.kept_days = kept_days  # 0: whoever asks does not keep what it takes
        self.ruled: dict[int, list[str]] = {}
        self.accepted: list[Accepted] = []
        self.errors: list[tuple[int, Error]] = []
        self.batch = empty_batch(sealing.day, at_ms, sealing.key.key_id)
        self.batch.basis = basis

    def take(self, rows: Sequence[Row | Error], first: int = 0) -> None:
        """Makes `rows`, of which the first is row `first` of the request, ready for the engine."""
        at, end, odd = 0, len(rows), 0
        while at < end:
            stop = end
            if end - at < STRAIGHT_MIN or odd >= ODD_MAX:
                self._one_by_one(rows[at:], first + at)
                return
            while stop > at:
                try:
                    straight.take(self, rows[at:stop], first + at)
                    break
                except straight.Odd as e:
                    odd += 1
                    stop = at + e.place
            at = stop
            if at < end:  # the one that is odd
                self._one_by_one(rows[at : at + 1], first + at)
                at += 1

    def _one_by_one(self, rows: Sequence[Row | Error], first: int) -> None:
        indexed, blind, serves = self.indexed, self.sealing.index, self.serves
        accepted, ids, told, notes = self.accepted, self.ids, self.notify, self.notes
        guard, check_sender, check_consent = self.guard, self.check_sender, self.check_consent
        taken: list[tuple[Any, ...]] = []
        contents: list[bytes] = []
        for index, row in enumerate(rows, first):
            field = "body"
            try:
                if isinstance(row, Error):
                    raise row
                field = "to"
                to, calling_code = normalise(row.to)
                field = "text"
                name = row.class_ or "transaction"
                class_ = CLASS[name]
                text = row.text
                if guard is not None:
                    text, rules = guard.check(text, not class_)
                    if rules:
                        self._ruled(index, "content", rules)
                encoding, payload, segments = encode(text)
                field = "from"
                sender = row.from_ or ""
                if row.from_ is not None:
                    sender_kind(sender)
                field = "to"
                if not serves(to, class_, sender):
                    raise no_route()
                subject = blind(to)
                if check_consent is not None:
                    check_consent(subject, class_, sender)
                if check_sender is not None:
                    field = "from"
                    check_sender(to, calling_code, class_, sender, text)
                field = "send_at"
                send_at_ms, until_ms, held = self._times(index, row, to, calling_code, class_, sender)
                status = "scheduled" if send_at_ms else "accepted"
                field = "callback_url"
                callback = row.callback_url
                if callback is not None:
                    self.check_callback(callback)
            except Error as e:
                self.errors.append((index, _with_field(e, field)))
                continue
            message_id = ids[index]
            notify = (NOTIFY_WEBHOOK if callback is not None else 0) | (told[index] if told is not None else 0)
            row_of = (message_id, self.callers[index], class_, encoding, segments, sender, calling_code, subject)
            taken.append((*row_of, send_at_ms, until_ms, notify, to, payload))
            note = None if notes is None else notes[index]
            ruled, reference = self.ruled.pop(index, None), row.reference
            contents.append(_content(Content(encoding, payload, reference, callback, row.metadata, note, ruled)))
            said = Accepted(id_text(message_id), status, name, segments, ENCODINGS[encoding])
            said.index = index if indexed else UNSET
            said.reference = UNSET if reference is None else reference
            accepted.append(said if held is None else _waiting(said, held))
        if taken:
            self._keep(taken, contents)

    def _ruled(self, index: int, desk: str, rules: Sequence[str]) -> None:
        self.ruled.setdefault(index, []).extend(f"{desk}:{rule}" for rule in rules)

    def _times(
        self, index: int, row: Row, to: str, calling_code: int, class_: int, sender: str
    ) -> tuple[int, int, Held | None]:
        """When to send (0: now), when the validity ends, and the quiet hours it waits for. Raises Error `quiet_hours` or `invalid`."""
        at_ms = self.at_ms
        send_at_ms = 0 if row.send_at is None else scheduled_ms(row.send_at.timestamp(), at_ms)
        validity_s = VALIDITY_S_DEFAULT[class_] if row.validity_s is None else row.validity_s
        until_ms = (send_at_ms or at_ms) + validity_s * 1000
        if send_at_ms and self.kept_days:
            check_kept(day_of(at_ms), until_ms, self.kept_days)
        if self.check_quiet is None:
            return send_at_ms, until_ms, None
        held = self.check_quiet(to, calling_code, class_, sender, send_at_ms or at_ms)
        if held is None:
            return send_at_ms, until_ms, None
        if held.until_ms >= until_ms:
            raise quiet_hours(held)
        self._ruled(index, "quiet_hours", held.rules)
        return held.until_ms, until_ms, held

    def _keep(self, taken: list[tuple[Any, ...]], contents: list[bytes]) -> None:
        """Rows to columns, sealed on the way."""
        batch, seal_many = self.batch, self.sealing.key.seal_many
        columns = dict(zip(TAKEN, zip(*taken, strict=True), strict=True))
        for name, column in columns.items():
            getattr(batch, name).extend(column)
        ids = columns["ids"]
        batch.numbers += seal_many([to.encode() for to in columns["to"]], [b"n" + i for i in ids])
        batch.contents += seal_many(contents, [b"c" + i for i in ids])

    def rejected(self) -> list[Rejected]:
        return [Rejected(n, e.code, e.message, e.hint, e.detail.get("field", UNSET)) for n, e in self.errors]


def _waiting(said: Accepted, held: Held) -> Accepted:
    said.held_until, said.rule = rfc3339(held.until_ms), held.rules[0]
    return said


def empty_batch(day: int, at_ms: int, key_id: int) -> Batch:
    return Batch(day, at_ms, key_id, [], [], [], [], [], [], [], [], [], [], [], [], [], [], [], [])


def quiet_hours(held: Held) -> Error:
    return Error(
        "quiet_hours",
        f"the quiet hours {held.rules[0]} end after the message's validity",
        "send it later, or with a longer `validity_s`; one-time codes and alerts do not wait",
        field="validity_s",
        rule=held.rules[0],
    )


def no_route() -> Error:
    return Error("no_route", "no link serves this destination", "an administrator adds a route for its prefix")


def scheduled_ms(at_s: float, now_ms: int) -> int:
    """Milliseconds since 1970 of a time to send at, 0 when that is now or was a moment ago. Raises Error `invalid`."""
    at_ms = int(at_s * 1000)
    if at_ms <= now_ms:
        if at_ms < now_ms - _BEHIND_MS:
            raise Error("invalid", "`send_at` is in the past", "give a time to come, or leave it out to send at once")
        return 0
    if at_ms > now_ms + _AHEAD_MS:
        raise Error("invalid", "`send_at` is too far ahead", f"at most {SCHEDULE_AHEAD_S_MAX // 86_400} days")
    return at_ms


def check_kept(day: int, until_ms: int, kept_days: int) -> None:
    """Raises Error `invalid` for a message of a day that may still wait when this day's key is destroyed."""
    if until_ms > (day + kept_days) * DAY_MS:
        raise Error(
            "invalid",
            "`send_at` is too far ahead: the message would be erased before it is sent",
            f"`send_at` and its validity end within {kept_days} days, or `store.retention_days` is longer",
            field="send_at",
        )


def _with_field(error: Error, field: str) -> Error:
    if field != "body" and "field" not in error.detail:
        error.detail["field"] = field
    return error

"""From rows that a caller wrote to columns that an engine commits: numbers normalised, texts encoded, both sealed.

HOT: one loop, one turn a message. A row that cannot be sent is set aside with its error; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from appliance.errors import Error
from appliance.limits import SCHEDULE_AHEAD_S_MAX, SCHEDULE_BEHIND_S_MAX, VALIDITY_S_DEFAULT
from appliance.message import CLASSES, ENCODINGS, NOTIFY_WEBHOOK, Batch, Content, id_text, new_ids
from appliance.numbering import normalise, sender_kind
from appliance.text import encode

from .requests import Message

CLASS: Final = {name: number for number, name in enumerate(CLASSES)}
_content: Final = msgspec.msgpack.Encoder().encode
#: The columns that a row fills by itself, in the order in which `take` gathers them.
TAKEN: Final = (
    "ids", "classes", "encodings", "segments", "senders", "calling_codes", "number_indexes",
    "send_at_ms", "expires_ms", "notify", "to", "payloads",
)  # fmt: skip
_AHEAD_MS: Final = SCHEDULE_AHEAD_S_MAX * 1000
_BEHIND_MS: Final = SCHEDULE_BEHIND_S_MAX * 1000


class Key(Protocol):
    """A day's data key as `appliance.keys` gives it."""

    @property
    def key_id(self) -> int: ...
    def seal(self, plaintext: bytes, aad: bytes) -> bytes: ...
    def seal_many(self, plaintexts: list[bytes], aads: list[bytes]) -> list[bytes]: ...
    def open(self, blob: bytes, aad: bytes) -> bytes: ...


class Sealing(msgspec.Struct, frozen=True):
    """What a day's messages are sealed with. Immutable: another day is another Sealing."""

    day: int
    key: Any  # Key
    index: Callable[[str], bytes]  # number -> 16 octets of blind index
    requests_key: bytes  # keys the MACs of idempotency keys and bodies


class Accepted(msgspec.Struct, omit_defaults=True):
    """A message that was accepted, as the caller is told."""

    id: str
    status: str
    class_: str = msgspec.field(name="class")
    segments: int
    encoding: str
    index: int | UnsetType = UNSET
    reference: str | UnsetType = UNSET


class Rejected(msgspec.Struct, omit_defaults=True):
    """A row of a batch that was refused, and why."""

    index: int
    code: str
    message: str
    hint: str
    field: str | UnsetType = UNSET


class Intake:
    """One request's messages on their way in: `take` rows, then `batch`, `accepted` and `errors` are complete."""

    def __init__(
        self,
        count: int,
        caller: int,
        sealing: Sealing,
        at_ms: int,
        check_callback: Callable[[str], None],
        links: Callable[[str], tuple[str, ...]],
        indexed: bool,
    ) -> None:
        self.ids = new_ids(count, at_ms)
        self.caller = caller
        self.sealing = sealing
        self.at_ms = at_ms
        self.check_callback = check_callback
        self.links = links
        self.indexed = indexed
        self.accepted: list[Accepted] = []
        self.errors: list[tuple[int, Error]] = []
        self.batch = empty_batch(sealing.day, at_ms, sealing.key.key_id)

    def take(self, rows: list[Message | Error], first: int) -> None:
        """Makes `rows`, of which the first is row `first` of the request, ready for the engine."""
        at_ms, indexed, blind, links = self.at_ms, self.indexed, self.sealing.index, self.links
        accepted, ids = self.accepted, self.ids
        taken: list[tuple[Any, ...]] = []
        contents: list[bytes] = []
        index = first - 1
        for row in rows:
            index += 1
            field = "body"
            try:
                if isinstance(row, Error):
                    raise row
                field = "to"
                to, calling_code = normalise(row.to)
                if not links(to):
                    raise no_route()
                field = "text"
                encoding, payload, segments = encode(row.text)
                name = row.class_ or "transaction"
                class_ = CLASS[name]
                field = "from"
                sender = ""
                if row.from_ is not None:
                    sender = row.from_
                    sender_kind(sender)
                field = "send_at"
                send_at_ms, status = 0, "accepted"
                if row.send_at is not None:
                    send_at_ms = scheduled_ms(row.send_at.timestamp(), at_ms)
                    if send_at_ms:
                        status = "scheduled"
                validity_s = VALIDITY_S_DEFAULT[class_] if row.validity_s is None else row.validity_s
                field = "callback_url"
                callback = row.callback_url
                if callback is not None:
                    self.check_callback(callback)
            except Error as e:
                self.errors.append((index, _with_field(e, field)))
                continue
            message_id = ids[index]
            until_ms = (send_at_ms or at_ms) + validity_s * 1000
            row_of = (message_id, class_, encoding, segments, sender, calling_code, blind(to))
            taken.append((*row_of, send_at_ms, until_ms, NOTIFY_WEBHOOK if callback is not None else 0, to, payload))
            contents.append(_content(Content(encoding, payload, row.reference, callback, row.metadata)))
            shown = index if indexed else UNSET
            reference = UNSET if row.reference is None else row.reference
            said = Accepted(id_text(message_id), status, name, segments, ENCODINGS[encoding], shown, reference)
            accepted.append(said)
        if taken:
            self._keep(taken, contents)

    def _keep(self, taken: list[tuple[Any, ...]], contents: list[bytes]) -> None:
        """Rows to columns, sealed on the way."""
        batch, seal_many = self.batch, self.sealing.key.seal_many
        columns = dict(zip(TAKEN, zip(*taken, strict=True), strict=True))
        for name, column in columns.items():
            getattr(batch, name).extend(column)
        ids = columns["ids"]
        batch.callers += [self.caller] * len(ids)
        batch.numbers += seal_many([to.encode() for to in columns["to"]], [b"n" + i for i in ids])
        batch.contents += seal_many(contents, [b"c" + i for i in ids])

    def rejected(self) -> list[Rejected]:
        return [Rejected(n, e.code, e.message, e.hint, e.detail.get("field", UNSET)) for n, e in self.errors]


def empty_batch(day: int, at_ms: int, key_id: int) -> Batch:
    return Batch(day, at_ms, key_id, [], [], [], [], [], [], [], [], [], [], [], [], [], [], [], [])


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


def _with_field(error: Error, field: str) -> Error:
    if field != "body" and "field" not in error.detail:
        error.detail["field"] = field
    return error

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
from appliance.message import CLASSES, ENCODINGS, Batch, Content, id_text, new_ids
from appliance.numbering import normalise, sender_kind
from appliance.text import encode

from .requests import Message

CLASS: Final = {name: number for number, name in enumerate(CLASSES)}
_content: Final = msgspec.msgpack.Encoder().encode
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
        indexed: bool,
    ) -> None:
        self.ids = new_ids(count, at_ms)
        self.caller = caller
        self.sealing = sealing
        self.at_ms = at_ms
        self.check_callback = check_callback
        self.indexed = indexed
        self.accepted: list[Accepted] = []
        self.errors: list[tuple[int, Error]] = []
        self.batch = empty_batch(sealing.day, at_ms, sealing.key.key_id)

    def take(self, rows: list[Message | Error], first: int) -> None:
        """Makes `rows`, of which the first is row `first` of the request, ready for the engine."""
        batch, at_ms, caller, indexed = self.batch, self.at_ms, self.caller, self.indexed
        blind = self.sealing.index
        numbers: list[bytes] = []
        contents: list[bytes] = []
        before = len(batch.ids)
        accepted, ids = self.accepted, self.ids
        index = first - 1
        for row in rows:
            index += 1
            field = "body"
            try:
                if isinstance(row, Error):
                    raise row
                field = "to"
                to, calling_code = normalise(row.to)
                field = "text"
                encoding, payload, segments = encode(row.text)
                name = "transaction" if row.class_ is UNSET else row.class_
                class_ = CLASS[name]
                field = "from"
                sender = ""
                if row.from_ is not UNSET:
                    sender = row.from_
                    sender_kind(sender)
                field = "send_at"
                send_at_ms, status = 0, "accepted"
                if row.send_at is not UNSET:
                    send_at_ms = scheduled_ms(row.send_at.timestamp(), at_ms)
                    if send_at_ms:
                        status = "scheduled"
                validity_s = VALIDITY_S_DEFAULT[class_] if row.validity_s is UNSET else row.validity_s
                field = "callback_url"
                callback = reference = metadata = None
                if row.callback_url is not UNSET:
                    callback = row.callback_url
                    self.check_callback(callback)
            except Error as e:
                self.errors.append((index, _with_field(e, field)))
                continue
            if row.reference is not UNSET:
                reference = row.reference
            if row.metadata is not UNSET:
                metadata = row.metadata
            message_id = ids[index]
            batch.ids.append(message_id)
            batch.callers.append(caller)
            batch.classes.append(class_)
            batch.encodings.append(encoding)
            batch.segments.append(segments)
            batch.senders.append(sender)
            batch.calling_codes.append(calling_code)
            batch.number_indexes.append(blind(to))
            numbers.append(to.encode())
            contents.append(_content(Content(encoding, payload, reference, callback, metadata)))
            batch.send_at_ms.append(send_at_ms)
            batch.expires_ms.append((send_at_ms or at_ms) + validity_s * 1000)
            batch.webhooks.append(callback is not None)
            batch.to.append(to)
            batch.payloads.append(payload)
            accepted.append(
                Accepted(
                    id_text(message_id),
                    status,
                    name,
                    segments,
                    ENCODINGS[encoding],
                    index if indexed else UNSET,
                    row.reference,
                )
            )

        fresh, seal_many = batch.ids[before:], self.sealing.key.seal_many
        batch.numbers += seal_many(numbers, [b"n" + i for i in fresh])
        batch.contents += seal_many(contents, [b"c" + i for i in fresh])

    def rejected(self) -> list[Rejected]:
        return [Rejected(n, e.code, e.message, e.hint, e.detail.get("field", UNSET)) for n, e in self.errors]


def empty_batch(day: int, at_ms: int, key_id: int) -> Batch:
    return Batch(day, at_ms, key_id, [], [], [], [], [], [], [], [], [], [], [], [], [], [], [], [])


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

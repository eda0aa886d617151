"""What callers may write: the shape of every request body, strict decoding, and errors that name the field but never its value."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from appliance.errors import Error
from appliance.flows import AskedWay, ChannelName
from appliance.limits import (
    BATCH_MESSAGES_MAX,
    CALLBACK_CHARACTERS_MAX,
    METADATA_CHARACTERS_MAX,
    METADATA_ENTRIES_MAX,
    METADATA_NAME_CHARACTERS_MAX,
    REFERENCE_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    VALIDITY_S_MAX,
    VALIDITY_S_MIN,
    WAYS_MAX,
)
from appliance.senders import Details
from appliance.templates import Body

Class = Annotated[Literal["otp", "alert", "transaction", "bulk"], Meta(extra_json_schema={"default": "transaction"})]

#: Lengths of `to`, `from` and `text` have codes of their own, so they are in the schema and checked in intake.
To = Annotated[
    str,
    Meta(
        description="E.164: a plus and up to 15 digits", examples=["+393331234567"], extra_json_schema={"maxLength": 32}
    ),
]
Sender = Annotated[
    str,
    Meta(
        description="a number, a short code, or up to 11 letters and digits; without it the link's own sender is used",
        examples=["MYBANK"],
        extra_json_schema={"maxLength": 16, "minLength": 1},
    ),
]
Text = Annotated[
    str,
    Meta(
        description="the text as the customer reads it; sent whole or refused, never cut",
        examples=["Your code is 123456"],
        extra_json_schema={"minLength": 1, "maxLength": TEXT_CHARACTERS_MAX},
    ),
]
TemplateName = Annotated[
    str, Meta(max_length=64, description="a template instead of `text`", examples=["payment-done"])
]
Locale = Annotated[
    str,
    Meta(
        max_length=35, description="BCP 47; its text, else its language's, else the template's own", examples=["it-CH"]
    ),
]
ParamName = Annotated[str, Meta(max_length=32)]
#: A string, a whole number, a decimal string, or money as an object of amount and currency.
Params = Annotated[
    dict[ParamName, str | int | dict[str, str]],
    Meta(max_length=64, description="what the template's placeholders become", examples=[{"n": 2}]),
]
MetadataKey = Annotated[str, Meta(min_length=1, max_length=METADATA_NAME_CHARACTERS_MAX)]
MetadataValue = Annotated[str, Meta(max_length=METADATA_CHARACTERS_MAX)]


class Message(msgspec.Struct, forbid_unknown_fields=True):
    """One message to send. A field that may be left out may be null as well: many serializers write absent ones so."""

    to: To
    text: Text | None = None
    from_: Sender | None = msgspec.field(default=None, name="from")
    class_: Class | None = msgspec.field(default=None, name="class")
    channel: ChannelName | None = None
    fallback: (
        Annotated[
            list[ChannelName | AskedWay],
            Meta(
                min_length=1,
                max_length=WAYS_MAX - 1,
                description="further channels, in this order: the next when a receipt says undelivered, or none came in time",
                examples=[[{"channel": "sms-second", "after_s": 300}]],
            ),
        ]
        | None
    ) = None
    reference: (
        Annotated[str, Meta(max_length=REFERENCE_CHARACTERS_MAX, description="yours; given back, never sent")] | None
    ) = None
    validity_s: (
        Annotated[
            int, Meta(ge=VALIDITY_S_MIN, le=VALIDITY_S_MAX, description="seconds after which it is no longer sent")
        ]
        | None
    ) = None
    send_at: (
        Annotated[
            datetime, Meta(tz=True, description="RFC 3339; up to 90 days ahead, and within `store.retention_days`")
        ]
        | None
    ) = None
    callback_url: (
        Annotated[str, Meta(max_length=CALLBACK_CHARACTERS_MAX, description="https, on a host that the settings allow")]
        | None
    ) = None
    metadata: (
        Annotated[
            dict[MetadataKey, MetadataValue],
            Meta(max_length=METADATA_ENTRIES_MAX, description="yours; given back in callbacks"),
        ]
        | None
    ) = None
    template: TemplateName | None = None
    params: Params | None = None
    locale: Locale | None = None


class MessageBatch(msgspec.Struct, forbid_unknown_fields=True):
    """Many messages to send; each is accepted or refused on its own."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=BATCH_MESSAGES_MAX)]


class RawBatch(msgspec.Struct, forbid_unknown_fields=True):
    """The same with its rows unread, for when one of them is wrong."""

    messages: list[msgspec.Raw]


class Preview(msgspec.Struct, forbid_unknown_fields=True):
    """A message to look at without sending it."""

    text: Text | None = None
    to: To | None = None
    from_: Sender | None = msgspec.field(default=None, name="from")
    class_: Class | None = msgspec.field(default=None, name="class")
    template: TemplateName | None = None
    params: Params | None = None
    locale: Locale | None = None
    validity_s: Annotated[int, Meta(ge=VALIDITY_S_MIN, le=VALIDITY_S_MAX)] | None = None
    send_at: Annotated[datetime, Meta(tz=True)] | None = None


Country = Annotated[str, Meta(pattern="^[A-Z]{2}$", description="ISO 3166", examples=["IT"])]
Day = Annotated[str, Meta(max_length=10, description="a day, from midnight UTC", examples=["2026-11-22"])]


class SenderRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A sender whose registration in a country was asked for."""

    sender: Sender
    country: Country
    details: Details | None = None


class SenderChange(msgspec.Struct, forbid_unknown_fields=True):
    """What became of a registration: confirmed, from a day (today without it) to another, or expired."""

    state: Literal["confirmed", "expired"]
    valid_from: Day | None = None
    expires: Day | None = None
    details: Details | None = None


_sender_request: Final = msgspec.json.Decoder(SenderRequest)
_sender_change: Final = msgspec.json.Decoder(SenderChange)


def sender_request_of(body: bytes) -> SenderRequest:
    """Raises Error `malformed` or `invalid`."""
    asked: SenderRequest = _decoded(_sender_request, body)
    _once(body)
    return asked


def sender_change_of(body: bytes) -> SenderChange:
    """Raises Error `malformed` or `invalid`."""
    asked: SenderChange = _decoded(_sender_change, body)
    _once(body)
    return asked


_message: Final = msgspec.json.Decoder(Message)
_batch: Final = msgspec.json.Decoder(MessageBatch)
_raw_batch: Final = msgspec.json.Decoder(RawBatch)
_preview: Final = msgspec.json.Decoder(Preview)

_template: Final = msgspec.json.Decoder(Body)


def template_of(body: bytes) -> Body:
    """Raises Error `malformed` or `invalid`."""
    saved: Body = _decoded(_template, body)
    _once(body)
    return saved


def message_of(body: bytes) -> Message:
    """Raises Error `malformed` or `invalid`."""
    row: Message = _decoded(_message, body)
    _once(body)
    return row


def preview_of(body: bytes) -> Preview:
    """Raises Error `malformed` or `invalid`."""
    asked: Preview = _decoded(_preview, body)
    _once(body)
    return asked


def decoded_once(decoder: Any, body: bytes) -> Any:
    """Raises Error `malformed` or `invalid`."""
    asked = _decoded(decoder, body)
    _once(body)
    return asked


def batch_of(body: bytes) -> list[Message | Error]:
    """One entry a row: the message, or what is wrong with it. Raises Error when the batch as a whole cannot be read."""
    if len(body) > LARGE_OCTETS:
        _plausible(body)
    try:
        rows = _batch.decode(body).messages
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _row_by_row(body)
    _once(body)
    return rows  # type: ignore[return-value]  # a list of the narrower kind, read only


def _row_by_row(body: bytes) -> list[Message | Error]:
    raw: list[msgspec.Raw] = _decoded(_raw_batch, body).messages
    if not raw:
        raise Error("invalid", "the batch has no messages", "give 1 to 1,000 messages", field="messages")
    if len(raw) > BATCH_MESSAGES_MAX:
        raise Error(
            "invalid",
            "the batch has too many messages",
            f"give at most {BATCH_MESSAGES_MAX:,} in one call",
            field="messages",
        )
    _once(body)
    out: list[Message | Error] = []
    for row in raw:
        try:
            out.append(_message.decode(row))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            out.append(_named(e, "the row"))
    return out


def _decoded(decoder: Any, body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise _named(e) from None


#: Below this a body of nothing but brackets and commas cannot become more than some tens of megabytes of objects.
LARGE_OCTETS: Final = 1 << 20
#: More names, values and brackets than a full batch with everything on it has.
MARKS_MAX: Final = BATCH_MESSAGES_MAX * (2 * METADATA_ENTRIES_MAX + 32)
_STRING: Final = re.compile(rb'"(?:[^"\\]+|\\.?)*+(?:"|\Z)', re.DOTALL)


def _plausible(body: bytes) -> None:
    """Raises Error `too_large` for a large body that is not texts but structure: it would cost many times its size."""
    bare, strings = _STRING.subn(b"", body, MARKS_MAX)
    if strings >= MARKS_MAX or bare.count(b",") + bare.count(b"[") + bare.count(b"{") > MARKS_MAX:
        raise Error("too_large", "the body has more members than a batch can have", "see /v1/openapi.json")


def _once(body: bytes) -> None:
    """Raises Error `malformed` for a member written twice: two meanings in one document. msgspec takes the last silently."""
    try:
        json.loads(body, object_pairs_hook=_pairs)
    except RecursionError:
        raise Error("malformed", "the body is nested too deeply") from None
    except ValueError:
        raise Error("malformed", "the body is not JSON") from None


def _pairs(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise Error("malformed", "an object of the body has the same member twice", "write each member once")


_PATH: Final = re.compile(r" - at (?:`key` in )?`\$\.?([A-Za-z_.0-9]*)(?:\[[^`]*)?`$")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_QUOTED: Final = re.compile(r"`([^`]*)`")


#: A decoder's names of types, and a caller's. That an optional field may be null needs no saying.
_TYPES: Final = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "datetime": "RFC 3339 time"}
_TYPE: Final = re.compile(r"`([a-z]+(?: \| [a-z]+)*)`")
_TIME_HINT: Final = "a time is RFC 3339 with an offset, as 2026-11-22T18:30:00Z"


def _named(e: Exception, whole: str = "the body") -> Error:
    """Our sentence for a decoder's: the field by name, the reason, never what was written. `whole` is what has no name."""
    if isinstance(e, RecursionError):
        return Error("malformed", "the body is nested too deeply", "see /v1/openapi.json")
    if not isinstance(e, msgspec.ValidationError):
        return Error("malformed", "the body is not JSON in UTF-8", "see RFC 8259; surrogates must come in pairs")
    said = str(e)
    path = _PATH.search(said)
    reason = said[: path.start()] if path else said
    field = path[1] if path else ""
    hint = "see /v1/openapi.json for the fields of this call"
    if reason.startswith("Object contains unknown field"):
        named = _QUOTED.search(reason)
        name = named[1] if named else ""
        if not _NAME.fullmatch(name):
            return Error("invalid", "there is an unknown field", hint)
        return Error("invalid", f"`{name}` is not a field of this call", hint, field=name)
    if reason.startswith("Object missing required field"):
        named = _QUOTED.search(reason)
        name = named[1] if named else ""
        return Error("invalid", f"`{name}` is missing", hint, field=name)
    where = {"field": field} if field else {}
    what = f"`{field}`" if field else whole
    if reason.startswith("Invalid enum value"):
        allowed = {"class": "otp, alert, transaction or bulk"}.get(field.rpartition(".")[2], "one of its values")
        return Error("invalid", f"{what} must be {allowed}", hint, **where)
    if reason.startswith("Expected "):
        said = _TYPE.sub(lambda m: _types(m[1]), reason[0].lower() + reason[1:])
        return Error("invalid", f"{what}: {said}", _TIME_HINT if "RFC 3339" in said else hint, **where)
    return Error("invalid", f"{what} is not valid", _TIME_HINT, **where)


def _types(said: str) -> str:
    """`int | str | null` as a caller calls it: `integer or string`."""
    words = [_TYPES.get(word, word) for word in said.split(" | ")]
    return " or ".join(word for word in words if word != "null" or len(words) == 1)

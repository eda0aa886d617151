"""What customers wrote, on its way to the webhooks that the settings name for it: whose it is, and its body. Pure.

It travels as the engine sealed it; opened once, by the sorting, it is sealed anew as the body that every attempt sends.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import msgspec

from appliance.clock import rfc3339
from appliance.message import id_text
from appliance.settings import InboundWebhook, webhooks_for

from .letter import received_body


class Heard(msgspec.Struct, array_like=True):
    """One of an engine's `heard`, numbers and content sealed under its day's key."""

    id: bytes
    key_id: int
    number: bytes
    recipient: str
    content: bytes
    at_ms: int


class Received(msgspec.Struct, array_like=True):
    """A Heard for one webhook, by its name in the settings."""

    webhook: str
    heard: Heard


class Opener(Protocol):
    def open(self, blob: bytes, aad: bytes) -> bytes: ...


_pack = msgspec.msgpack.Encoder().encode
_content = msgspec.msgpack.Decoder(dict[str, Any]).decode


def parcel_id(message_id: bytes, webhook: str) -> bytes:
    """The same at every repetition; another for another webhook."""
    return hashlib.sha256(b"received" + message_id + webhook.encode()).digest()[:16]


def parcels(
    first: int, messages: list[Heard], webhooks: tuple[InboundWebhook, ...]
) -> list[tuple[int, bytes, int, int, bytes, int]]:
    """Rows of `Book.take_received`: one for each message and webhook that it goes to."""
    return [
        (n, parcel_id(heard.id, hook.name), hook.api_key, heard.key_id, _pack(Received(hook.name, heard)), heard.at_ms)
        for n, heard in enumerate(messages, first)
        for hook in webhooks_for(webhooks, heard.recipient)
        if heard.content  # else it was erased
    ]


def body_of(heard: Heard, hook: InboundWebhook, key: Opener) -> bytes:
    """The body as the bank gets it. Raises Error or msgspec's for what does not open."""
    told: dict[str, Any] = {"id": id_text(heard.id), "to": heard.recipient, "at": rfc3339(heard.at_ms)}
    if hook.content == "whole":
        content = _content(key.open(heard.content, b"h" + heard.id))
        missing = content["missing"]
        told |= {"from": key.open(heard.number, b"n" + heard.id).decode(), "text": content["text"]}
        told |= {"complete": not missing, "parts": content["parts"], "missing": missing}
    return received_body(heard.at_ms, told)

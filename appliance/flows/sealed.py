"""What is kept sealed of a run until it ends: everything of the customer and of the bank's business with him."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from .definition import Way


class Kept(msgspec.Struct, array_like=True):
    """Under the day's key, bound to the run's id."""

    to: str
    locale: str
    variables: dict[str, Any]
    reference: str | None = None
    callback_url: str | None = None
    ways: list[Way] = []  # in place of those of the workflow's first state
    asked: dict[str, Any] | None = (
        None  # the message or the code as a caller asked for it, in place of what that state says
    )

    def __repr__(self) -> str:
        return "<kept of a run>"


class Key(Protocol):
    """The part of a day's key that a run needs."""

    @property
    def key_id(self) -> int: ...
    def seal(self, plaintext: bytes, aad: bytes) -> bytes: ...
    def open(self, blob: bytes, aad: bytes) -> bytes: ...


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


def aad(run: bytes) -> bytes:
    return b"f" + run


def sealed(key: Key, run: bytes, kept: Kept) -> bytes:
    return key.seal(_encode(kept), aad(run))


def opened(key: Key, run: bytes, blob: bytes) -> Kept:
    """Raises Error `key_refused`."""
    return _decode(key.open(blob, aad(run)))

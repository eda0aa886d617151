"""What is kept sealed of a verification while it is pending: what its next message needs. Never the code, unless a resend is to send the same."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from .binding import Payment


class KeptWay(NamedTuple):
    """By which way a message goes, of a workflow or of a caller's own."""

    sender: str = ""
    address: str = ""
    channel: str = ""


class Kept(msgspec.Struct, array_like=True):
    """`code` is empty when a resend makes a new one."""

    to: str
    locale: str | None
    payee: str
    amount: str
    currency: str
    digits: int
    life_s: int
    code: str = ""
    sender: str = ""  # of its way; else the settings' own
    address: str = ""  # where a workflow hears of its message's receipt
    channel: str = ""  # by its name, where it is not the usual one
    template: str = ""  # that the caller named; else the purpose's

    @property
    def payment(self) -> Payment:
        return Payment(self.payee, self.amount, self.currency)

    def __repr__(self) -> str:
        return "<kept of a verification>"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


def aad(verification: bytes) -> bytes:
    """What the sealing is bound to."""
    return b"v" + verification


def packed(kept: Kept) -> bytes:
    return _encode(kept)


def unpacked(octets: bytes) -> Kept:
    return _decode(octets)

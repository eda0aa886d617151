"""The frame between pool and worker: four octets of length, big-endian, then one msgpack array.

Request `[op, {arguments}]`, reply `[true, result]` or `[false, [code, message, hint, lost]]`: one at a time, so nothing is numbered.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from .bounds import FRAME_OCTETS_MAX
from .errors import HsmError

HEAD_OCTETS: Final = 4


def pack(message: Any) -> bytes:
    body = msgspec.msgpack.encode(message)
    if len(body) > FRAME_OCTETS_MAX:
        raise HsmError("invalid", "the request is too large for the HSM")
    return len(body).to_bytes(HEAD_OCTETS, "big") + body


def length(head: bytes) -> int:
    """Octets that follow. Raises HsmError `invalid` when it is more than anybody sends."""
    size = int.from_bytes(head, "big")
    if size > FRAME_OCTETS_MAX:
        raise HsmError("invalid", "a frame of the HSM worker is too large")
    return size


def unpack(body: bytes) -> Any:
    try:
        return msgspec.msgpack.decode(body)
    except msgspec.DecodeError:
        raise HsmError("invalid", "a frame of the HSM worker is not msgpack") from None

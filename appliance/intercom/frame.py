"""The frame: four octets of length, big-endian, then one msgpack array. No sockets here.

Request  `[id, op, payload]`; reply `[id, true, payload]` or `[id, false, [code, message, hint, detail]]`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.errors import CODES, Error
from appliance.limits import FRAME_OCTETS_MAX

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


def pack(message: Any) -> bytes:
    """One frame. Structs marked array_like travel as arrays."""
    body = _encoder.encode(message)
    if len(body) > FRAME_OCTETS_MAX:
        raise Error("too_large", "the message between processes is too large", octets=len(body))
    return len(body).to_bytes(4, "big") + body


def error_of(payload: Any) -> Error:
    """The Error that a refused reply carries."""
    code, message, hint, detail = payload
    return Error(code if code in CODES else "internal", message, hint, **detail)


def error_payload(error: Error) -> list[Any]:
    return [error.code, error.message, error.hint, error.detail]


class Frames:
    """Bytes in, whole messages out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def hear(self, data: bytes) -> list[Any]:
        """Every message completed by `data`. Raises Error `malformed` or `too_large`: the connection is then useless."""
        buffer = self._buffer
        buffer += data
        out: list[Any] = []
        at = 0
        while len(buffer) - at >= 4:
            length = int.from_bytes(buffer[at : at + 4], "big")
            if length > FRAME_OCTETS_MAX:
                raise Error("too_large", "a frame of another process is too large", octets=length)
            if len(buffer) - at - 4 < length:
                break
            try:
                out.append(_decoder.decode(memoryview(buffer)[at + 4 : at + 4 + length]))
            except msgspec.DecodeError as e:
                raise Error("malformed", "a frame of another process is not msgpack") from e
            at += 4 + length
        if at:
            del buffer[:at]
        return out

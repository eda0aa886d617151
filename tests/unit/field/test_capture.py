"""What a capture keeps of a packet: who talks to whom, and nothing of what they say."""

from __future__ import annotations

import struct

import pytest

from appliance.field.capture import headers

SECRET = b"the code is 123456"
ETHER = b"\x02" * 12


def ipv4(protocol: int, rest: bytes) -> bytes:
    return (
        ETHER
        + b"\x08\x00"
        + struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(rest), 0, 0, 64, protocol, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
        + rest
    )


TCP = struct.pack(">HHIIBBHHH", 1234, 2775, 0, 0, 0x80, 0x18, 0, 0, 0) + b"\x01" * 12
UDP = struct.pack(">HHHH", 1234, 53, 8 + len(SECRET), 0)


@pytest.mark.parametrize(
    ("frame", "octets"),
    [
        (ipv4(6, TCP + SECRET), 14 + 20 + 32),
        (ipv4(17, UDP + SECRET), 14 + 20 + 8),
        (ipv4(1, b"\x08\x00\0\0\0\0\0\0" + SECRET), 14 + 20 + 8),
        (ipv4(47, SECRET), 14 + 20),
        (ETHER + b"\x81\x00\x00\x07" + ipv4(17, UDP + SECRET)[12:], 18 + 20 + 8),
        (
            ETHER + b"\x86\xdd" + struct.pack(">IHBB16s16s", 6 << 28, 0, 17, 64, b"\1" * 16, b"\2" * 16) + UDP + SECRET,
            14 + 40 + 8,
        ),
        (ETHER + b"\x08\x06" + b"a" * 28 + SECRET, 14 + 28),
        (ETHER + b"\x88\xb5" + b"z" * 20 + SECRET, 34),
        (ETHER, 12),
    ],
)
def test_only_headers_are_kept(frame: bytes, octets: int) -> None:
    kept = headers(frame)
    assert len(kept) == octets and frame.startswith(kept) and SECRET not in kept

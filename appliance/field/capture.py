"""Headers of packets on one card, to a file that Wireshark reads (libpcap format, draft-ietf-opsawg-pcap). Never what packets carry.

TCP, UDP and ICMP headers are kept, their content is cut off before anything is written: one-time codes leave the box over these cards.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Final

from appliance.clock import monotonic_s, now_ms
from appliance.errors import Error

PACKETS_MAX: Final = 200_000
ETH_P_ALL: Final = 3
_HEAD: Final = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 256, 1)


def headers(frame: bytes) -> bytes:
    """The part of an Ethernet frame that says who talks to whom; 34 octets of anything that is not known. Pure."""
    at = 14
    kind = int.from_bytes(frame[12:14], "big")
    if kind == 0x8100:
        kind, at = int.from_bytes(frame[16:18], "big"), 18
    if kind == 0x0806:
        return frame[: at + 28]
    if kind == 0x0800 and len(frame) > at + 20:
        transport, at = frame[at + 9], at + (frame[at] & 15) * 4
    elif kind == 0x86DD and len(frame) > at + 40:
        transport, at = frame[at + 6], at + 40
    else:
        return frame[:34]
    if transport == 6 and len(frame) > at + 12:
        return frame[: at + (frame[at + 12] >> 4) * 4]
    return frame[: at + 8] if transport in (1, 17, 58) else frame[:at]


def captured(card: str, seconds: float, path: Path) -> list[str]:
    """Writes for so long; how many packets. Raises Error `forbidden`, `not_found`."""
    try:
        line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        line.bind((card, 0))
    except PermissionError:
        raise Error("forbidden", "only root captures", "at the box's own serial console") from None
    except OSError as e:
        raise Error("not_found", f"card {card}: {e.strerror}", "the list of cards shows them") from None
    count, end = 0, monotonic_s() + seconds
    with line, path.open("wb") as file:
        file.write(_HEAD)
        while count < PACKETS_MAX and (left := end - monotonic_s()) > 0:
            line.settimeout(min(left, 1.0))
            try:
                frame = line.recv(65_536)
            except TimeoutError:
                continue
            kept, at_ms = headers(frame), now_ms()
            file.write(struct.pack("<IIII", at_ms // 1000, at_ms % 1000 * 1000, len(kept), len(frame)) + kept)
            count += 1
    return [f"{count} packets, headers only, in {path.name}"]
